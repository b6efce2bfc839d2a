"""One row per campaign: its newest document and its dates in the newest calendar.

The calendar names a campaign weeks before its document arrives: until then it is there, `is_inferred`, and so is one that is
known from redemptions alone. That a campaign is in no calendar is a warning.
"""

from retail_lake.contract import Column, Layer, Table, Workload, expect

dim_campaign = Table(
    name="dim_campaign",
    layer=Layer.GOLD,
    description=__doc__,
    grain="campaign",
    key=("campaign_id",),
    workload=Workload.ANALYTICS,
    columns=(
        Column("campaign_id", "bigint", "Campaign."),
        Column("campaign_type", "string", "Type A fits coupons to each household, Type B and C give all coupons to all."),
        Column("start_date", "date", "First day of the campaign; empty until a calendar names it."),
        Column("end_date", "date", "Last day of the campaign; empty until a calendar names it."),
        Column("documented_at", "timestamp", "When marketing changed the document that holds (UTC)."),
        Column("announced_at", "timestamp", "When a calendar first gave these dates (UTC)."),
        Column("is_inferred", "boolean", "Whether marketing has sent no document of the campaign yet."),
    ),
    rules=(
        expect.column_values_to_not_be_null("campaign_id"),
        expect.column_pair_values_a_to_be_greater_than_b(
            "end_date", "start_date", or_equal=True, ignore_row_if="either_value_is_missing"
        ),
        expect.column_values_to_not_be_null("start_date", severity="warning"),
    ),
    sql="""
        WITH documents AS (
          SELECT
            campaign_id,
            campaign_type,
            updated_at,
            row_number() OVER (PARTITION BY campaign_id ORDER BY updated_at DESC, _source_file DESC, _position DESC) AS place
          FROM silver.campaigns
        ),
        calendar AS (
          SELECT
            campaign_id,
            start_date,
            end_date,
            row_number() OVER (PARTITION BY campaign_id ORDER BY as_of DESC, _source_file DESC, _position DESC) AS place
          FROM silver.campaign_calendar
        ),
        announced AS (
          SELECT campaign_id, start_date, end_date, min(as_of) AS announced_at
          FROM silver.campaign_calendar
          GROUP BY campaign_id, start_date, end_date
        ),
        members AS (
          SELECT campaign_id FROM silver.campaigns
          UNION
          SELECT campaign_id FROM silver.campaign_calendar
          UNION
          SELECT campaign_id FROM silver.redemptions
        )
        SELECT
          m.campaign_id,
          d.campaign_type,
          c.start_date,
          c.end_date,
          d.updated_at AS documented_at,
          a.announced_at,
          d.campaign_id IS NULL AS is_inferred
        FROM members AS m
        LEFT JOIN documents AS d ON d.campaign_id = m.campaign_id AND d.place = 1
        LEFT JOIN calendar AS c ON c.campaign_id = m.campaign_id AND c.place = 1
        LEFT JOIN announced AS a ON a.campaign_id = c.campaign_id AND a.start_date = c.start_date AND a.end_date = c.end_date
    """,
)

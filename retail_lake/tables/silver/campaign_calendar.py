"""One row per campaign and weekly extract of the campaign calendar; the newest extract holds."""

from retail_lake.contract import Column, Layer, Table, expect

campaign_calendar = Table(
    name="campaign_calendar",
    layer=Layer.SILVER,
    description=__doc__,
    grain="campaign in a calendar extract",
    key=("campaign_id", "as_of"),
    order_by="_source_file DESC, _position DESC",
    day="received_on",
    columns=(
        Column("received_on", "date", "Day the extract arrived."),
        Column("as_of", "timestamp", "Moment the extract was taken (UTC)."),
        Column("campaign_id", "bigint", "Campaign."),
        Column("start_date", "date", "First day of the campaign."),
        Column("end_date", "date", "Last day of the campaign."),
    ),
    rules=(
        expect.column_values_to_not_be_null("as_of", mostly=0.5),
        expect.column_values_to_not_be_null("campaign_id", mostly=0.5),
        expect.column_values_to_not_be_null("start_date", mostly=0.5),
        expect.column_values_to_not_be_null("end_date", mostly=0.5),
        expect.column_pair_values_a_to_be_greater_than_b(
            "end_date", "start_date", or_equal=True, mostly=0.5, ignore_row_if="either_value_is_missing"
        ),
    ),
    sql="""
        SELECT
          _day AS received_on,
          parse_timestamp(as_of) AS as_of,
          parse_bigint(campaign_id) AS campaign_id,
          parse_date(start_date) AS start_date,
          parse_date(end_date) AS end_date,
          _source_file,
          _position,
          _day
        FROM bronze.campaign_calendar
    """,
)

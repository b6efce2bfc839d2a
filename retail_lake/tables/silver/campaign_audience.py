"""One row per household that a campaign document addresses."""

from retail_lake.contract import Column, Layer, Table, expect

campaign_audience = Table(
    name="campaign_audience",
    layer=Layer.SILVER,
    description=__doc__,
    grain="household of a campaign document",
    key=("campaign_id", "updated_at", "household_id"),
    order_by="_source_file DESC, _position DESC",
    day="received_on",
    unnests=True,
    columns=(
        Column("received_on", "date", "Day the document arrived."),
        Column("campaign_id", "bigint", "Campaign."),
        Column("updated_at", "timestamp", "When marketing changed the document (UTC); the newest of a campaign holds."),
        Column("household_id", "bigint", "Household the campaign addresses.", pii=True),
    ),
    rules=(
        expect.column_values_to_not_be_null("campaign_id", mostly=0.9),
        expect.column_values_to_not_be_null("updated_at", mostly=0.9),
        expect.column_values_to_not_be_null("household_id", mostly=0.9),
    ),
    sql="""
        SELECT
          _day AS received_on,
          parse_bigint(campaign_id) AS campaign_id,
          parse_timestamp(updated_at) AS updated_at,
          parse_bigint(member.household_id) AS household_id,
          _source_file,
          _position,
          _day
        FROM bronze.campaigns
        LATERAL VIEW explode(audience) a AS member
    """,
)

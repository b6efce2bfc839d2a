"""One row per document of a campaign. Whom it addresses and what it hands out are tables of their own."""

from retail_lake.contract import Column, Layer, Table, expect

campaigns = Table(
    name="campaigns",
    layer=Layer.SILVER,
    description=__doc__,
    grain="campaign document",
    key=("campaign_id", "updated_at"),
    order_by="_source_file DESC, _position DESC",
    day="received_on",
    columns=(
        Column("received_on", "date", "Day the document arrived."),
        Column("campaign_id", "bigint", "Campaign."),
        Column("updated_at", "timestamp", "When marketing changed the document (UTC); the newest holds."),
        Column("campaign_type", "string", "Type A fits coupons to each household, Type B and C give all coupons to all."),
    ),
    rules=(
        expect.column_values_to_not_be_null("campaign_id", mostly=0.5),
        expect.column_values_to_not_be_null("updated_at", mostly=0.5),
        expect.column_values_to_be_in_set("campaign_type", value_set=["Type A", "Type B", "Type C"], severity="warning"),
    ),
    sql="""
        SELECT
          _day AS received_on,
          parse_bigint(campaign_id) AS campaign_id,
          parse_timestamp(updated_at) AS updated_at,
          campaign_type,
          _source_file,
          _position,
          _day
        FROM bronze.campaigns
    """,
)

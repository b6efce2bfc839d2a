"""One row per coupon redemption. The producer may send an event twice; its `event_id` tells.

A day brings a handful of events, so that half of them may be wrong before the day is held back.
"""

from retail_lake.contract import Column, Layer, Table, expect

redemptions = Table(
    name="redemptions",
    layer=Layer.SILVER,
    description=__doc__,
    grain="coupon redemption",
    key=("event_id",),
    order_by="redeemed_at, _source_file, _position",
    day="redemption_date",
    columns=(
        Column("redemption_date", "date", "Business day of the redemption, in the stores' time zone."),
        Column("redeemed_at", "timestamp", "Moment of the redemption (UTC)."),
        Column("event_id", "string", "Identifier the producer gave the event."),
        Column("household_id", "bigint", "Household that redeemed the coupon.", pii=True),
        Column("coupon_upc", "bigint", "Coupon redeemed."),
        Column("campaign_id", "bigint", "Campaign that handed the coupon out."),
    ),
    rules=(
        expect.column_values_to_not_be_null("redeemed_at", mostly=0.5),
        expect.column_values_to_not_be_null("event_id", mostly=0.5),
        expect.column_values_to_match_regex("event_id", regex="^[0-9a-f]{16}$", mostly=0.5),
        expect.column_values_to_not_be_null("household_id", mostly=0.5),
        expect.column_values_to_not_be_null("coupon_upc", mostly=0.5),
        expect.column_values_to_not_be_null("campaign_id", mostly=0.5),
        expect.table_row_count_to_be_between(max_value=1_000, severity="warning"),
    ),
    sql="""
        WITH events AS (
          SELECT
            parse_timestamp(redeemed_at) AS redeemed_at,
            event_id,
            parse_bigint(household_id) AS household_id,
            parse_bigint(coupon_upc) AS coupon_upc,
            parse_bigint(campaign_id) AS campaign_id,
            _source_file,
            _position,
            _day
          FROM bronze.redemptions
        )
        SELECT
          business_day(redeemed_at) AS redemption_date,
          redeemed_at,
          event_id,
          household_id,
          coupon_upc,
          campaign_id,
          _source_file,
          _position,
          _day
        FROM events
    """,
)

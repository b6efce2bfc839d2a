"""One row per coupon redemption, joined to the household as it was when it redeemed."""

from retail_lake.contract import Column, Layer, Table, Workload, expect

fact_redemption = Table(
    name="fact_redemption",
    layer=Layer.GOLD,
    description=__doc__,
    grain="coupon redemption",
    key=("event_id",),
    day="redemption_date",
    distribute_by="household_id",
    conserves="silver.redemptions",
    workload=Workload.ANALYTICS,
    columns=(
        Column("redemption_date", "date", "Business day of the redemption, in the stores' time zone."),
        Column("redeemed_at", "timestamp", "Moment of the redemption (UTC)."),
        Column("event_id", "string", "Identifier the producer gave the event."),
        Column("household_key", "bigint", "Version of the household that was valid then (dim_household)."),
        Column("household_id", "bigint", "Household that redeemed the coupon.", pii=True),
        Column("campaign_id", "bigint", "Campaign that handed the coupon out (dim_campaign)."),
        Column("coupon_upc", "bigint", "Coupon redeemed."),
        Column("in_campaign", "boolean", "Whether the campaign was running that day."),
    ),
    rules=(
        expect.column_values_to_not_be_null("household_key"),
        expect.column_values_to_not_be_null("campaign_id"),
        expect.column_values_to_not_be_null("coupon_upc"),
        expect.column_values_to_be_in_set("in_campaign", value_set=[True], severity="warning"),
    ),
    sql="""
        SELECT
          r.redemption_date,
          r.redeemed_at,
          r.event_id,
          coalesce(h.household_key, surrogate_key(r.household_id, TIMESTAMP '1900-01-01 00:00:00')) AS household_key,
          r.household_id,
          r.campaign_id,
          r.coupon_upc,
          coalesce(r.redemption_date BETWEEN c.start_date AND c.end_date, false) AS in_campaign
        FROM silver.redemptions AS r
        LEFT JOIN gold.dim_household AS h
          ON h.household_id = r.household_id AND r.redeemed_at >= h.valid_from AND r.redeemed_at < h.valid_to
        LEFT JOIN gold.dim_campaign AS c ON c.campaign_id = r.campaign_id
    """,
)

"""One row per campaign and day that it runs, or that a coupon of it is redeemed: who answered, and what its audience bought.

What the audience bought is not caused by the campaign: households in several campaigns count in each.
"""

from retail_lake.contract import Column, Layer, Table, Workload, expect

campaign_effectiveness = Table(
    name="campaign_effectiveness",
    layer=Layer.GOLD,
    description=__doc__,
    grain="campaign and day",
    key=("campaign_id",),
    day="activity_date",
    whole=("silver.campaign_audience", "silver.coupons"),
    workload=Workload.ANALYTICS,
    columns=(
        Column("activity_date", "date", "Business day."),
        Column("campaign_id", "bigint", "Campaign (dim_campaign)."),
        Column("campaign_day", "int", "Day of the campaign, 1 on its first; empty while no calendar names it."),
        Column("audience_households", "bigint", "Households the campaign addresses."),
        Column("redemptions", "bigint", "Coupons of the campaign redeemed that day."),
        Column("redeeming_households", "bigint", "Households that redeemed them."),
        Column("redemption_rate", "double", "Share of the audience that redeemed that day; empty where it is not known."),
        Column("buying_households", "bigint", "Households of the audience that bought anything that day."),
        Column("baskets", "bigint", "Their baskets."),
        Column("sales_value", "decimal(18,2)", "Dollars the stores received from the audience."),
        Column("coupon_product_sales_value", "decimal(18,2)", "Of these, for products its coupons are good for."),
        Column("coupon_disc", "decimal(18,2)", "Dollars the audience had taken off by manufacturers' coupons."),
    ),
    rules=(
        expect.column_values_to_not_be_null("campaign_id"),
        expect.column_values_to_be_between("redemptions", min_value=0),
        expect.column_pair_values_a_to_be_greater_than_b("redemptions", "redeeming_households", or_equal=True),
        expect.column_pair_values_a_to_be_greater_than_b("sales_value", "coupon_product_sales_value", or_equal=True),
        expect.column_pair_values_a_to_be_greater_than_b("audience_households", "buying_households", or_equal=True),
        expect.column_values_to_be_between("audience_households", min_value=1, severity="warning"),
        expect.column_values_to_not_be_null("campaign_day", severity="warning"),
    ),
    sql="""
        WITH audience AS (          -- of the document that holds
          SELECT DISTINCT a.campaign_id, a.household_id
          FROM silver.campaign_audience AS a
          JOIN gold.dim_campaign AS c ON c.campaign_id = a.campaign_id AND c.documented_at = a.updated_at
        ),
        audience_sizes AS (
          SELECT campaign_id, count(*) AS households
          FROM audience
          GROUP BY campaign_id
        ),
        coupon_products AS (
          SELECT DISTINCT o.campaign_id, o.product_id
          FROM silver.coupons AS o
          JOIN gold.dim_campaign AS c ON c.campaign_id = o.campaign_id AND c.documented_at = o.updated_at
        ),
        redeemed AS (
          SELECT
            redemption_date AS activity_date,
            campaign_id,
            count(*) AS redemptions,
            count(DISTINCT household_id) AS households
          FROM gold.fact_redemption
          GROUP BY redemption_date, campaign_id
        ),
        activity AS (
          SELECT d.day AS activity_date, c.campaign_id
          FROM run.days AS d
          JOIN gold.dim_campaign AS c ON d.day BETWEEN c.start_date AND c.end_date
          UNION
          SELECT activity_date, campaign_id FROM redeemed
        ),
        purchases AS (
          SELECT
            v.activity_date,
            v.campaign_id,
            count(DISTINCT s.household_id) AS households,
            count(DISTINCT s.basket_id) AS baskets,
            sum(s.sales_value) AS sales_value,
            sum(
              CASE WHEN p.product_id IS NOT NULL THEN s.sales_value ELSE CAST(0 AS DECIMAL(10, 2)) END
            ) AS coupon_product_sales_value,
            sum(s.coupon_disc) AS coupon_disc
          FROM activity AS v
          JOIN audience AS a ON a.campaign_id = v.campaign_id
          JOIN gold.fact_sales AS s ON s.sale_date = v.activity_date AND s.household_id = a.household_id
          LEFT JOIN coupon_products AS p ON p.campaign_id = v.campaign_id AND p.product_id = s.product_id
          GROUP BY v.activity_date, v.campaign_id
        )
        SELECT
          v.activity_date,
          v.campaign_id,
          datediff(v.activity_date, c.start_date) + 1 AS campaign_day,
          coalesce(n.households, 0) AS audience_households,
          coalesce(r.redemptions, 0) AS redemptions,
          coalesce(r.households, 0) AS redeeming_households,
          ratio(coalesce(r.households, 0), n.households) AS redemption_rate,
          coalesce(p.households, 0) AS buying_households,
          coalesce(p.baskets, 0) AS baskets,
          coalesce(p.sales_value, CAST(0 AS DECIMAL(18, 2))) AS sales_value,
          coalesce(p.coupon_product_sales_value, CAST(0 AS DECIMAL(18, 2))) AS coupon_product_sales_value,
          coalesce(p.coupon_disc, CAST(0 AS DECIMAL(18, 2))) AS coupon_disc
        FROM activity AS v
        JOIN gold.dim_campaign AS c ON c.campaign_id = v.campaign_id
        LEFT JOIN audience_sizes AS n ON n.campaign_id = v.campaign_id
        LEFT JOIN redeemed AS r ON r.activity_date = v.activity_date AND r.campaign_id = v.campaign_id
        LEFT JOIN purchases AS p ON p.activity_date = v.activity_date AND p.campaign_id = v.campaign_id
    """,
)

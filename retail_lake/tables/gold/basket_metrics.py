"""One row per basket: how large it was, what it cost and what was taken off."""

from retail_lake.contract import Column, Layer, Table, Workload, expect

basket_metrics = Table(
    name="basket_metrics",
    layer=Layer.GOLD,
    description=__doc__,
    grain="basket",
    key=("basket_id",),
    day="sale_date",
    distribute_by="household_id",
    workload=Workload.ANALYTICS,
    columns=(
        Column("sale_date", "date", "Business day of the sale."),
        Column("sold_at", "timestamp", "Moment of the sale (UTC)."),
        Column("basket_id", "bigint", "Checkout basket."),
        Column("household_key", "bigint", "Version of the household that was valid at the sale (dim_household)."),
        Column("household_id", "bigint", "Household of the loyalty card.", pii=True),
        Column("store_id", "bigint", "Store (dim_store)."),
        Column("lines", "bigint", "Lines, one per product."),
        Column("quantity", "bigint", "Units bought; fuel counts in thousandths of a gallon."),
        Column("sales_value", "decimal(18,2)", "Dollars the store received."),
        Column("paid_value", "decimal(18,2)", "Dollars the household paid: what the store received less manufacturers' coupons."),
        Column("shelf_value", "decimal(18,2)", "Dollars before anything was taken off by the store."),
        Column("retail_disc", "decimal(18,2)", "Dollars taken off by the loyalty card."),
        Column("coupon_disc", "decimal(18,2)", "Dollars taken off by manufacturers' coupons."),
        Column("coupon_match_disc", "decimal(18,2)", "Dollars taken off by the store's match of coupons."),
        Column("discount_share", "double", "Share of the shelf value that the store took off; empty where that is 0."),
        Column("has_coupon", "boolean", "Whether a coupon was used."),
    ),
    rules=(
        expect.column_values_to_not_be_null("basket_id"),
        expect.column_values_to_not_be_null("household_key"),
        expect.column_values_to_be_between("lines", min_value=1),
        expect.column_values_to_be_between("discount_share", min_value=0, max_value=1),
        expect.column_pair_values_a_to_be_greater_than_b("shelf_value", "sales_value", or_equal=True),
        expect.column_values_to_be_between("paid_value", min_value=0, mostly=0.99, severity="warning"),
        expect.column_mean_to_be_between("sales_value", min_value=10, max_value=60, severity="warning"),
    ),
    sql="""
        SELECT
          sale_date,
          min(sold_at) AS sold_at,
          basket_id,
          min(household_key) AS household_key,
          min(household_id) AS household_id,
          min(store_id) AS store_id,
          count(*) AS lines,
          sum(quantity) AS quantity,
          sum(sales_value) AS sales_value,
          sum(sales_value) - sum(coupon_disc) AS paid_value,
          sum(sales_value) + sum(retail_disc) + sum(coupon_match_disc) AS shelf_value,
          sum(retail_disc) AS retail_disc,
          sum(coupon_disc) AS coupon_disc,
          sum(coupon_match_disc) AS coupon_match_disc,
          ratio(
            sum(retail_disc) + sum(coupon_match_disc),
            sum(sales_value) + sum(retail_disc) + sum(coupon_match_disc)
          ) AS discount_share,
          max(coupon_disc) > 0 AS has_coupon
        FROM gold.fact_sales
        GROUP BY sale_date, basket_id
    """,
)

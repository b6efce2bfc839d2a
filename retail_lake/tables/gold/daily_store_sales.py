"""One row per store and business day that it sold on."""

from datetime import timedelta

from retail_lake.contract import Column, Layer, Table, Workload, expect

daily_store_sales = Table(
    name="daily_store_sales",
    layer=Layer.GOLD,
    description=__doc__,
    grain="store and day",
    key=("store_id",),
    day="sale_date",
    workload=Workload.ANALYTICS,
    fresh_within=timedelta(hours=9),
    columns=(
        Column("sale_date", "date", "Business day."),
        Column("store_id", "bigint", "Store (dim_store)."),
        Column("baskets", "bigint", "Baskets checked out."),
        Column("households", "bigint", "Households that bought."),
        Column("products", "bigint", "Different products sold."),
        Column("lines", "bigint", "Basket lines."),
        Column("quantity", "bigint", "Units sold; fuel counts in thousandths of a gallon."),
        Column("sales_value", "decimal(18,2)", "Dollars the store received."),
        Column("retail_disc", "decimal(18,2)", "Dollars taken off by loyalty cards."),
        Column("coupon_disc", "decimal(18,2)", "Dollars taken off by manufacturers' coupons."),
        Column("coupon_match_disc", "decimal(18,2)", "Dollars taken off by the store's match of coupons."),
        Column("sales_per_basket", "double", "Dollars per basket."),
        Column("lines_per_basket", "double", "Lines per basket."),
    ),
    rules=(
        expect.column_values_to_not_be_null("store_id"),
        expect.column_values_to_be_between("baskets", min_value=1),
        expect.column_pair_values_a_to_be_greater_than_b("lines", "baskets", or_equal=True),
        expect.column_values_to_be_between("sales_value", min_value=0),
        expect.column_values_to_be_between("sales_per_basket", max_value=500, mostly=0.98, severity="warning"),
    ),
    sql="""
        SELECT
          sale_date,
          store_id,
          count(DISTINCT basket_id) AS baskets,
          count(DISTINCT household_id) AS households,
          count(DISTINCT product_id) AS products,
          count(*) AS lines,
          sum(quantity) AS quantity,
          sum(sales_value) AS sales_value,
          sum(retail_disc) AS retail_disc,
          sum(coupon_disc) AS coupon_disc,
          sum(coupon_match_disc) AS coupon_match_disc,
          ratio(sum(sales_value), count(DISTINCT basket_id)) AS sales_per_basket,
          ratio(count(*), count(DISTINCT basket_id)) AS lines_per_basket
        FROM gold.fact_sales
        GROUP BY sale_date, store_id
    """,
)

"""One row per product category and business day, by the category that the product had when it was sold.

Products without a category, and products the ERP does not know, are under `(unknown)`.
"""

from datetime import timedelta

from retail_lake.contract import Column, Layer, Table, Workload, expect

daily_category_sales = Table(
    name="daily_category_sales",
    layer=Layer.GOLD,
    description=__doc__,
    grain="product category and day",
    key=("department", "product_category"),
    day="sale_date",
    workload=Workload.ANALYTICS,
    fresh_within=timedelta(hours=9),
    columns=(
        Column("sale_date", "date", "Business day."),
        Column("department", "string", "Department, or (unknown)."),
        Column("product_category", "string", "Category within the department, or (unknown)."),
        Column("stores", "bigint", "Stores that sold of it."),
        Column("baskets", "bigint", "Baskets with a product of it."),
        Column("products", "bigint", "Different products sold."),
        Column("lines", "bigint", "Basket lines."),
        Column("quantity", "bigint", "Units sold; fuel counts in thousandths of a gallon."),
        Column("sales_value", "decimal(18,2)", "Dollars the stores received."),
        Column("private_label_sales_value", "decimal(18,2)", "Of these, for the stores' own brand."),
        Column("retail_disc", "decimal(18,2)", "Dollars taken off by loyalty cards."),
        Column("coupon_disc", "decimal(18,2)", "Dollars taken off by manufacturers' coupons."),
        Column("coupon_match_disc", "decimal(18,2)", "Dollars taken off by the store's match of coupons."),
    ),
    rules=(
        expect.column_values_to_not_be_null("department"),
        expect.column_values_to_not_be_null("product_category"),
        expect.column_values_to_be_between("sales_value", min_value=0),
        expect.column_pair_values_a_to_be_greater_than_b("sales_value", "private_label_sales_value", or_equal=True),
        expect.column_values_to_not_be_in_set("department", value_set=["(unknown)"], mostly=0.95, severity="warning"),
    ),
    sql="""
        WITH lines AS (
          SELECT
            s.sale_date,
            coalesce(p.department, '(unknown)') AS department,
            coalesce(p.product_category, '(unknown)') AS product_category,
            coalesce(p.brand, '(unknown)') AS brand,
            s.store_id,
            s.basket_id,
            s.product_id,
            s.quantity,
            s.sales_value,
            s.retail_disc,
            s.coupon_disc,
            s.coupon_match_disc
          FROM gold.fact_sales AS s
          LEFT JOIN gold.dim_product AS p ON p.product_key = s.product_key
        )
        SELECT
          sale_date,
          department,
          product_category,
          count(DISTINCT store_id) AS stores,
          count(DISTINCT basket_id) AS baskets,
          count(DISTINCT product_id) AS products,
          count(*) AS lines,
          sum(quantity) AS quantity,
          sum(sales_value) AS sales_value,
          sum(CASE WHEN brand = 'Private' THEN sales_value ELSE CAST(0 AS DECIMAL(10, 2)) END) AS private_label_sales_value,
          sum(retail_disc) AS retail_disc,
          sum(coupon_disc) AS coupon_disc,
          sum(coupon_match_disc) AS coupon_match_disc
        FROM lines
        GROUP BY sale_date, department, product_category
    """,
)

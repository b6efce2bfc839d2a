"""One row per product category and day: what an item sold for where it was promoted, and where it was not.

An item is a product in a store on a day it sold there. Only stores that ran any promotion that week count, so that promoted
and other items come from the same stores. Lift compares items that sold at all: it says nothing of those that did not.
"""

from retail_lake.contract import Column, Layer, Table, Workload, expect

promotion_lift = Table(
    name="promotion_lift",
    layer=Layer.GOLD,
    description=__doc__,
    grain="product category and day",
    key=("product_category",),
    day="sale_date",
    window=7,
    workload=Workload.ANALYTICS,
    columns=(
        Column("sale_date", "date", "Business day."),
        Column("product_category", "string", "Category the product had when it was sold, or (unknown)."),
        Column("promoted_items", "bigint", "Items that were on display or in the mailer."),
        Column("other_items", "bigint", "Items that were not."),
        Column("promoted_quantity", "bigint", "Units of promoted items; fuel counts in thousandths of a gallon."),
        Column("other_quantity", "bigint", "Units of other items; fuel counts in thousandths of a gallon."),
        Column("promoted_sales_value", "decimal(18,2)", "Dollars the stores received for promoted items."),
        Column("other_sales_value", "decimal(18,2)", "Dollars the stores received for other items."),
        Column("sales_per_promoted_item", "double", "Dollars per promoted item; empty if there were none."),
        Column("sales_per_other_item", "double", "Dollars per other item; empty if there were none."),
        Column("lift", "double", "Dollars per promoted item, as a multiple of dollars per other item; empty if either is."),
    ),
    rules=(
        expect.column_values_to_not_be_null("product_category"),
        expect.column_values_to_be_between("promoted_items", min_value=0),
        expect.column_values_to_be_between("other_items", min_value=0),
        expect.column_values_to_be_between("lift", min_value=0),
        expect.column_values_to_be_between("lift", max_value=20, mostly=0.98, severity="warning"),
    ),
    sql="""
        WITH promoting_stores AS (  -- promotion week 1 is a Sunday alone; its calendar week began on 2016-12-26
          SELECT week_start, week_start(week_start) AS monday, store_id
          FROM (SELECT DISTINCT week_start, store_id FROM gold.fact_promotion) AS weeks
        ),
        items AS (
          SELECT
            s.sale_date,
            w.week_start,
            coalesce(p.product_category, '(unknown)') AS product_category,
            s.product_id,
            s.store_id,
            sum(s.quantity) AS quantity,
            sum(s.sales_value) AS sales_value
          FROM gold.fact_sales AS s
          JOIN run.days AS d ON d.day = s.sale_date
          JOIN promoting_stores AS w ON w.monday = week_start(s.sale_date) AND w.store_id = s.store_id
          LEFT JOIN gold.dim_product AS p ON p.product_key = s.product_key
          GROUP BY s.sale_date, w.week_start, coalesce(p.product_category, '(unknown)'), s.product_id, s.store_id
        ),
        sold AS (
          SELECT DISTINCT week_start, product_id, store_id
          FROM items
        ),
        promoted AS (
          SELECT DISTINCT s.week_start, s.product_id, s.store_id
          FROM gold.fact_promotion AS f
          JOIN sold AS s ON s.week_start = f.week_start AND s.product_id = f.product_id AND s.store_id = f.store_id
        ),
        compared AS (
          SELECT
            i.sale_date,
            i.product_category,
            i.quantity,
            i.sales_value,
            p.product_id IS NOT NULL AS is_promoted
          FROM items AS i
          LEFT JOIN promoted AS p
            ON p.week_start = i.week_start AND p.product_id = i.product_id AND p.store_id = i.store_id
        ),
        totals AS (
          SELECT
            sale_date,
            product_category,
            sum(CASE WHEN is_promoted THEN 1 ELSE 0 END) AS promoted_items,
            sum(CASE WHEN is_promoted THEN 0 ELSE 1 END) AS other_items,
            sum(CASE WHEN is_promoted THEN quantity ELSE 0 END) AS promoted_quantity,
            sum(CASE WHEN is_promoted THEN 0 ELSE quantity END) AS other_quantity,
            sum(CASE WHEN is_promoted THEN sales_value ELSE CAST(0 AS DECIMAL(18, 2)) END) AS promoted_sales_value,
            sum(CASE WHEN is_promoted THEN CAST(0 AS DECIMAL(18, 2)) ELSE sales_value END) AS other_sales_value
          FROM compared
          GROUP BY sale_date, product_category
        )
        SELECT
          sale_date,
          product_category,
          promoted_items,
          other_items,
          promoted_quantity,
          other_quantity,
          promoted_sales_value,
          other_sales_value,
          ratio(promoted_sales_value, promoted_items) AS sales_per_promoted_item,
          ratio(other_sales_value, other_items) AS sales_per_other_item,
          ratio(ratio(promoted_sales_value, promoted_items), ratio(other_sales_value, other_items)) AS lift
        FROM totals
    """,
)

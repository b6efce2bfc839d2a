"""One row per basket line, joined to the product and the household as they were when it was sold.

Every line of silver is here, to the cent. A product that the ERP does not know has a key too: its inferred member's.
"""

from datetime import timedelta

from retail_lake.contract import Column, Layer, Table, Workload, expect

fact_sales = Table(
    name="fact_sales",
    layer=Layer.GOLD,
    description=__doc__,
    grain="basket line",
    key=("basket_id", "product_id"),
    day="sale_date",
    distribute_by="household_id",
    sort_by=("sale_date", "store_id"),
    conserves="silver.sales",
    workload=Workload.ANALYTICS,
    fresh_within=timedelta(hours=9),
    columns=(
        Column("sale_date", "date", "Business day of the sale, in the stores' time zone."),
        Column("sold_at", "timestamp", "Moment of the sale (UTC)."),
        Column("basket_id", "bigint", "Checkout basket."),
        Column("product_key", "bigint", "Version of the product that was valid at the sale (dim_product)."),
        Column("product_id", "bigint", "Product sold."),
        Column("household_key", "bigint", "Version of the household that was valid at the sale (dim_household)."),
        Column("household_id", "bigint", "Household of the loyalty card.", pii=True),
        Column("store_id", "bigint", "Store that sold it (dim_store)."),
        Column("quantity", "int", "Units sold; thousandths of a gallon for fuel; 0 where nothing was counted."),
        Column("sales_value", "decimal(10,2)", "Dollars the store received for the line."),
        Column("retail_disc", "decimal(10,2)", "Dollars taken off by the loyalty card."),
        Column("coupon_disc", "decimal(10,2)", "Dollars taken off by a manufacturer's coupon, which the manufacturer pays."),
        Column("coupon_match_disc", "decimal(10,2)", "Dollars taken off by the store's match of that coupon."),
        Column("product_known", "boolean", "Whether the ERP knows the product."),
        Column("household_known", "boolean", "Whether the CRM knows the household."),
    ),
    rules=(
        expect.column_values_to_not_be_null("product_key"),
        expect.column_values_to_not_be_null("household_key"),
        expect.column_values_to_not_be_null("store_id"),
        expect.column_values_to_be_between("sales_value", min_value=0),
        expect.column_values_to_be_in_set("product_known", value_set=[True], severity="warning"),
        expect.column_values_to_be_in_set("household_known", value_set=[True], severity="warning"),
        expect.table_row_count_to_be_between(min_value=1_000, max_value=20_000, severity="warning"),
    ),
    sql="""
        SELECT
          s.sale_date,
          s.sold_at,
          s.basket_id,
          coalesce(p.product_key, surrogate_key(s.product_id, TIMESTAMP '1900-01-01 00:00:00')) AS product_key,
          s.product_id,
          coalesce(h.household_key, surrogate_key(s.household_id, TIMESTAMP '1900-01-01 00:00:00')) AS household_key,
          s.household_id,
          s.store_id,
          s.quantity,
          s.sales_value,
          s.retail_disc,
          s.coupon_disc,
          s.coupon_match_disc,
          coalesce(NOT p.is_inferred, false) AS product_known,
          coalesce(NOT h.is_inferred, false) AS household_known
        FROM silver.sales AS s
        LEFT JOIN gold.dim_product AS p
          ON p.product_id = s.product_id AND s.sold_at >= p.valid_from AND s.sold_at < p.valid_to
        LEFT JOIN gold.dim_household AS h
          ON h.household_id = s.household_id AND s.sold_at >= h.valid_from AND s.sold_at < h.valid_to
    """,
)

"""One row per basket line: typed, deduplicated, dated by the stores' clock.

A product appears once in a basket. The same line delivered again, in the same or another file, is counted as a duplicate.
Quantity 0 is true (a coupon or a return that cancels out), and so are tens of thousands: fuel is counted in thousandths of
a gallon. A product the ERP does not know is sold all the same; a store nobody knows is a mistake.
"""

from retail_lake.contract import Column, Layer, Table, expect

sales = Table(
    name="sales",
    layer=Layer.SILVER,
    description=__doc__,
    grain="basket line",
    key=("basket_id", "product_id"),
    order_by="sold_at, _source_file, _position",
    day="sale_date",
    whole=("silver.stores",),
    columns=(
        Column("sale_date", "date", "Business day of the sale, in the stores' time zone."),
        Column("sold_at", "timestamp", "Moment of the sale (UTC)."),
        Column("basket_id", "bigint", "Checkout basket; one household, one store, one moment."),
        Column("product_id", "bigint", "Product sold."),
        Column("household_id", "bigint", "Household of the loyalty card.", pii=True),
        Column("store_id", "bigint", "Store that sold it."),
        Column("quantity", "int", "Units sold; thousandths of a gallon for fuel; 0 where nothing was counted."),
        Column("sales_value", "decimal(10,2)", "Dollars the store received for the line."),
        Column("retail_disc", "decimal(10,2)", "Dollars taken off by the loyalty card."),
        Column("coupon_disc", "decimal(10,2)", "Dollars taken off by a manufacturer's coupon, which the manufacturer pays."),
        Column("coupon_match_disc", "decimal(10,2)", "Dollars taken off by the store's match of that coupon."),
        Column("store_known", "boolean", "Whether the store master has the store; a line of an unknown store is quarantined."),
    ),
    rules=(
        expect.column_values_to_not_be_null("sold_at", mostly=0.95),
        expect.column_values_to_not_be_null("basket_id", mostly=0.95),
        expect.column_values_to_not_be_null("product_id", mostly=0.95),
        expect.column_values_to_not_be_null("household_id", mostly=0.95),
        expect.column_values_to_not_be_null("store_id", mostly=0.95),
        expect.column_values_to_be_in_set("store_known", value_set=[True], mostly=0.95),
        expect.column_values_to_not_be_null("quantity", mostly=0.95),
        expect.column_values_to_be_between("quantity", min_value=0, max_value=999_999, mostly=0.95),
        expect.column_values_to_not_be_null("sales_value", mostly=0.95),
        expect.column_values_to_be_between("sales_value", min_value=0, max_value=10_000, mostly=0.95),
        expect.column_values_to_not_be_null("retail_disc", mostly=0.95),
        expect.column_values_to_be_between("retail_disc", min_value=0, max_value=10_000, mostly=0.95),
        expect.column_values_to_not_be_null("coupon_disc", mostly=0.95),
        expect.column_values_to_be_between("coupon_disc", min_value=0, max_value=10_000, mostly=0.95),
        expect.column_values_to_not_be_null("coupon_match_disc", mostly=0.95),
        expect.column_values_to_be_between("coupon_match_disc", min_value=0, max_value=10_000, mostly=0.95),
        expect.column_values_to_be_between("quantity", max_value=1_000, mostly=0.98, severity="warning"),
        expect.table_row_count_to_be_between(min_value=1_000, max_value=20_000, severity="warning"),
        expect.column_mean_to_be_between("sales_value", min_value=1, max_value=10, severity="warning"),
    ),
    sql="""
        WITH lines AS (
          SELECT
            parse_timestamp(sold_at) AS sold_at,
            parse_bigint(basket_id) AS basket_id,
            parse_bigint(product_id) AS product_id,
            parse_bigint(household_id) AS household_id,
            parse_bigint(store_id) AS store_id,
            parse_int(quantity) AS quantity,
            parse_decimal(sales_value, 10, 2) AS sales_value,
            parse_decimal(retail_disc, 10, 2) AS retail_disc,
            parse_decimal(coupon_disc, 10, 2) AS coupon_disc,
            parse_decimal(coupon_match_disc, 10, 2) AS coupon_match_disc,
            _source_file,
            _position,
            _day
          FROM bronze.till_lines
        ),
        stores AS (
          SELECT DISTINCT store_id FROM silver.stores
        )
        SELECT
          business_day(l.sold_at) AS sale_date,
          l.sold_at,
          l.basket_id,
          l.product_id,
          l.household_id,
          l.store_id,
          l.quantity,
          l.sales_value,
          l.retail_disc,
          l.coupon_disc,
          l.coupon_match_disc,
          s.store_id IS NOT NULL AS store_known,
          l._source_file,
          l._position,
          l._day
        FROM lines AS l
        LEFT JOIN stores AS s ON s.store_id = l.store_id
    """,
)

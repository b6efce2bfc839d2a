"""Basket lines as the tills wrote them: one CSV file per store group and day, every field still text.

A file ends with `#lines=<n>`, so that a truncated one is recognised and rejected whole. A few baskets are uploaded up to
ten days late, in a later day's file of their group; their business day is the day of the sale all the same.
"""

from datetime import timedelta

from retail_lake.contract import Column, Landing, Layer, Table, expect

till_lines = Table(
    name="till_lines",
    layer=Layer.BRONZE,
    description=__doc__,
    grain="line of a till file",
    landing=Landing(
        system="tills",
        dataset="till_lines",
        pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/till-lines_(?P<part>g[1-4]_\d{8}(_retransmit)?)_v(?P<version>\d+)\.csv",
        reader="csv_files",
        options={"trailer": "#lines="},
        expected=("g1_{day}", "g2_{day}", "g3_{day}", "g4_{day}"),
        start_after=timedelta(hours=6),
        claimed_day="business_day(parse_timestamp(sold_at))",
    ),
    columns=(
        Column("store_id", "string", "Store, as the till printed it."),
        Column("basket_id", "string", "Checkout basket, as printed."),
        Column("household_id", "string", "Household of the loyalty card, as printed.", pii=True),
        Column("product_id", "string", "Product sold, as printed."),
        Column("quantity", "string", "Units sold, as printed; fuel is counted in thousandths of a gallon."),
        Column("sales_value", "string", "Money the store received for the line, dollars with two decimals, as printed."),
        Column("retail_disc", "string", "Discount by the loyalty card, dollars, as printed."),
        Column("coupon_disc", "string", "Discount by a manufacturer's coupon, dollars, as printed."),
        Column("coupon_match_disc", "string", "The store's match of a manufacturer's coupon, dollars, as printed."),
        Column("sold_at", "string", "Moment of the sale, ISO 8601 in UTC, as printed."),
    ),
    rules=(expect.table_row_count_to_be_between(min_value=1_000, max_value=50_000, severity="warning"),),
)

"""What the weekly promotion plan put on display or in the mailer, one Parquet file per promotion week.

Week 1 is the single day 2017-01-01; every later week starts on a Monday. A file arrives on its week's first day and all its
rows claim that day.
"""

from retail_lake.contract import Column, Landing, Layer, Table

promotions = Table(
    name="promotions",
    layer=Layer.BRONZE,
    description=__doc__,
    grain="row of a weekly promotion file",
    landing=Landing(
        system="tills",
        dataset="promotions",
        pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/promotions_(?P<part>w\d{2})_v(?P<version>\d+)\.parquet",
        reader="parquet_files",
        claimed_day="promotion_week_start(week)",
    ),
    columns=(
        Column("product_id", "bigint", "Promoted product."),
        Column("store_id", "bigint", "Store that ran the promotion."),
        Column("display_location", "string", "Where in the store the product was displayed; 0 is not on display."),
        Column("mailer_location", "string", "Where in the mailer the product was printed; 0 is not in the mailer."),
        Column("week", "bigint", "Promotion week of the plan, from 1."),
    ),
)

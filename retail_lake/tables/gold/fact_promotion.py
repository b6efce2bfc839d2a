"""One row per product, store and kind of promotion of a promotion week: a fact without measures.

Joined to the product as it was when the week began. It stands under the day its week's rows have in the lake.
"""

from retail_lake.contract import Column, Layer, Table, Workload, expect

fact_promotion = Table(
    name="fact_promotion",
    layer=Layer.GOLD,
    description=__doc__,
    grain="promotion of a product in a store and week",
    key=("product_id", "store_id", "week", "display_location", "mailer_location"),
    day="effective_on",
    distribute_by="product_key",
    sort_by=("effective_on", "store_id"),
    conserves="silver.promotions",
    workload=Workload.ANALYTICS,
    columns=(
        Column("effective_on", "date", "Day the week's rows stand under: the week's first day, or the lake's first day."),
        Column("week", "int", "Promotion week of the plan, from 1."),
        Column("week_start", "date", "First day of the promotion week: 2017-01-01 for week 1, then Mondays."),
        Column("product_key", "bigint", "Version of the product that was valid when the week began (dim_product)."),
        Column("product_id", "bigint", "Promoted product."),
        Column("store_id", "bigint", "Store that ran the promotion (dim_store)."),
        Column("display_location", "string", "Where in the store it was displayed: 0 not at all, 1 front to 9, A in-aisle."),
        Column("mailer_location", "string", "Where in the mailer it was printed: 0 not at all, else a letter for the place."),
        Column("is_displayed", "boolean", "Whether it was on display."),
        Column("is_mailed", "boolean", "Whether it was in the mailer."),
    ),
    rules=(
        expect.column_values_to_not_be_null("product_key"),
        expect.column_values_to_not_be_null("week_start"),
        expect.column_pair_values_a_to_be_greater_than_b("effective_on", "week_start", or_equal=True),
    ),
    sql="""
        SELECT
          r.effective_on,
          r.week,
          r.week_start,
          coalesce(p.product_key, surrogate_key(r.product_id, TIMESTAMP '1900-01-01 00:00:00')) AS product_key,
          r.product_id,
          r.store_id,
          r.display_location,
          r.mailer_location,
          r.display_location <> '0' AS is_displayed,
          r.mailer_location <> '0' AS is_mailed
        FROM silver.promotions AS r
        LEFT JOIN gold.dim_product AS p
          ON p.product_id = r.product_id
          AND CAST(r.week_start AS TIMESTAMP) >= p.valid_from
          AND CAST(r.week_start AS TIMESTAMP) < p.valid_to
    """,
)

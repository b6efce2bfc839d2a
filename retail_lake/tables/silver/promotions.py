"""One row per product, store and kind of promotion of a promotion week.

A product can be in two displays or on two pages of the mailer at once, so that both locations belong to the key. The rows
of a week stand under the day from which the lake knows them: the week's first, or the lake's first if that is later.
"""

from retail_lake.contract import Column, Layer, Table, expect

promotions = Table(
    name="promotions",
    layer=Layer.SILVER,
    description=__doc__,
    grain="promotion of a product in a store and week",
    key=("product_id", "store_id", "week", "display_location", "mailer_location"),
    order_by="_source_file, _position",
    day="effective_on",
    whole=("silver.stores",),
    columns=(
        Column("effective_on", "date", "Day the week's rows stand under: the week's first day, or the lake's first day."),
        Column("week", "int", "Promotion week of the plan, from 1."),
        Column("week_start", "date", "First day of the promotion week: 2017-01-01 for week 1, then Mondays."),
        Column("product_id", "bigint", "Promoted product."),
        Column("store_id", "bigint", "Store that ran the promotion."),
        Column("display_location", "string", "Where in the store it was displayed: 0 not at all, 1 front to 9, A in-aisle."),
        Column("mailer_location", "string", "Where in the mailer it was printed: 0 not at all, else a letter for the place."),
        Column("store_known", "boolean", "Whether the store master has the store; a row of an unknown store is quarantined."),
    ),
    rules=(
        expect.column_values_to_not_be_null("product_id", mostly=0.95),
        expect.column_values_to_not_be_null("store_id", mostly=0.95),
        expect.column_values_to_be_in_set("store_known", value_set=[True], mostly=0.95),
        expect.column_values_to_be_between("week", min_value=1, max_value=1_000, mostly=0.95),
        expect.column_values_to_not_be_null("week", mostly=0.95),
        expect.column_values_to_match_regex("display_location", regex="^[0-79A]$", mostly=0.95),
        expect.column_values_to_not_be_null("display_location", mostly=0.95),
        expect.column_values_to_match_regex("mailer_location", regex="^[0ACDFHJLPXZ]$", mostly=0.95),
        expect.column_values_to_not_be_null("mailer_location", mostly=0.95),
    ),
    sql="""
        WITH stores AS (
          SELECT DISTINCT store_id FROM silver.stores
        )
        SELECT
          p._day AS effective_on,
          p.week,
          promotion_week_start(p.week) AS week_start,
          p.product_id,
          p.store_id,
          p.display_location,
          p.mailer_location,
          s.store_id IS NOT NULL AS store_known,
          p._source_file,
          p._position,
          p._day
        FROM bronze.promotions AS p
        LEFT JOIN stores AS s ON s.store_id = p.store_id
    """,
)

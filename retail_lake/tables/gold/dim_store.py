"""One row per store as the CRM last knew it. History is not kept: a store is asked for as it is."""

from datetime import timedelta

from retail_lake.contract import Column, Layer, Table, Workload, expect

dim_store = Table(
    name="dim_store",
    layer=Layer.GOLD,
    description=__doc__,
    grain="store",
    key=("store_id",),
    workload=Workload.ANALYTICS,
    fresh_within=timedelta(hours=24),
    columns=(
        Column("store_id", "bigint", "Store."),
        Column("store_name", "string", "Name of the store."),
        Column("store_format", "string", "Format the store is run as."),
        Column("region", "string", "Region the store reports to."),
        Column("city", "string", "City of the store."),
        Column("opened_on", "date", "Day the store opened."),
        Column("store_group", "int", "Group whose till files carry the store's lines, 1 to 4."),
        Column("updated_at", "timestamp", "When the CRM last changed the record (UTC)."),
    ),
    rules=(
        expect.column_values_to_not_be_null("store_id"),
        expect.column_values_to_not_be_null("store_name", severity="warning"),
        expect.column_values_to_not_be_null("region", severity="warning"),
        expect.table_row_count_to_be_between(min_value=1),
    ),
    sql="""
        WITH ranked AS (
          SELECT
            store_id,
            store_name,
            store_format,
            region,
            city,
            opened_on,
            store_group,
            updated_at,
            row_number() OVER (PARTITION BY store_id ORDER BY updated_at DESC, _source_file DESC, _position DESC) AS place
          FROM silver.stores
        )
        SELECT store_id, store_name, store_format, region, city, opened_on, store_group, updated_at
        FROM ranked
        WHERE place = 1
    """,
)

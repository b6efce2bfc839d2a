"""Stores as the CRM extracts them: all of them once, then each day's changed rows."""

from retail_lake.contract import Column, Landing, Layer, Table

crm_stores = Table(
    name="crm_stores",
    layer=Layer.BRONZE,
    description=__doc__,
    grain="row of an extract file",
    landing=Landing(
        system="crm",
        dataset="stores",
        pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>stores_\d{8})_v(?P<version>\d+)\.parquet",
        reader="parquet_files",
    ),
    columns=(
        Column("store_id", "bigint", "Store."),
        Column("store_name", "string", "Name of the store."),
        Column("store_format", "string", "Format the store is run as."),
        Column("region", "string", "Region the store reports to."),
        Column("city", "string", "City of the store."),
        Column("opened_on", "date", "Day the store opened."),
        Column("store_group", "bigint", "Group whose till files carry the store's lines, 1 to 4."),
        Column("updated_at", "timestamp", "When the CRM last changed the record (UTC)."),
    ),
)

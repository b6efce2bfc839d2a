"""One row per record of a store that the CRM sent: all of them once, then those that changed."""

from retail_lake.contract import Column, Layer, Table, expect

stores = Table(
    name="stores",
    layer=Layer.SILVER,
    description=__doc__,
    grain="change of a store",
    key=("store_id", "updated_at"),
    order_by="_source_file DESC, _position DESC",
    day="received_on",
    columns=(
        Column("received_on", "date", "Day the record arrived."),
        Column("store_id", "bigint", "Store."),
        Column("updated_at", "timestamp", "When the CRM changed the record (UTC)."),
        Column("store_name", "string", "Name of the store."),
        Column("store_format", "string", "Format the store is run as."),
        Column("region", "string", "Region the store reports to."),
        Column("city", "string", "City of the store."),
        Column("opened_on", "date", "Day the store opened."),
        Column("store_group", "int", "Group whose till files carry the store's lines, 1 to 4."),
    ),
    rules=(
        expect.column_values_to_not_be_null("store_id", mostly=0.5),
        expect.column_values_to_not_be_null("updated_at", mostly=0.5),
        expect.column_values_to_not_be_null("store_name", severity="warning"),
        expect.column_values_to_be_between("store_group", min_value=1, max_value=4, severity="warning"),
        expect.column_pair_values_a_to_be_greater_than_b("received_on", "opened_on", or_equal=True, severity="warning"),
    ),
    sql="""
        SELECT
          _day AS received_on,
          store_id,
          updated_at,
          store_name,
          store_format,
          region,
          city,
          opened_on,
          store_group,
          _source_file,
          _position,
          _day
        FROM bronze.crm_stores
    """,
)

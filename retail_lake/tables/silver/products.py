"""One row per record of a product that the ERP sent: its state after the change, and when the change was committed.

The dimension makes validity out of these. A record of a change counts before a record of the full load, and the last one
written counts where several carry the same commit time.
"""

from retail_lake.contract import Column, Layer, Table, expect

products = Table(
    name="products",
    layer=Layer.SILVER,
    description=__doc__,
    grain="change of a product",
    key=("product_id", "changed_at"),
    order_by="is_full_load, _source_file DESC, _position DESC",
    day="received_on",
    columns=(
        Column("received_on", "date", "Day the record arrived; the lake's first day for the full load."),
        Column("product_id", "bigint", "Product."),
        Column("changed_at", "timestamp", "When the change was committed in the ERP (UTC); of the load, for the full load."),
        Column("op", "string", "I inserted, U updated, D deleted; empty in the full load."),
        Column("is_full_load", "boolean", "Whether the record is of the full load, which any change overrides."),
        Column("manufacturer_id", "bigint", "Manufacturer of the product."),
        Column("department", "string", "Department, the widest product group."),
        Column("brand", "string", "National for a manufacturer's brand, Private for the store's own."),
        Column("product_category", "string", "Category within the department."),
        Column("product_type", "string", "Type within the category, the finest product group."),
        Column("package_size", "string", "Size and unit of the package, free text."),
        Column("price_group", "string", "Price group, A to E."),
    ),
    rules=(
        expect.column_values_to_not_be_null("product_id", mostly=0.9),
        expect.column_values_to_not_be_null("changed_at", mostly=0.9),
        expect.column_values_to_be_in_set("op", value_set=["I", "U", "D"], mostly=0.9),
        expect.column_values_to_not_be_null("department", mostly=0.9, row_condition="is_full_load OR op <> 'D'"),
        expect.column_values_to_be_in_set("brand", value_set=["National", "Private"], severity="warning"),
        expect.column_values_to_not_be_null("product_category", mostly=0.9, severity="warning"),
        expect.column_values_to_match_regex("price_group", regex="^[A-E]$", severity="warning"),
    ),
    sql="""
        SELECT
          _day AS received_on,
          parse_bigint(product_id) AS product_id,
          parse_timestamp(dms_timestamp) AS changed_at,
          Op AS op,
          Op IS NULL AS is_full_load,
          parse_bigint(manufacturer_id) AS manufacturer_id,
          department,
          brand,
          product_category,
          product_type,
          package_size,
          price_group,
          _source_file,
          _position,
          _day
        FROM bronze.erp_products
    """,
)

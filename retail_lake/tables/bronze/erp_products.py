"""Product records as DMS delivers them from the ERP: the files of one full load, then change files with `Op` first.

The full load carries no arrival day and counts as the lake's first day. A record is filed under the day it arrived: when a
change takes effect is told by its commit time, which the dimension reads.
"""

from retail_lake.contract import Column, Landing, Layer, Table

erp_products = Table(
    name="erp_products",
    layer=Layer.BRONZE,
    description=__doc__,
    grain="record of a DMS file",
    landing=Landing(
        system="erp",
        dataset="products",
        pattern=r"(?:(?P<arrival>\d{4}/\d{2}/\d{2})/)?(?P<part>LOAD[0-9A-Fa-f]{8}|\d{8}-\d{9})\.csv",
        reader="dms_csv",
    ),
    columns=(
        Column("Op", "string", "What happened to the record: I inserted, U updated, D deleted; empty in the full load."),
        Column("product_id", "string", "Product, as written."),
        Column("manufacturer_id", "string", "Manufacturer, as written."),
        Column("department", "string", "Department, the widest product group."),
        Column("brand", "string", "National or Private label."),
        Column("product_category", "string", "Category within the department."),
        Column("product_type", "string", "Type within the category, the finest product group."),
        Column("package_size", "string", "Size and unit of the package, free text."),
        Column("price_group", "string", "Price group of the product, A to E."),
        Column("dms_timestamp", "string", "Commit time of the transaction in UTC, as written; of the load, for the full load."),
    ),
)

"""One row per version of a product: what it was, and from when to when.

A product's first version also covers the time before it, so that no sale is without one. Records that change nothing make no
version. A deleted product keeps a last version, `is_deleted`, with its last description: shelves sell it on. A product that
was sold and that the ERP never sent is a member of its own, `is_inferred`, about which nothing is known but its number.
"""

from datetime import timedelta

from retail_lake.contract import Column, Layer, Table, Validity, Workload, expect

dim_product = Table(
    name="dim_product",
    layer=Layer.GOLD,
    description=__doc__,
    grain="version of a product",
    key=("product_key",),
    validity=Validity("product_id", "valid_from", "valid_to"),
    workload=Workload.ANALYTICS,
    fresh_within=timedelta(hours=24),
    columns=(
        Column("product_key", "bigint", "Key of the version, the same in every rebuild."),
        Column("product_id", "bigint", "Product."),
        Column("manufacturer_id", "bigint", "Manufacturer of the product."),
        Column("department", "string", "Department, the widest product group."),
        Column("brand", "string", "National for a manufacturer's brand, Private for the store's own."),
        Column("product_category", "string", "Category within the department."),
        Column("product_type", "string", "Type within the category, the finest product group."),
        Column("package_size", "string", "Size and unit of the package, free text."),
        Column("price_group", "string", "Price group, A to E."),
        Column("valid_from", "timestamp", "First moment of the version (UTC); 1900-01-01 for the first."),
        Column("valid_to", "timestamp", "First moment after the version (UTC); 9999-12-31 for the last."),
        Column("is_current", "boolean", "Whether it is the product's last version."),
        Column("is_deleted", "boolean", "Whether the ERP had deleted the product."),
        Column("is_inferred", "boolean", "Whether the product is known from sales alone."),
    ),
    rules=(
        expect.column_values_to_not_be_null("product_key"),
        expect.column_values_to_not_be_null("product_id"),
        expect.column_values_to_not_be_null("department", row_condition="NOT is_inferred"),
        expect.column_pair_values_a_to_be_greater_than_b("valid_to", "valid_from"),
        expect.compound_columns_to_be_unique("product_id", "valid_from"),
        expect.column_values_to_be_in_set("is_inferred", value_set=[False], mostly=0.99, severity="warning"),
    ),
    sql="""
        WITH records AS (           -- the full load is what was before all changes
          SELECT
            product_id,
            CASE WHEN is_full_load THEN TIMESTAMP '1900-01-01 00:00:00' ELSE changed_at END AS effective_at,
            changed_at,
            coalesce(op = 'D', false) AS is_deleted,
            _source_file,
            _position
          FROM silver.products
        ),
        ranked AS (
          SELECT
            product_id,
            effective_at,
            is_deleted,
            _source_file,
            _position,
            row_number() OVER (
              PARTITION BY product_id, effective_at ORDER BY changed_at DESC, _source_file DESC, _position DESC
            ) AS place
          FROM records
        ),
        states AS (                 -- the last record of an instant counts; descriptions are numbered from 1
          SELECT
            product_id,
            effective_at,
            is_deleted,
            _source_file,
            _position,
            sum(CASE WHEN is_deleted THEN 0 ELSE 1 END) OVER (PARTITION BY product_id ORDER BY effective_at) AS description
          FROM ranked
          WHERE place = 1
        ),
        described AS (              -- a delete keeps the description before it; without one it deletes nothing
          SELECT s.product_id, s.effective_at, s.is_deleted, d._source_file, d._position
          FROM states AS s
          JOIN states AS d ON d.product_id = s.product_id AND d.description = s.description AND NOT d.is_deleted
        ),
        compared AS (
          SELECT
            d.product_id,
            d.effective_at,
            d.is_deleted,
            d._source_file,
            d._position,
            lag(d.is_deleted) OVER w <=> d.is_deleted
              AND lag(r.manufacturer_id) OVER w <=> r.manufacturer_id
              AND lag(r.department) OVER w <=> r.department
              AND lag(r.brand) OVER w <=> r.brand
              AND lag(r.product_category) OVER w <=> r.product_category
              AND lag(r.product_type) OVER w <=> r.product_type
              AND lag(r.package_size) OVER w <=> r.package_size
              AND lag(r.price_group) OVER w <=> r.price_group AS is_repeated
          FROM described AS d
          JOIN silver.products AS r ON r._source_file = d._source_file AND r._position = d._position
          WINDOW w AS (PARTITION BY d.product_id ORDER BY d.effective_at)
        ),
        versions AS (
          SELECT
            product_id,
            CASE WHEN row_number() OVER w = 1 THEN TIMESTAMP '1900-01-01 00:00:00' ELSE effective_at END AS valid_from,
            coalesce(lead(effective_at) OVER w, TIMESTAMP '9999-12-31 00:00:00') AS valid_to,
            is_deleted,
            _source_file,
            _position
          FROM compared
          WHERE NOT is_repeated
          WINDOW w AS (PARTITION BY product_id ORDER BY effective_at)
        ),
        members AS (
          SELECT
            s.product_id,
            coalesce(v.valid_from, TIMESTAMP '1900-01-01 00:00:00') AS valid_from,
            coalesce(v.valid_to, TIMESTAMP '9999-12-31 00:00:00') AS valid_to,
            coalesce(v.is_deleted, false) AS is_deleted,
            v.product_id IS NULL AS is_inferred,
            v._source_file,
            v._position
          FROM (SELECT product_id FROM versions UNION SELECT product_id FROM silver.sales) AS s
          LEFT JOIN versions AS v ON v.product_id = s.product_id
        )
        SELECT
          surrogate_key(m.product_id, m.valid_from) AS product_key,
          m.product_id,
          r.manufacturer_id,
          r.department,
          r.brand,
          r.product_category,
          r.product_type,
          r.package_size,
          r.price_group,
          m.valid_from,
          m.valid_to,
          m.valid_to = TIMESTAMP '9999-12-31 00:00:00' AS is_current,
          m.is_deleted,
          m.is_inferred
        FROM members AS m
        LEFT JOIN silver.products AS r ON r._source_file = m._source_file AND r._position = m._position
    """,
)

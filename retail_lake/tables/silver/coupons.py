"""One row per product that a campaign's coupon is good for. Documents list some products repeatedly: counted as duplicates."""

from retail_lake.contract import Column, Layer, Table, expect

coupons = Table(
    name="coupons",
    layer=Layer.SILVER,
    description=__doc__,
    grain="product of a coupon in a campaign document",
    key=("campaign_id", "updated_at", "coupon_upc", "product_id"),
    order_by="_source_file DESC, _position DESC",
    day="received_on",
    unnests=True,
    columns=(
        Column("received_on", "date", "Day the document arrived."),
        Column("campaign_id", "bigint", "Campaign that hands the coupon out."),
        Column("updated_at", "timestamp", "When marketing changed the document (UTC); the newest of a campaign holds."),
        Column("coupon_upc", "bigint", "Coupon; several campaigns may hand out the same."),
        Column("product_id", "bigint", "Product the coupon is good for."),
    ),
    rules=(
        expect.column_values_to_not_be_null("campaign_id", mostly=0.9),
        expect.column_values_to_not_be_null("updated_at", mostly=0.9),
        expect.column_values_to_not_be_null("coupon_upc", mostly=0.9),
        expect.column_values_to_not_be_null("product_id", mostly=0.9),
    ),
    sql="""
        SELECT
          _day AS received_on,
          parse_bigint(campaign_id) AS campaign_id,
          parse_timestamp(updated_at) AS updated_at,
          parse_bigint(coupon.coupon_upc) AS coupon_upc,
          parse_bigint(product_id) AS product_id,
          _source_file,
          _position,
          _day
        FROM bronze.campaigns
        LATERAL VIEW explode(coupons) c AS coupon
        LATERAL VIEW explode(coupon.product_ids) p AS product_id
    """,
)

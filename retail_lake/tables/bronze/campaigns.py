"""Marketing campaigns as nested documents, one per campaign: whom it addresses and which coupons it hands out.

Scalars stay text at every depth; silver takes the document apart.
"""

from retail_lake.contract import Column, Landing, Layer, Table

campaigns = Table(
    name="campaigns",
    layer=Layer.BRONZE,
    description=__doc__,
    grain="campaign document",
    landing=Landing(
        system="marketing",
        dataset="campaigns",
        pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>campaigns_\d{8})_v(?P<version>\d+)\.jsonl",
        reader="json_lines",
    ),
    columns=(
        Column("campaign_id", "string", "Campaign, as written."),
        Column("campaign_type", "string", "Type A, Type B or Type C."),
        Column("audience", "array<struct<household_id:string>>", "Households the campaign addresses.", pii=True),
        Column(
            "coupons",
            "array<struct<coupon_upc:string,product_ids:array<string>>>",
            "Coupons of the campaign, each with the products it is good for; products may be listed repeatedly.",
        ),
        Column("updated_at", "string", "When marketing last changed the document, ISO 8601 in UTC."),
    ),
)

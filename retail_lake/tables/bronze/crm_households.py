"""Households as the CRM extracts them: all of them once, then each day's changed rows.

A record is filed under the day it arrived; since when it holds is told by `updated_at`, which the dimension reads.
"""

from retail_lake.contract import Column, Landing, Layer, Table

crm_households = Table(
    name="crm_households",
    layer=Layer.BRONZE,
    description=__doc__,
    grain="row of an extract file",
    landing=Landing(
        system="crm",
        dataset="households",
        pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>households_\d{8})_v(?P<version>\d+)\.parquet",
        reader="parquet_files",
    ),
    columns=(
        Column("household_id", "bigint", "Household.", pii=True),
        Column("loyalty_card", "string", "Number of the household's loyalty card.", pii=True),
        Column("age", "string", "Age band of the householder."),
        Column("income", "string", "Income band of the household, dollars a year."),
        Column("home_ownership", "string", "Whether the household owns or rents its home."),
        Column("marital_status", "string", "Whether the householder is married."),
        Column("household_size", "string", "People in the household, up to 5+."),
        Column("household_comp", "string", "Adults and children that make up the household."),
        Column("kids_count", "string", "Children in the household, up to 3+."),
        Column("city", "string", "City of the household."),
        Column("postal_code", "string", "Postal code of the household.", pii=True),
        Column("updated_at", "timestamp", "When the CRM last changed the record (UTC)."),
    ),
)

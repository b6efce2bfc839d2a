"""One row per record of a household that the CRM sent: all of them once, then those that changed.

The dimension makes validity out of these. What the household told of itself is known for a third of them. A day brings a
handful of rows, so that half of them may be wrong before the day is held back.
"""

from retail_lake.contract import Column, Layer, Table, expect

INCOME_BANDS = [
    "Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "125-149K", "150-174K", "175-199K", "200-249K",
    "250K+",
]  # fmt: skip

households = Table(
    name="households",
    layer=Layer.SILVER,
    description=__doc__,
    grain="change of a household",
    key=("household_id", "updated_at"),
    order_by="_source_file DESC, _position DESC",
    day="received_on",
    columns=(
        Column("received_on", "date", "Day the record arrived."),
        Column("household_id", "bigint", "Household.", pii=True),
        Column("updated_at", "timestamp", "When the CRM changed the record (UTC); it holds from then on."),
        Column("loyalty_card", "string", "Number of the household's loyalty card.", pii=True),
        Column("age", "string", "Age band of the householder."),
        Column("income", "string", "Income band of the household, dollars a year."),
        Column("home_ownership", "string", "Whether the household owns or rents its home, as far as known."),
        Column("marital_status", "string", "Whether the householder is married."),
        Column("household_size", "string", "People in the household, up to 5+."),
        Column("household_comp", "string", "Adults and children that make up the household."),
        Column("kids_count", "string", "Children in the household, up to 3+."),
        Column("city", "string", "City of the household."),
        Column("postal_code", "string", "Postal code of the household.", pii=True),
    ),
    rules=(
        expect.column_values_to_not_be_null("household_id", mostly=0.5),
        expect.column_values_to_not_be_null("updated_at", mostly=0.5),
        # Of a day's few rows most say nothing of income: one that says nonsense may be the only one judged, and never blocks.
        expect.column_values_to_be_in_set("income", value_set=INCOME_BANDS, mostly=0.0),
        expect.column_values_to_not_be_null("loyalty_card", severity="warning"),
        expect.column_values_to_be_in_set(
            "age", value_set=["19-24", "25-34", "35-44", "45-54", "55-64", "65+"], severity="warning"
        ),
        expect.column_values_to_match_regex("household_size", regex="^([1-4]|5[+])$", severity="warning"),
        expect.column_values_to_match_regex("kids_count", regex="^([0-2]|3[+])$", severity="warning"),
    ),
    sql="""
        SELECT
          _day AS received_on,
          household_id,
          updated_at,
          loyalty_card,
          age,
          income,
          home_ownership,
          marital_status,
          household_size,
          household_comp,
          kids_count,
          city,
          postal_code,
          _source_file,
          _position,
          _day
        FROM bronze.crm_households
    """,
)

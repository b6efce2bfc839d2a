"""One row per version of a household: what the CRM knew of it, and from when to when.

A household's first version also covers the time before it, so that no sale is without one. Records that change nothing make
no version. A household that bought, redeemed a coupon or was addressed by a campaign, and that the CRM never sent, is a
member of its own, `is_inferred`.
"""

from datetime import timedelta

from retail_lake.contract import Column, Layer, Table, Validity, Workload, expect

dim_household = Table(
    name="dim_household",
    layer=Layer.GOLD,
    description=__doc__,
    grain="version of a household",
    key=("household_key",),
    validity=Validity("household_id", "valid_from", "valid_to"),
    workload=Workload.ANALYTICS,
    fresh_within=timedelta(hours=24),
    columns=(
        Column("household_key", "bigint", "Key of the version, the same in every rebuild."),
        Column("household_id", "bigint", "Household.", pii=True),
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
        Column("valid_from", "timestamp", "First moment of the version (UTC); 1900-01-01 for the first."),
        Column("valid_to", "timestamp", "First moment after the version (UTC); 9999-12-31 for the last."),
        Column("is_current", "boolean", "Whether it is the household's last version."),
        Column("is_inferred", "boolean", "Whether the household is known from what it did alone."),
    ),
    rules=(
        expect.column_values_to_not_be_null("household_key"),
        expect.column_values_to_not_be_null("household_id"),
        expect.column_pair_values_a_to_be_greater_than_b("valid_to", "valid_from"),
        expect.compound_columns_to_be_unique("household_id", "valid_from"),
        expect.column_values_to_be_in_set("is_inferred", value_set=[False], mostly=0.99, severity="warning"),
    ),
    sql="""
        WITH ranked AS (
          SELECT
            household_id,
            updated_at,
            _source_file,
            _position,
            row_number() OVER (PARTITION BY household_id, updated_at ORDER BY _source_file DESC, _position DESC) AS place
          FROM silver.households
        ),
        compared AS (               -- the last record of an instant counts
          SELECT
            s.household_id,
            s.updated_at,
            s._source_file,
            s._position,
            lag(r.household_id) OVER w <=> r.household_id
              AND lag(r.loyalty_card) OVER w <=> r.loyalty_card
              AND lag(r.age) OVER w <=> r.age
              AND lag(r.income) OVER w <=> r.income
              AND lag(r.home_ownership) OVER w <=> r.home_ownership
              AND lag(r.marital_status) OVER w <=> r.marital_status
              AND lag(r.household_size) OVER w <=> r.household_size
              AND lag(r.household_comp) OVER w <=> r.household_comp
              AND lag(r.kids_count) OVER w <=> r.kids_count
              AND lag(r.city) OVER w <=> r.city
              AND lag(r.postal_code) OVER w <=> r.postal_code AS is_repeated
          FROM ranked AS s
          JOIN silver.households AS r ON r._source_file = s._source_file AND r._position = s._position
          WHERE s.place = 1
          WINDOW w AS (PARTITION BY s.household_id ORDER BY s.updated_at)
        ),
        versions AS (
          SELECT
            household_id,
            CASE WHEN row_number() OVER w = 1 THEN TIMESTAMP '1900-01-01 00:00:00' ELSE updated_at END AS valid_from,
            coalesce(lead(updated_at) OVER w, TIMESTAMP '9999-12-31 00:00:00') AS valid_to,
            _source_file,
            _position
          FROM compared
          WHERE NOT is_repeated
          WINDOW w AS (PARTITION BY household_id ORDER BY updated_at)
        ),
        seen AS (
          SELECT household_id FROM versions
          UNION
          SELECT household_id FROM silver.sales
          UNION
          SELECT household_id FROM silver.redemptions
          UNION
          SELECT household_id FROM silver.campaign_audience
        ),
        members AS (
          SELECT
            s.household_id,
            coalesce(v.valid_from, TIMESTAMP '1900-01-01 00:00:00') AS valid_from,
            coalesce(v.valid_to, TIMESTAMP '9999-12-31 00:00:00') AS valid_to,
            v.household_id IS NULL AS is_inferred,
            v._source_file,
            v._position
          FROM seen AS s
          LEFT JOIN versions AS v ON v.household_id = s.household_id
        )
        SELECT
          surrogate_key(m.household_id, m.valid_from) AS household_key,
          m.household_id,
          r.loyalty_card,
          r.age,
          r.income,
          r.home_ownership,
          r.marital_status,
          r.household_size,
          r.household_comp,
          r.kids_count,
          r.city,
          r.postal_code,
          m.valid_from,
          m.valid_to,
          m.valid_to = TIMESTAMP '9999-12-31 00:00:00' AS is_current,
          m.is_inferred
        FROM members AS m
        LEFT JOIN silver.households AS r ON r._source_file = m._source_file AND r._position = m._position
    """,
)

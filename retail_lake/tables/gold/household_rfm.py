"""One row per day and household that bought in the 90 days up to it: how recently, how often, for how much.

Scores are quintiles of the day's households, 5 the best; households that are equal are told apart by their number, so that the
same data gives the same scores. The first 90 days of the lake see less than 90 days.
"""

from retail_lake.contract import Column, Layer, Table, Workload, expect

household_rfm = Table(
    name="household_rfm",
    layer=Layer.GOLD,
    description=__doc__,
    grain="household and day",
    key=("household_id",),
    day="as_of_date",
    distribute_by="household_id",
    window=90,
    workload=Workload.ANALYTICS,
    columns=(
        Column("as_of_date", "date", "Day up to which is looked back, itself included."),
        Column("household_id", "bigint", "Household (dim_household).", pii=True),
        Column("last_sale_date", "date", "Last day it bought."),
        Column("recency_days", "int", "Days since then; 0 for today."),
        Column("frequency", "bigint", "Baskets in the 90 days."),
        Column("monetary", "decimal(18,2)", "Dollars the stores received from it in the 90 days."),
        Column("recency_score", "int", "Quintile of recency, 1 to 5; 5 bought most recently."),
        Column("frequency_score", "int", "Quintile of frequency, 1 to 5; 5 bought most often."),
        Column("monetary_score", "int", "Quintile of money, 1 to 5; 5 spent most."),
        Column("segment", "string", "What the scores make of it: Champions, Loyal, Promising, At risk, Lapsing or Occasional."),
    ),
    rules=(
        expect.column_values_to_not_be_null("household_id"),
        expect.column_values_to_be_between("recency_days", min_value=0, max_value=89),
        expect.column_values_to_be_between("frequency", min_value=1),
        expect.column_values_to_be_between("monetary", min_value=0),
        expect.column_values_to_be_between("recency_score", min_value=1, max_value=5),
        expect.column_values_to_be_between("frequency_score", min_value=1, max_value=5),
        expect.column_values_to_be_between("monetary_score", min_value=1, max_value=5),
        expect.column_values_to_be_in_set(
            "segment", value_set=["Champions", "Loyal", "Promising", "At risk", "Lapsing", "Occasional"]
        ),
        expect.table_row_count_to_be_between(min_value=100, severity="warning"),
    ),
    sql="""
        WITH household_days AS (
          SELECT household_id, sale_date, count(DISTINCT basket_id) AS baskets, sum(sales_value) AS sales_value
          FROM gold.fact_sales
          GROUP BY household_id, sale_date
        ),
        looked_back AS (
          SELECT
            d.day AS as_of_date,
            h.household_id,
            max(h.sale_date) AS last_sale_date,
            sum(h.baskets) AS frequency,
            sum(h.sales_value) AS monetary
          FROM run.days AS d
          JOIN household_days AS h ON h.sale_date <= d.day AND h.sale_date > date_sub(d.day, 90)
          GROUP BY d.day, h.household_id
        ),
        scored AS (
          SELECT
            as_of_date,
            household_id,
            last_sale_date,
            frequency,
            monetary,
            ntile(5) OVER (PARTITION BY as_of_date ORDER BY last_sale_date, household_id) AS recency_score,
            ntile(5) OVER (PARTITION BY as_of_date ORDER BY frequency, household_id) AS frequency_score,
            ntile(5) OVER (PARTITION BY as_of_date ORDER BY monetary, household_id) AS monetary_score
          FROM looked_back
        )
        SELECT
          as_of_date,
          household_id,
          last_sale_date,
          datediff(as_of_date, last_sale_date) AS recency_days,
          frequency,
          monetary,
          recency_score,
          frequency_score,
          monetary_score,
          CASE
            WHEN recency_score >= 4 AND frequency_score >= 4 AND monetary_score >= 4 THEN 'Champions'
            WHEN recency_score >= 3 AND frequency_score >= 4 THEN 'Loyal'
            WHEN recency_score >= 4 THEN 'Promising'
            WHEN recency_score <= 2 AND frequency_score >= 3 THEN 'At risk'
            WHEN recency_score <= 2 THEN 'Lapsing'
            ELSE 'Occasional'
          END AS segment
        FROM scored
    """,
)

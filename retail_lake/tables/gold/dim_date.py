"""One row per day from 2000 to 2049: the civil, the ISO and the retail 4-5-4 calendar.

A retail year starts on the Sunday after the Saturday nearest to January 31 and is named for the year it starts in; so it has
52 weeks, and 53 every five or six years (2017 is one). Its quarters have months of 4, 5 and 4 weeks; a 53rd week belongs to
the last month. Retail month 1 is February.
"""

from retail_lake.contract import Column, Layer, Table, Workload, expect

dim_date = Table(
    name="dim_date",
    layer=Layer.GOLD,
    description=__doc__,
    grain="day",
    key=("date",),
    workload=Workload.ANALYTICS,
    columns=(
        Column("date", "date", "The day."),
        Column("year", "int", "Civil year."),
        Column("quarter", "int", "Civil quarter, 1 to 4."),
        Column("month", "int", "Civil month, 1 to 12."),
        Column("day_of_month", "int", "Day of the civil month, from 1."),
        Column("iso_year", "int", "Year that the ISO week belongs to."),
        Column("iso_week", "int", "ISO week, 1 to 53; weeks start on Monday."),
        Column("iso_day_of_week", "int", "1 is Monday, 7 is Sunday."),
        Column("is_weekend", "boolean", "Whether the day is a Saturday or a Sunday."),
        Column("retail_year", "int", "Retail 4-5-4 year."),
        Column("retail_year_start", "date", "First day of the retail year, a Sunday from January 29 to February 4."),
        Column("retail_quarter", "int", "Quarter of the retail year, 1 to 4."),
        Column("retail_month", "int", "Month of the retail year, 1 (February) to 12 (January)."),
        Column("retail_week", "int", "Week of the retail year, 1 to 53; weeks start on Sunday."),
        Column("retail_period_week", "int", "Week of the retail month, 1 to 5."),
    ),
    rules=(
        expect.table_row_count_to_equal(value=18_263),
        expect.column_values_to_be_between("date", min_value="2000-01-01", max_value="2049-12-31"),
        expect.column_values_to_be_between("iso_week", min_value=1, max_value=53),
        expect.column_values_to_be_between("retail_quarter", min_value=1, max_value=4),
        expect.column_values_to_be_between("retail_month", min_value=1, max_value=12),
        expect.column_values_to_be_between("retail_week", min_value=1, max_value=53),
        expect.column_values_to_be_between("retail_period_week", min_value=1, max_value=5),
        expect.column_pair_values_a_to_be_greater_than_b("date", "retail_year_start", or_equal=True),
    ),
    sql="""
        WITH days AS (              -- from 1999, because January 2000 is of the retail year 1999
          SELECT date_add(DATE '1999-01-01', n) AS date
          FROM (SELECT explode(sequence(0, 18627)) AS n) AS numbers
        ),
        started AS (
          SELECT
            date,
            max(
              CASE
                WHEN iso_day_of_week(date) = 7
                  AND ((month(date) = 1 AND day(date) >= 29) OR (month(date) = 2 AND day(date) <= 4))
                THEN date
              END
            ) OVER (ORDER BY date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS retail_year_start
          FROM days
        ),
        weeks AS (
          SELECT
            date,
            retail_year_start,
            datediff(date, retail_year_start) DIV 7 + 1 AS retail_week
          FROM started
          WHERE date >= DATE '2000-01-01'
        ),
        quarters AS (
          SELECT
            date,
            retail_year_start,
            retail_week,
            least((retail_week - 1) DIV 13 + 1, 4) AS retail_quarter
          FROM weeks
        ),
        months AS (
          SELECT
            date,
            retail_year_start,
            retail_week,
            retail_quarter,
            retail_week - 13 * (retail_quarter - 1) AS week_of_quarter
          FROM quarters
        )
        SELECT
          date,
          year(date) AS year,
          quarter(date) AS quarter,
          month(date) AS month,
          day(date) AS day_of_month,
          iso_year(date) AS iso_year,
          iso_week(date) AS iso_week,
          iso_day_of_week(date) AS iso_day_of_week,
          iso_day_of_week(date) >= 6 AS is_weekend,
          year(retail_year_start) AS retail_year,
          retail_year_start,
          retail_quarter,
          3 * (retail_quarter - 1)
            + CASE WHEN week_of_quarter <= 4 THEN 1 WHEN week_of_quarter <= 9 THEN 2 ELSE 3 END AS retail_month,
          retail_week,
          week_of_quarter
            - CASE WHEN week_of_quarter <= 4 THEN 0 WHEN week_of_quarter <= 9 THEN 4 ELSE 9 END AS retail_period_week
        FROM months
    """,
)

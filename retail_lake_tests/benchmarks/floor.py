"""The floor: one plain DuckDB script that computes the same gold tables from the same landed files.

No audit, no quarantine, no commits, no engine but DuckDB, no process but this one. It reads the files with DuckDB's own
readers, drops what breaks a critical rule, keeps one row of a key, and leaves the gold tables in a DuckDB file.

`python -m retail_lake_tests.benchmarks.floor HOME FIRST LAST DATABASE` prints the seconds it took and each table's rows.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import date, timedelta

import duckdb

from retail_lake.config import Settings
from retail_lake.contract import Column, Layer, Severity, Table
from retail_lake.jobs.description import LandedFile
from retail_lake.quality.predicates import violation
from retail_lake.quality.supported import row_rules
from retail_lake.sources.landing import landed
from retail_lake.sources.read import read_landed
from retail_lake.sql import relation_name
from retail_lake.sql.render import render
from retail_lake.sql.types import duckdb_type
from retail_lake.tables import TABLES


def readable(table: Table, days: list[date], settings: Settings) -> list[LandedFile]:
    """The landed files of a bronze table that can be read at all: which they are is given to the script, not timed."""
    assert table.landing
    found = landed(table.landing, days, settings)
    return [f for d in days for f in found.files[d] if read_landed(f, table, settings).problem is None]


def bronze_sql(table: Table, files: list[LandedFile], settings: Settings) -> str:
    """Records of landed files by DuckDB's own readers, with what silver needs of the source columns."""
    landing = table.landing
    assert landing
    own = [c for c in table.columns if not c.name.startswith("_")]
    paths = "[" + ", ".join(f"'{f.uri.removeprefix('file://')}'" for f in files) + "]"
    select, source = _records(landing.reader, own, paths)
    day = render(landing.claimed_day, "duckdb", zone=settings.store_time_zone)
    clamped = (
        f"CASE WHEN {day} BETWEEN _arrival_day - {landing.max_lateness} AND _arrival_day AND {day} >= DATE '{settings.first_day}'"
        " THEN {day} ELSE _arrival_day END".replace("{day}", day)
    )
    arrivals = ", ".join(f"('{f.uri.removeprefix('file://')}', DATE '{f.arrival_day}')" for f in files)
    return (
        f"SELECT *, {clamped} AS _day FROM (SELECT {select}, r.filename AS _source_file,"
        f" row_number() OVER (PARTITION BY r.filename) AS _position, a.day AS _arrival_day"
        f" FROM {source} AS r JOIN (VALUES {arrivals}) AS a(file, day) ON a.file = r.filename)"
    )


def _records(reader: str, own: list[Column], paths: str) -> tuple[str, str]:
    names = ", ".join(f"r.{c.name}" for c in own)
    typed = "{" + ", ".join(f"'{c.name}': '{duckdb_type(c.type)}'" for c in own) + "}"
    if reader == "csv_files":
        return names, (
            f"read_csv({paths}, all_varchar = true, header = true, comment = '#', ignore_errors = true, filename = true,"
            " auto_detect = false, delim = ',', quote = '\"', columns = " + typed + ")"
        )
    if reader == "dms_csv":
        return names, f"read_csv({paths}, all_varchar = true, union_by_name = true, nullstr = 'NULL', filename = true)"
    if reader == "parquet_files":
        return names, f"read_parquet({paths}, filename = true)"
    if reader == "json_lines":
        return names, (
            f"read_json({paths}, format = 'newline_delimited', ignore_errors = true, filename = true,"
            f" maximum_object_size = 100000000, columns = {typed})"
        )
    pages = (
        f"(SELECT unnest(items) AS item, as_of, page, filename FROM read_json({paths}, filename = true, columns = "
        "{'as_of': 'VARCHAR', 'page': 'VARCHAR',"
        " 'items': 'STRUCT(campaign_id VARCHAR, start_date VARCHAR, end_date VARCHAR)[]'}))"
    )
    picked = [f"r.item.{c.name}" if c.name in ("campaign_id", "start_date", "end_date") else f"r.{c.name}" for c in own]
    return ", ".join(picked), pages


def compute(database: str, days: list[date], files: dict[str, list[LandedFile]], settings: Settings) -> dict[str, int]:
    """Every gold table in a DuckDB file; returns each one's rows."""
    connection = duckdb.connect(database, config={"memory_limit": "1500MB", "preserve_insertion_order": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE TABLE run__days AS SELECT unnest(?::DATE[]) AS day", [days])
    rows = {}
    for name, table in TABLES.items():
        relation = relation_name(name)
        if table.layer is Layer.BRONZE:
            connection.execute(f"CREATE VIEW {relation} AS {bronze_sql(table, files[name], settings)}")
            continue
        names = ", ".join(f'CAST("{c.name}" AS {duckdb_type(c.type)}) AS "{c.name}"' for c in table.columns)
        sql = render(table.sql, "duckdb", zone=settings.store_time_zone)
        if table.layer is Layer.SILVER:
            broken = [violation(r, table) for r in row_rules(table.rules) if r.severity is Severity.CRITICAL]
            sound = " AND ".join(f"NOT {render(b, 'duckdb', zone=settings.store_time_zone)}" for b in broken if b)
            key = ", ".join(dict.fromkeys(["_day", *table.key]))
            connection.execute(
                f"CREATE TABLE {relation} AS SELECT {names} FROM (SELECT {names}, _day FROM ({sql})) WHERE {sound}"
                f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {table.order_by}) = 1"
            )
            continue
        connection.execute(f"CREATE TABLE {relation} AS SELECT {names} FROM ({sql})")
        (rows[name],) = connection.execute(f"SELECT count(*) FROM {relation}").fetchone() or (0,)
    connection.close()
    return rows


def main() -> None:
    home, first, last, database = sys.argv[1], *map(date.fromisoformat, sys.argv[2:4]), sys.argv[4]
    settings = Settings(home=home, first_day=first, last_day=last)  # type: ignore[arg-type]
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    files = {n: readable(t, days, settings) for n, t in TABLES.items() if t.layer is Layer.BRONZE}
    started = time.perf_counter()
    rows = compute(database, days, files, settings)
    print(json.dumps({"seconds": time.perf_counter() - started, "rows": rows}))


if __name__ == "__main__":
    main()

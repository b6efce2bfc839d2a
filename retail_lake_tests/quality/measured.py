"""A small table of every kind of column, and the grouped audit of its rows on DuckDB, as a job runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from retail_lake.contract import Column, Layer, Rule, Table
from retail_lake.quality.metrics import audit_sql
from retail_lake.quality.predicates import violation
from retail_lake.sql.render import render

DAYS = (date(2017, 1, 1), date(2017, 1, 2))

TABLE = Table(
    "things",
    Layer.GOLD,
    description="One row per thing.",
    grain="thing",
    day="day",
    columns=(
        Column("day", "date", ""),
        Column("i", "bigint", ""),
        Column("j", "int", ""),
        Column("money", "decimal(12,2)", ""),
        Column("cents", "decimal(12,2)", ""),
        Column("x", "double", ""),
        Column("s", "string", ""),
        Column("r", "string", ""),
        Column("b", "boolean", ""),
        Column("d", "date", ""),
        Column("ts", "timestamp", ""),
        Column("items", "array<bigint>", ""),
    ),
    sql="SELECT 1",
)

SCHEMA = pa.schema(
    {
        "day": pa.date32(),
        "i": pa.int64(),
        "j": pa.int32(),
        "money": pa.decimal128(12, 2),
        "cents": pa.decimal128(12, 2),
        "x": pa.float64(),
        "s": pa.string(),
        "r": pa.string(),
        "b": pa.bool_(),
        "d": pa.date32(),
        "ts": pa.timestamp("us"),
        "items": pa.list_(pa.int64()),
    }
)

# Few values, so that they meet; sums of `money` are exact in binary, so that stock GX, which adds floats, adds exactly too.
VALUES: Mapping[str, Sequence[Any]] = {
    "i": (None, -1, 0, 1, 2, 3),
    "j": (None, 0, 1, 2),
    "money": (None, *map(Decimal, ("-0.25", "0.00", "0.50", "1.75", "2.00"))),
    "cents": (None, *map(Decimal, ("0.00", "0.10", "0.30", "19.99", "-0.01"))),
    "x": (None, float("nan"), 0.0, 0.5, 1.5, -2.0),
    "s": (None, "", "a1", "a1\n", "b2", "A", "é", "a.b", "it's \\d", "5$"),
    "r": (None, "a1", "b2", ""),
    "b": (None, True, False),
    "d": (None, date(2017, 1, 1), date(2017, 6, 30), date(9999, 12, 31)),
    "ts": (None, datetime(2017, 1, 1), datetime(2017, 6, 30, 12, 0, 0, 1), datetime(9999, 12, 31)),
    "items": (None, [], [1]),
}

Row = dict[str, Any]


def frame_of(rows: Sequence[Row], day: date | None) -> pd.DataFrame:
    """The rows of one day (None: all) as pandas has them; the index is the row's place among all rows."""
    places = [k for k, row in enumerate(rows) if day in (None, row["day"])]
    table = pa.Table.from_pylist([rows[k] for k in places], schema=SCHEMA)
    return table.to_pandas(date_as_object=False).set_axis(places, axis="index")


def _connection(rows: Sequence[Row]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    table = pa.Table.from_pylist(list(rows), schema=SCHEMA)
    connection.register("things", table.append_column("place", pa.array(range(len(rows)), pa.int64())))
    return connection


def audited(rows: Sequence[Row], rules: Sequence[Rule], day: str | None = "day") -> list[Row]:
    """The result rows of the grouped audit."""
    found: list[Row] = []
    with _connection(rows) as connection:
        for sql in audit_sql(TABLE, "things", day, rules):
            found += connection.execute(render(sql, "duckdb", zone="UTC")).to_arrow_table().to_pylist()
    return found


def violating(rows: Sequence[Row], rule: Rule) -> list[int]:
    """Places of the rows that the rule's predicate is true for; it is never NULL."""
    with _connection(rows) as connection:
        sql = render(f"SELECT place, {violation(rule, TABLE)} AS broken FROM things ORDER BY place", "duckdb", zone="UTC")
        answers = connection.execute(sql).fetchall()
    assert all(isinstance(broken, bool) for _, broken in answers)
    return [place for place, broken in answers if broken]

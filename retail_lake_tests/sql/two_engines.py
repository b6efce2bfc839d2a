"""One portable query on DuckDB and on Spark, over the same nasty rows, compared value for value."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from retail_lake.arrow_types import arrow_type
from retail_lake.sql.render import render

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ZONE: Final = "America/New_York"
NASTY: Final = {
    "id": "bigint",
    "text": "string",
    "digits": "string",
    "stamp": "string",
    "n": "bigint",
    "m": "int",
    "money": "decimal(18,2)",
    "rate": "decimal(10,4)",
    "x": "double",
    "flag": "boolean",
    "day": "date",
    "at": "timestamp",
    "words": "array<string>",
    "items": "array<struct<a:bigint,b:struct<c:string>>>",
}
_D = Decimal


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _item(a: int | None, c: str | None) -> dict[str, Any]:
    return {"a": a, "b": {"c": c}}


# fmt: off
# ruff: noqa: E501
_ROWS: Final[list[tuple[Any, ...]]] = [
    ("apple", "12", "2017-01-01T11:53:26Z", 1, 1, _D("1.00"), _D("0.5000"), 0.5, True, date(2017, 1, 1), _at("2017-01-01 11:53:26"), ["a", "b"], [_item(1, "x"), _item(2, None)]),
    ("", "", "", 0, 0, _D("0.00"), _D("0.0000"), 0.0, False, date(2017, 3, 12), _at("2017-03-12 06:59:59"), [], []),
    (None, None, None, None, None, None, None, None, None, None, None, None, None),
    ("  padded  ", " -7 ", "2017-03-12 07:00:00", -7, -3, _D("-0.01"), _D("-0.0050"), -1.5, True, date(2017, 3, 13), _at("2017-03-12 07:00:00"), [None], [_item(None, None)]),
    ("Zoë Ünïcödé ß", "+0012", "2017-11-05T05:59:59.123456Z", 9_007_199_254_740_993, 2_147_483_647, _D("9999999.99"), _D("9999.9999"), 1e300, False, date(2017, 11, 5), _at("2017-11-05 05:59:59.123456"), ["", "ß", "a"], [_item(-1, "")]),
    ("日本語 👍🏽", "1.5", "2017-11-05 06:00:00", -9_007_199_254_740_993, -2_147_483_648, _D("-9999999.99"), _D("-9999.9999"), -1e-300, None, date(2017, 11, 6), _at("2017-11-05 06:00:00"), ["👍"], None),
    ("apple\n", "1e3", "2017-02-29 00:00:00", 7, 7, _D("0.10"), _D("0.0500"), 0.1, True, date(2016, 2, 29), _at("2016-02-29 23:59:59.5"), ["b", None], [_item(3, "y"), _item(3, "y")]),
    ("\u00a0nbsp\u00a0", "999999999999999999", "2017-12-31T24:00:00Z", 30, 30, _D("2.67"), _D("2.6750"), 2.675, False, date(2017, 12, 31), _at("2018-01-01 04:59:59"), ["z"], [_item(9, "z")]),
    ("100%_\\", "1234567890123456789", "1900-01-01 00:00:00", -30, -30, _D("-2.50"), _D("-2.5000"), -2.5, None, date(1900, 1, 1), _at("1900-01-01 00:00:00"), None, []),
    ("İIıi", "٣", "9999-12-31 23:59:59.999999", 52, 52, _D("0.05"), _D("0.0050"), 3.0, True, date(9990, 12, 30), _at("9999-12-31 00:00:00"), ["q", "q"], [_item(0, "q")]),
    ("apple", "12 34", "2017-01-01", 2, 2, _D("1.00"), _D("1.0000"), 0.5, False, date(2018, 1, 1), _at("2018-01-01 05:00:00"), ["a"], [_item(1, "x")]),
]
# fmt: on


def nasty() -> pa.Table:
    """The rows, `id` counting from 1: NULLs, empty and padded text, signs, boundaries, Unicode, days of clock change."""
    rows = [dict(zip(NASTY, (i, *row), strict=True)) for i, row in enumerate(_ROWS, start=1)]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, arrow_type(type_)) for name, type_ in NASTY.items()]))


def on_duckdb(sql: str, relations: dict[str, pa.Table]) -> list[tuple[Any, ...]]:
    """The rows of a portable query on DuckDB; relations are named as rendering names them."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in relations.items():
            connection.register(name, table)
        return connection.execute(render(sql, "duckdb", zone=ZONE)).fetchall()


def on_spark(spark: SparkSession, sql: str, relations: dict[str, pa.Table]) -> list[tuple[Any, ...]]:
    """The same on Spark, of either lane."""
    from pyspark.sql.pandas.types import from_arrow_schema

    for name, table in relations.items():
        rows = [tuple(row.values()) for row in table.to_pylist()]
        schema = from_arrow_schema(table.schema, prefer_timestamp_ntz=True)
        spark.createDataFrame(rows, schema).createOrReplaceTempView(name)
    return [tuple(row) for row in spark.sql(render(sql, "spark", zone=ZONE)).collect()]


def same(a: Any, b: Any) -> bool:
    """Equal values; doubles to 1e-9, structs by their values."""
    if isinstance(a, float) or isinstance(b, float):
        if a is None or b is None:
            return a is b
        return (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9)
    if isinstance(a, dict):
        a = tuple(a.values())
    if isinstance(b, dict):
        b = tuple(b.values())
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) and (isinstance(a, bool) == isinstance(b, bool))

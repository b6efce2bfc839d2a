"""Contract types as SQL types of each engine, and which type may become which without a change of meaning.

Belongs here: type names. Does not: Arrow (`arrow_types`) or Iceberg types (`lake/`).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from retail_lake.failure import ConfigurationFailure
from retail_lake.sql.parse import READ
from retail_lake.sql.template import Engine

_WITHOUT_ZONE: Final = {"duckdb": exp.DType.TIMESTAMP, "spark": exp.DType.TIMESTAMPNTZ}
# SQLGlot's spelling -> the one that DuckDB answers with.
_DUCKDB_NAMES: Final = {"TEXT": "VARCHAR", "INT": "INTEGER"}
_WHOLE: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


@lru_cache(maxsize=1024)
def engine_type(spark_type: str, engine: Engine) -> str:
    """A contract type in an engine's SQL: `timestamp` is without zone on both, nested types included.

    Raises `ConfigurationFailure` for what is no type.
    """
    try:
        tree = exp.DataType.build(spark_type, dialect=READ)
    except SqlglotError:
        raise ConfigurationFailure(f"column type {spark_type!r} cannot be read") from None
    for part in tree.find_all(exp.DataType):
        if part.this in (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ, exp.DType.TIMESTAMP):
            part.set("this", _WITHOUT_ZONE[engine])
    return tree.sql(engine, identify=True)


def duckdb_type(spark_type: str) -> str:
    """`array<struct<id:bigint>>` -> `STRUCT("id" BIGINT)[]`."""
    text = engine_type(spark_type, "duckdb")
    return re.sub(r'(?<!")\b(TEXT|INT)\b(?!")', lambda found: _DUCKDB_NAMES[found.group()], text)


def spark_type(contract_type: str) -> str:
    """`timestamp` -> `TIMESTAMP_NTZ`, also inside arrays and structs."""
    return engine_type(contract_type, "spark")


def spark_ddl(columns: tuple[tuple[str, str], ...]) -> str:
    """(name, contract type) pairs as a Spark schema: "`day` DATE, `at` TIMESTAMP_NTZ"."""
    return ", ".join(f"`{name}` {engine_type(type_, 'spark')}" for name, type_ in columns)


def becomes(actual: str, wanted: str) -> str | None:
    """Why a value of DuckDB type `actual` must not be cast to `wanted` by the job, or None where it may.

    Casts that fail loudly (overflow) or change nothing may; casts that the engines do differently may not.
    """
    if actual == wanted or actual == '"NULL"':
        return None
    if actual.startswith("DECIMAL") or actual in _WHOLE:
        if wanted.startswith("DECIMAL") or wanted == "DOUBLE" or (wanted in _WHOLE and actual in _WHOLE):
            return None
        if wanted in _WHOLE:
            return "a fraction would be lost: write cast(x AS bigint) where that is meant"
        return "write cast(x AS string) where text is meant" if wanted == "VARCHAR" else "it is a number"
    if actual in ("DOUBLE", "FLOAT"):
        if wanted in ("DOUBLE", "FLOAT"):
            return None
        return "doubles round differently on each engine: keep the column a double, or compute with decimals"
    if actual == "VARCHAR":
        return "text needs parse_bigint, parse_decimal, parse_date or parse_timestamp"
    if actual == "DATE" and wanted == "TIMESTAMP":
        return None
    if actual == "TIMESTAMP" and wanted == "DATE":
        return "write business_day(ts), or cast(ts AS date) where the UTC date is meant"
    if _is_nested(actual) and _is_nested(wanted) and _shape(actual) == _shape(wanted):
        return None
    return "the types have nothing in common"


def _is_nested(type_: str) -> bool:
    return type_.endswith("[]") or type_.startswith("STRUCT")


@lru_cache(maxsize=256)
def _shape(type_: str) -> str:
    """A nested DuckDB type in one spelling."""
    return sqlglot.parse_one(f"CAST(NULL AS {type_})", read="duckdb").args["to"].sql("duckdb", identify=True).lower()

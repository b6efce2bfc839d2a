"""The macros of portable SQL: what must be written with care on each engine, written once.

Belongs here: each macro's meaning and its expression per engine. Does not: when they are expanded (`render`).

Expansion works on the syntax tree, so a macro may stand wherever an expression may, around and inside other macros.
Patterns end in `\\z`: in Java's `$` a trailing line break still matches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlglot import exp

from retail_lake.failure import ConfigurationFailure
from retail_lake.sql.template import Engine, fill


@dataclass(frozen=True)
class Macro:
    """One macro: `type` is the Spark type of its value, `means` what it is for; `None` texts are built by `build`."""

    parameters: tuple[str, ...]
    type: str
    means: str
    duckdb: str = ""
    spark: str = ""
    build: Callable[[list[exp.Expr], Engine], exp.Expr] | None = None


def _same(parameters: str, type_: str, means: str, text: str) -> Macro:
    return Macro(tuple(parameters.split()), type_, means, text, text)


def _parse_decimal(arguments: list[exp.Expr], engine: Engine) -> exp.Expr:
    text, precision, scale = arguments
    p, s = (int(n.this) if isinstance(n, exp.Literal) and n.this.isdigit() else -1 for n in (precision, scale))
    if not 0 <= s <= p <= 38 or p == 0:
        raise ConfigurationFailure("parse_decimal(text, p, s): p and s must be literal numbers, 0 <= s <= p <= 38, p >= 1")
    fraction = f"([.][0-9]{{1,{s}}})?" if s else ""
    # More than 38 digits before the point overflow any decimal, leading zeros or not: the engines count those differently.
    pattern = f"[+-]?[0-9]{{1,38}}{fraction}"
    return fill(_guarded(pattern, f"DECIMAL({p}, {s})", engine), engine, {"text": text})


def _guarded(pattern: str, type_: str, engine: Engine, value: str = "{trimmed}") -> str:
    """A try_cast of trimmed text behind a pattern that all of it must match."""
    trimmed = "TRIM(:text, ' ')" if engine == "duckdb" else "TRIM(:text)"
    matches = f"REGEXP_FULL_MATCH({trimmed}, '{pattern}')" if engine == "duckdb" else rf"{trimmed} RLIKE '\\A({pattern})\\z'"
    return f"CASE WHEN {matches} THEN TRY_CAST({value.format(trimmed=trimmed)} AS {type_}) END"


def _text(pattern: str, type_: str, means: str, value: str = "{trimmed}", spark_type: str = "") -> Macro:
    return Macro(
        ("text",), type_, means, _guarded(pattern, type_, "duckdb", value), _guarded(pattern, spark_type or type_, "spark", value)
    )


def _surrogate_key(arguments: list[exp.Expr], engine: Engine) -> exp.Expr:
    text = "VARCHAR" if engine == "duckdb" else "STRING"
    parts = {f"part{i}": argument for i, argument in enumerate(arguments)}
    joined = ", ".join(f"COALESCE(CAST(:{name} AS {text}), '')" for name in parts)
    digits = f"SUBSTR(MD5(CONCAT_WS('|', {joined})), 1, 15)"
    number = f"'0x' || {digits}" if engine == "duckdb" else f"CONV({digits}, 16, 10)"
    return fill(f"CAST({number} AS BIGINT)", engine, parts)


_INTEGER = "[+-]?[0-9]{1,18}"
_YEAR = "(000[1-9]|00[1-9][0-9]|0[1-9][0-9][0-9]|[1-9][0-9][0-9][0-9])"
_DATE = f"{_YEAR}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?"

MACROS: Final[Mapping[str, Macro]] = {
    "parse_bigint": _text(_INTEGER, "BIGINT", "text of up to 18 digits, signed, as a number; NULL for any other text"),
    "parse_int": _text(_INTEGER, "INT", "the same within 32 bits; NULL beyond"),
    "parse_decimal": Macro(
        ("text", "p", "s"),
        "DECIMAL",
        "text with at most s digits behind the point as decimal(p, s), else NULL",
        build=_parse_decimal,
    ),
    "parse_date": _text(_DATE, "DATE", "YYYY-MM-DD as a date; NULL for any other text and for days that do not exist"),
    "parse_timestamp": _text(
        f"{_DATE}[T ]{_TIME}Z?",
        "TIMESTAMP",
        "YYYY-MM-DD[T ]HH:MM:SS[.ffffff][Z], UTC, as a timestamp; NULL for any other text",
        "REPLACE(REPLACE({trimmed}, 'T', ' '), 'Z', '')",
        "TIMESTAMP_NTZ",
    ),
    "business_day": Macro(
        ("ts",),
        "DATE",
        "the date of a UTC timestamp in the stores' time zone",
        "CAST(TIMEZONE(:zone, TIMEZONE('UTC', CAST(:ts AS TIMESTAMP))) AS DATE)",
        "CAST(CONVERT_TIMEZONE('UTC', :zone, CAST(:ts AS TIMESTAMP_NTZ)) AS DATE)",
    ),
    "surrogate_key": Macro(
        ("*",), "BIGINT", "60 bits of the md5 of its arguments as text; NULL counts as ''", build=_surrogate_key
    ),
    "ratio": _same(
        "a b",
        "DOUBLE",
        "a / b as a double; NULL where b is 0",
        "CAST(:a AS DOUBLE) / NULLIF(CAST(:b AS DOUBLE), CAST(0 AS DOUBLE))",
    ),
    "week_start": Macro(
        ("date",),
        "DATE",
        "the Monday on or before a date",
        "CAST(:date AS DATE) - CAST(ISODOW(CAST(:date AS DATE)) - 1 AS INTEGER)",
        "DATE_SUB(CAST(:date AS DATE), WEEKDAY(:date))",
    ),
    "iso_day_of_week": Macro(
        ("date",), "INT", "1 is Monday, 7 Sunday", "CAST(ISODOW(CAST(:date AS DATE)) AS INTEGER)", "(WEEKDAY(:date) + 1)"
    ),
    "iso_week": Macro(
        ("date",), "INT", "ISO week 1..53", "CAST(WEEK(CAST(:date AS DATE)) AS INTEGER)", "WEEKOFYEAR(CAST(:date AS DATE))"
    ),
    "iso_year": Macro(
        ("date",),
        "INT",
        "the year that the ISO week belongs to",
        "CAST(ISOYEAR(CAST(:date AS DATE)) AS INTEGER)",
        "EXTRACT(YEAROFWEEK FROM CAST(:date AS DATE))",
    ),
    "promotion_week_start": Macro(
        ("week",),
        "DATE",
        "first day of a promotion week of 2017: week 1 is the Sunday 2017-01-01, every later one a Monday",
        "CASE WHEN :week = 1 THEN DATE '2017-01-01' WHEN :week BETWEEN 2 AND 9999 "
        "THEN DATE '2017-01-02' + CAST(7 * (:week - 2) AS INTEGER) END",
        "CASE WHEN :week = 1 THEN DATE '2017-01-01' WHEN :week BETWEEN 2 AND 9999 "
        "THEN DATE_ADD(DATE '2017-01-02', CAST(7 * (:week - 2) AS INT)) END",
    ),
}


def macro_of(node: exp.Expr) -> Macro | None:
    """The macro that a node calls, if it calls one."""
    return MACROS.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None


def expand(node: exp.Expr, engine: Engine, zone: str) -> exp.Expr:
    """The engine's expression for a call of a macro. Raises `ConfigurationFailure` on a wrong number of arguments."""
    macro = MACROS[node.name.lower()]
    arguments = node.expressions
    expected = len(macro.parameters)
    if (macro.parameters == ("*",) and not arguments) or (macro.parameters != ("*",) and len(arguments) != expected):
        raise ConfigurationFailure(f"{node.name.lower()}({', '.join(macro.parameters)}) got {len(arguments)} arguments")
    if macro.build:
        return macro.build(arguments, engine)
    named = dict(zip(macro.parameters, arguments, strict=True))
    return fill(macro.duckdb if engine == "duckdb" else macro.spark, engine, {**named, "zone": exp.Literal.string(zone)})

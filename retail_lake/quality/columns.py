"""Columns and values of a rule as portable Spark SQL: a literal is written in its column's type, or refused.

Belongs here: types, literals and regular expressions. Does not: what an expectation says about them.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from retail_lake.contract import Table
from retail_lake.failure import ConfigurationFailure

_FAMILIES: Final = {
    **dict.fromkeys(("tinyint", "smallint", "int", "integer", "bigint", "decimal", "float", "double"), "number"),
    "string": "text",
    "boolean": "boolean",
    "date": "time",
    "timestamp": "time",
}


def type_of(table: Table, column: str) -> str:
    """The Spark SQL type of a column a rule names. `_day` is the bronze day that silver's rows carry while they are judged."""
    return "date" if column == "_day" else table.column(column).type.lower()


def family(table: Table, column: str) -> str:
    """`number`, `text`, `boolean`, `time` or `nested`: columns and literals compare within a family only."""
    return _FAMILIES.get(re.split(r"[(<]", type_of(table, column))[0].strip(), "nested")


def is_floating(table: Table, column: str) -> bool:
    """Whether the column can hold NaN."""
    return type_of(table, column) in ("float", "double")


def quoted(column: str) -> str:
    """The column as an identifier."""
    return f"`{column}`"


def value(table: Table, column: str) -> str:
    """The column's value; NaN counts as missing, as it does in GX."""
    return f"nullif({quoted(column)}, CAST('NaN' AS DOUBLE))" if is_floating(table, column) else quoted(column)


def text(string: str) -> str:
    """A string literal of Spark SQL, in which the backslash escapes."""
    escaped = string.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def moment(given: Any) -> datetime:
    """A bound of a date or timestamp column: a date, a datetime or an ISO string, as UTC without zone.

    Raises ValueError where it is none of them or carries a zone.
    """
    if isinstance(given, str):
        given = datetime.fromisoformat(given)
    if isinstance(given, datetime):
        if given.tzinfo is not None:
            raise ValueError("timestamps are UTC and written without a zone")
        return given
    if isinstance(given, date):
        return datetime(given.year, given.month, given.day)
    raise ValueError("neither a date nor a timestamp")


def literal(table: Table, column: str, given: Any) -> str:
    """A literal to compare the column with.

    Raises `ConfigurationFailure` if the value is of another family than the column: engines would convert it, each its own way.
    """
    kind = family(table, column)
    try:
        if kind == "text" and isinstance(given, str):
            return text(given)
        if kind == "boolean" and isinstance(given, bool):
            return "TRUE" if given else "FALSE"
        if kind == "number" and isinstance(given, int | float | Decimal) and not isinstance(given, bool):
            return number(given, floating=is_floating(table, column))
        if kind == "time":
            at = moment(given)
            if type_of(table, column) == "date" and at == datetime(at.year, at.month, at.day):
                return f"DATE '{at:%Y-%m-%d}'"
            return f"TIMESTAMP_NTZ '{at:%Y-%m-%d %H:%M:%S.%f}'"
    except ValueError as error:
        raise ConfigurationFailure(f"{table.full_name}: {given!r} for column {column}: {error}") from error
    raise ConfigurationFailure(f"{table.full_name}: {given!r} cannot be compared with column {column} ({type_of(table, column)})")


def number(given: int | float | Decimal, *, floating: bool) -> str:
    """A number in plain notation: exact for integers and decimals, a double for a floating column."""
    if not math.isfinite(given):
        raise ValueError("not a finite number")
    plain = format(Decimal(repr(given)) if isinstance(given, float) else Decimal(given), "f")
    return f"CAST({plain} AS DOUBLE)" if floating else plain


# What is alike in Python, RE2 (DuckDB) and Java (Spark) once `$` is spelled out, and what is not: look-around, flags, named and
# atomic groups, possessive quantifiers, back references and the escapes only some of them know.
_TOKEN: Final = re.compile(
    r"(?P<odd>\\(?![dDsSwWbBAnrtfv])\w|\(\?(?!:)|[*+?}]\+|\{,)|\\.|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<end>\$)", re.DOTALL
)


def regex(pattern: Any) -> str:
    """A pattern of Python's `re.search`, as DuckDB and Spark search it: `$` may stand before one last line break.

    Raises ValueError where the engines would not agree on it. Classes such as `\\d` mean ASCII.
    """
    if not isinstance(pattern, str):
        raise ValueError(f"regular expression {pattern!r} is not text")
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"regular expression {pattern!r}: {error}") from error

    def spelled(token: re.Match[str]) -> str:
        if token["odd"]:
            raise ValueError(
                f"regular expression {pattern!r}: the engines do not agree on {token['odd']!r}; "
                "use classes, quantifiers and groups (…) or (?:…) only"
            )
        return r"(?:\n?\z)" if token["end"] else "[$]" if token.group() == r"\$" else token.group()

    return _TOKEN.sub(spelled, pattern)

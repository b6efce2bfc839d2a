"""Contract types as Arrow types.

Belongs here: the one reading of a contract's type strings that needs Arrow. Does not: SQL types of an engine (`sql/`),
Iceberg types (`lake/`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

import pyarrow as pa

from retail_lake.contract import Column
from retail_lake.failure import ConfigurationFailure

_SCALARS: Final = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
_DECIMAL: Final = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_NESTED: Final = re.compile(r"(array|struct)<(.*)>", re.DOTALL)


@lru_cache(maxsize=1024)
def arrow_type(spark_type: str) -> pa.DataType:
    """The Arrow type of a contract type such as `array<struct<id:string,price:decimal(18,2)>>`.

    Timestamps are microseconds without zone (UTC). Raises `ConfigurationFailure` for a type a contract cannot have.
    """
    text = spark_type.strip()
    if text in _SCALARS:
        return _SCALARS[text]
    if decimal := _DECIMAL.fullmatch(text):
        precision, scale = map(int, decimal.groups())
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
    if nested := _NESTED.fullmatch(text):
        kind, inner = nested.groups()
        if kind == "array":
            return pa.list_(arrow_type(inner))
        fields = [field.partition(":") for field in _split(inner)]
        if all(name.strip() and colon for name, colon, _ in fields):
            return pa.struct([pa.field(name.strip(), arrow_type(type_)) for name, _, type_ in fields])
    known = ", ".join([*_SCALARS, "decimal(p,s)", "array<…>", "struct<name:type,…>"])
    raise ConfigurationFailure(f"column type {spark_type!r} is unknown: write one of {known}")


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """The columns as an Arrow schema, all nullable. Raises `ConfigurationFailure` naming the column of an unknown type."""

    def field(column: Column) -> pa.Field:
        try:
            return pa.field(column.name, arrow_type(column.type))
        except ConfigurationFailure as failure:
            raise ConfigurationFailure(f"column {column.name}: {failure}") from None

    return pa.schema([field(column) for column in columns])


def _split(fields: str) -> Iterator[str]:
    """The parts between the commas that are outside every bracket."""
    depth = start = 0
    for position, char in enumerate(fields):
        depth += (char in "<(") - (char in ">)")
        if char == "," and depth == 0:
            yield fields[start:position]
            start = position + 1
    yield fields[start:]

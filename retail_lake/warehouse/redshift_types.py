"""Contract types as Redshift's, spelled as its catalog spells them, and what the Data API answers as Python values.

Belongs here: types and values, both ways. Does not: statements.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from retail_lake.failure import ConfigurationFailure

TEXT_BYTES: Final = 65535
"""The longest string, in bytes of UTF-8."""

_SCALARS: Final = {
    "bigint": "bigint",
    "int": "integer",
    "string": f"character varying({TEXT_BYTES})",
    "boolean": "boolean",
    "double": "double precision",
    "date": "date",
    "timestamp": "timestamp without time zone",
}
_DECIMAL: Final = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")
_NUMERIC: Final = re.compile(r"numeric\((\d+),(\d+)\)")
_NESTED: Final = re.compile(r"(array|struct)<.*>", re.DOTALL)


def redshift_type(contract_type: str) -> str:
    """The type of a column: `decimal(12,2)` -> `numeric(12,2)`, arrays and structs -> `super`.

    Raises `ConfigurationFailure` for what has no type in Redshift.
    """
    text = contract_type.strip()
    if text in _SCALARS:
        return _SCALARS[text]
    if (decimal := _DECIMAL.fullmatch(text)) and int(decimal[1]) <= 38:
        return f"numeric({decimal[1]},{decimal[2]})"
    if _NESTED.fullmatch(text):
        return "super"
    raise ConfigurationFailure(f"the contract type {contract_type!r} has no Redshift type; see `Column` for the types there are")


def contract_type(stored: str) -> str:
    """A type of Redshift's catalog as a contract has it; nested ones, whose shape Redshift does not know, as `super`."""
    if stored.startswith("character varying"):
        return "string"
    if decimal := _NUMERIC.fullmatch(stored):
        return f"decimal({decimal[1]},{decimal[2]})"
    return {name: type_ for type_, name in _SCALARS.items()}.get(stored, stored)


def value(field: Mapping[str, Any], type_name: str) -> Any:
    """One field of an answer as Python has it; `type_name` is the one of its column's metadata."""
    if field.get("isNull"):
        return None
    ((_, held),) = field.items()
    if not isinstance(held, str):
        return held
    kind = type_name.lower()
    if kind == "numeric":
        return Decimal(held)
    if kind == "date":
        return date.fromisoformat(held)
    if kind == "timestamp":
        return datetime.fromisoformat(held)
    return json.loads(held) if kind == "super" else held

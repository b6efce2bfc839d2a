"""What Athena answers, which is text, as Python values by the columns' types.

Belongs here: types and their texts. Does not: asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

NUMBERS: Final = frozenset({"tinyint", "smallint", "integer", "bigint", "float", "real", "double", "decimal"})
"""The types that are shown to the right."""


def _zoned(text: str) -> datetime:
    """`2017-01-01 00:00:00.000 America/New_York`, or with `UTC` or `+02:00` as zone."""
    moment, zone = text.rsplit(" ", 1)
    if zone[0] in "+-":
        hours, minutes = zone[1:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return datetime.fromisoformat(moment).replace(tzinfo=timezone(-offset if zone[0] == "-" else offset))
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "boolean": lambda text: text == "true",
    "tinyint": int,
    "smallint": int,
    "integer": int,
    "bigint": int,
    "float": float,
    "real": float,
    "double": float,
    "decimal": Decimal,
    "date": date.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamp with time zone": _zoned,
    "time": time.fromisoformat,
    "varbinary": bytes.fromhex,
}


def value(text: str | None, type_: str) -> Any:
    """A value; None for NULL. Arrays, rows and maps stay the text that Athena gives, which cannot be read back for sure."""
    return None if text is None else _READ.get(type_, str)(text)

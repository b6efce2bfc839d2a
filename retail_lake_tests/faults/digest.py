"""What a table holds, day by day, as a few numbers: rows and a digest that does not depend on their order.

Belongs here: digests of any relation that DuckDB can read. Does not: where the relation comes from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

OF_THE_DELIVERY: Final = frozenset({"_ingested_at", "job_id", "run_id"})
"""Columns that tell of how rows came to be there, which a repetition may change, and not of what they say."""
_INGESTED: Final = '"_ingested_at":"[^"]*"'
"""The same, in a quarantined record."""
WHOLE: Final = ""
"""Stands for the day of a table that has none."""


class Content(NamedTuple):
    """What one day of a table holds."""

    rows: int
    digest: str


Days = dict[str, Content]


def by_day(connection: DuckDBPyConnection, relation: str, day: str | None) -> Days:
    """The content of each day of a relation (a table or a call of a function), by the name of its column of days."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    columns = [_value(name, kind) for name, kind, *_ in sorted(described) if name not in OF_THE_DELIVERY]
    when = f'"{day}"::VARCHAR' if day else f"'{WHOLE}'"
    # A sum, and not an exclusive or: two equal rows would vanish in that.
    counted = f"SELECT {when}, count(*), sum(hash(row({', '.join(columns)}))::HUGEINT) FROM {relation} GROUP BY 1"
    return {str(held): Content(rows, f"{total:x}") for held, rows, total in connection.execute(counted).fetchall()}


def _value(name: str, kind: str) -> str:
    # Doubles are held to nine digits, as everywhere.
    if kind in ("DOUBLE", "FLOAT"):
        return f"printf('%.8e', \"{name}\")"
    return f"regexp_replace(record, '{_INGESTED}', '')" if name == "record" else f'"{name}"'

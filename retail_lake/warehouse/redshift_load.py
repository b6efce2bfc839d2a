"""The statements of one load of a table into Redshift: one transaction that replaces days, or changes nothing.

Belongs here: what the statements are, and why in this order. Does not: running them (`data_api.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from retail_lake.sql.quote import quoted
from retail_lake.warehouse.data_api import Statement, asserted
from retail_lake.warehouse.manifest import Alike
from retail_lake.warehouse.published import Ledger, Load, other_rows
from retail_lake.warehouse.redshift_errors import Overtaken
from retail_lake.warehouse.redshift_schema import Place, text_literal
from retail_lake.warehouse.redshift_types import redshift_type

_DAYS_PER_INSERT: Final = 1000
_ARRIVING: Final = '"arriving"'


@dataclass(frozen=True)
class Copied:
    """Files with the same columns, and the manifest that lists them."""

    alike: Alike
    manifest_uri: str


def parameters(run_id: str) -> dict[str, str]:
    """What the statements of a load bind."""
    now = datetime.now(UTC).replace(tzinfo=None)
    return {"run_id": run_id, "loaded_at": now.isoformat(" ", timespec="microseconds")}


def statements(load: Load, ledger: Ledger, copied: Sequence[Copied], place: Place, role: str) -> list[Statement]:
    """Replace the changed days, which the ledger was seen to hold as it says. The last statement counts the whole table.

    The ledger is locked first, and it alone: whoever loads the table takes that lock before a snapshot of the database is
    taken for it, so that two loads come one after the other and never meet error 1023, and readers wait for neither.
    """
    return [
        Statement(f"LOCK TABLE {place.ledger}"),
        *_arriving(load, ledger),
        _as_seen(load, place),
        *(s for number, files in enumerate(copied, 1) for s in _copy(load, files, f'"staged_{number}"', role)),
        Statement(f"DELETE FROM {place.table}{_these_days(load)}"),
        *(_insert(files, f'"staged_{number}"', place) for number, files in enumerate(copied, 1)),
        _as_published(load, place),
        *_write_ledger(load, place),
        Statement(f"SELECT count(*) FROM {place.table}"),
    ]


def _arriving(load: Load, ledger: Ledger) -> list[Statement]:
    """The days to load as a table: what the ledger was seen to say of each, and what it shall say."""
    columns = '"day" date, "files" varchar(64), "rows" bigint, "seen" varchar(64)'
    made = [Statement(f"CREATE TEMP TABLE {_ARRIVING} ({columns})")]
    rows = []
    for day, now in load.changed.items():
        when, seen = f"DATE '{day}'" if day else "NULL", ledger[day].digest if day in ledger else ""
        rows.append(f"({when}, '{now.digest}', {now.rows}, '{seen}')")
    for start in range(0, len(rows), _DAYS_PER_INSERT):
        made.append(Statement(f"INSERT INTO {_ARRIVING} VALUES {', '.join(rows[start : start + _DAYS_PER_INSERT])}"))
    return made


def _same_day(load: Load) -> str:
    """How days of two tables belong together; a table that is replaced whole has one row of each."""
    return 'a."day" = b."day"' if load.table.day else "1 = 1"


def _as_seen(load: Load, place: Place) -> Statement:
    """The ledger still says what it said when it was decided what to load; a repeat of a load ends here."""
    return asserted(
        "count(*) = 0",
        f' FROM {_ARRIVING} AS a LEFT JOIN {place.ledger} AS b ON {_same_day(load)} WHERE coalesce(b."files", \'\') <> a."seen"',
        Overtaken(f"{load.table.name}: another load of the same days came first"),
    )


def _copy(load: Load, copied: Copied, staged: str, role: str) -> list[Statement]:
    """The files into a table that has exactly their columns, in their order."""
    types = {c.name: redshift_type(c.type) for c in load.table.columns}
    columns = ", ".join(f"{quoted(name)} {types[name]}" for name in copied.alike.columns)
    nested = " SERIALIZETOJSON" if any(types[name] == "super" for name in copied.alike.columns) else ""
    iam = "default" if role == "default" else text_literal(role)
    published = copied.alike.rows
    return [
        Statement(f"CREATE TEMP TABLE {staged} ({columns})"),
        Statement(f"COPY {staged} FROM {text_literal(copied.manifest_uri)} IAM_ROLE {iam} FORMAT AS PARQUET{nested} MANIFEST"),
        asserted(
            f"pg_last_copy_count() = {published}",
            "",
            other_rows(load.table, [f"{len(copied.alike.files)} files: other rows arrived than the {published} published"]),
        ),
    ]


def _insert(copied: Copied, staged: str, place: Place) -> Statement:
    """What was staged into the table; columns that the files lack stay empty."""
    columns = ", ".join(quoted(name) for name in copied.alike.columns)
    return Statement(f"INSERT INTO {place.table} ({columns}) SELECT {columns} FROM {staged}")


def _these_days(load: Load) -> str:
    """The rows of the days to load. The bounds are said too: they let Redshift skip the blocks of all other days."""
    if load.table.day is None:
        return ""
    days = [day for day in load.changed if day]
    column = quoted(load.table.day)
    return f" WHERE {column} BETWEEN DATE '{min(days)}' AND DATE '{max(days)}' AND {column} IN (SELECT \"day\" FROM {_ARRIVING})"


def _as_published(load: Load, place: Place) -> Statement:
    """Every day now has the rows that the lake publishes."""
    published = sum(now.rows for now in load.changed.values())
    if load.table.day is None:
        return asserted(
            f"count(*) = {published}",
            f" FROM {place.table}",
            other_rows(load.table, [f"the whole table: other rows than the {published} published"]),
        )
    counted = f'SELECT {quoted(load.table.day)} AS "day", count(*) AS "rows" FROM {place.table}{_these_days(load)} GROUP BY 1'
    return asserted(
        "count(*) = 0",
        f' FROM {_ARRIVING} AS a LEFT JOIN ({counted}) AS b ON {_same_day(load)} WHERE coalesce(b."rows", 0) <> a."rows"',
        other_rows(load.table, [f"{_span(load)}: a day with other rows than its share of the {published} published"]),
    )


def _write_ledger(load: Load, place: Place) -> list[Statement]:
    """What the ledger says of these days from now on."""
    where = f' WHERE "day" IN (SELECT "day" FROM {_ARRIVING})' if load.table.day else ""
    snapshot = "CAST(NULL AS bigint)" if load.snapshot_id is None else str(load.snapshot_id)
    columns = ", ".join(quoted(c) for c in ("day", "files", "snapshot_id", "rows", "run_id", "loaded_at"))
    return [
        Statement(f"DELETE FROM {place.ledger}{where}"),
        Statement(
            f'INSERT INTO {place.ledger} ({columns}) SELECT "day", "files", {snapshot}, "rows", CAST(:run_id AS varchar(1024)), '
            f"CAST(:loaded_at AS timestamp) FROM {_ARRIVING}"
        ),
    ]


def _span(load: Load) -> str:
    """The first and the last day, for people."""
    days = sorted(str(day) for day in load.changed)
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"

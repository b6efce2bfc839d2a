"""What the lake publishes of a table, day by day, and which of it a warehouse does not hold yet.

Belongs here: what every warehouse decides alike. Does not: any database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from retail_lake.contract import Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import DataFile
from retail_lake.warehouse.base import LoadedDay, LoadOutcome, PublishedFiles


class Entry(NamedTuple):
    """What the ledger says of one day: the digest of the files that were loaded, and their rows."""

    digest: str
    rows: int


Ledger = Mapping[date | None, Entry]
"""What a warehouse holds, by day; under None a table that is replaced whole."""


@dataclass(frozen=True)
class Published:
    """What the lake publishes of one day. `digest` tells the files: they are never modified, so equal means equal rows."""

    files: tuple[DataFile, ...] = ()

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(f.rows for f in self.files)

    @property
    def digest(self) -> str:
        """The same for the same files."""
        return hashlib.sha256("\n".join(sorted(f.uri for f in self.files)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Load:
    """What a warehouse is to hold of one table, by day, and the part of it that it does not: `changed`."""

    table: Table
    snapshot_id: int | None
    days: Mapping[date | None, Published]
    changed: Mapping[date | None, Published]

    def outcome(self, *, total_rows: int, seconds: float, server_seconds: float | None = None) -> LoadOutcome:
        """The answer to who asked for it, once the changed days are written."""
        ordered = sorted(self.days.items(), key=lambda item: item[0] or date.min)
        days = tuple(LoadedDay(day, now.rows, day in self.changed) for day, now in ordered)
        return LoadOutcome(self.table.full_name, days, total_rows, self.snapshot_id, seconds, server_seconds)


@dataclass(frozen=True)
class Pinned:
    """The published files of the days asked for, as of one snapshot. `complete`: all days were asked for."""

    table: Table
    snapshot_id: int | None
    days: Mapping[date | None, Published]
    complete: bool

    def against(self, ledger: Ledger) -> Load:
        """What is left to load. If all days were asked for, one that only the ledger knows has left the lake and is emptied."""
        days = ({day: Published() for day in ledger} if self.complete else {}) | dict(self.days)
        changed = {day: now for day, now in days.items() if ledger.get(day) != Entry(now.digest, now.rows)}
        return Load(self.table, self.snapshot_id, days, changed)


def pin(table: Table, days: Sequence[date] | None, lake: PublishedFiles) -> Pinned:
    """The published files of these days (of all, if None; of all of an unpartitioned table anyway).

    A publish that happens after this is the next load's. Raises `DataFailure` for a file that the lake has under no day.
    """
    if table.day is None:
        source = lake.current_files(table)
        return Pinned(table, source.snapshot_id, {None: Published(source.files)}, complete=True)
    wanted = sorted(set(days)) if days is not None else None
    source = lake.current_files(table, wanted)
    found: dict[date, list[DataFile]] = {day: [] for day in wanted or ()}
    for file in source.files:
        if file.day is None:
            raise DataFailure(
                f"{table.full_name}: the published file {file.uri} should hold one {table.day}, but the lake has it under "
                "none. Materialize its days again, with force."
            )
        if file.rows and (wanted is None or file.day in found):
            found.setdefault(file.day, []).append(file)
    published: dict[date | None, Published] = {day: Published(tuple(its)) for day, its in found.items()}
    return Pinned(table, source.snapshot_id, published, complete=wanted is None)


def other_rows(table: Table, wrong: Sequence[str]) -> DataFailure:
    """The failure of a load that would leave other rows than the lake publishes; `wrong` says where."""
    return DataFailure(
        f"{table.name}: the warehouse would hold other rows than the lake publishes, so nothing was loaded.\n  "
        + "\n  ".join(wrong)
    )

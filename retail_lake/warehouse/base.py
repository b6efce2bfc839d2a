"""What a warehouse is to the rest of the project: something that loads a gold table's days from the lake.

Belongs here: the protocol and what it answers. Does not: any database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from retail_lake.contract import Table
from retail_lake.jobs.description import PinnedInput


class PublishedFiles(Protocol):
    """The part of the lake that a load reads: a table's published files, pinned to one snapshot (`lake.lake.Lake`)."""

    def current_files(self, table: Table | str, days: Sequence[date] | None = None) -> PinnedInput:
        """The Parquet files of the current snapshot, of these days or of all."""
        ...


@dataclass(frozen=True)
class LoadedDay:
    """One day of a fact (`day` None: a dimension, whole) as it is in the warehouse now. `changed` is false if it already was.

    `version` is the fingerprint of the publication that it holds at least, where whoever asked for the load says it.
    """

    day: date | None
    rows: int
    changed: bool
    version: str = ""


@dataclass(frozen=True)
class LoadOutcome:
    """What a load found and did. `total_rows` counts the whole table afterwards.

    `server_seconds` is how long the warehouse itself says it worked, where it is a service that says so.
    """

    table: str
    days: tuple[LoadedDay, ...]
    total_rows: int
    snapshot_id: int | None
    seconds: float
    server_seconds: float | None = None

    @property
    def rows(self) -> int:
        """Rows written by this load."""
        return sum(d.rows for d in self.days if d.changed)

    @property
    def unchanged(self) -> bool:
        """The ledger had every day already: nothing was written."""
        return not any(d.changed for d in self.days)


class Warehouse(Protocol):
    """A place that serves gold tables by plain name. Whatever it is, a load is one transaction and can be repeated."""

    def check(self, tables: Sequence[Table]) -> None:
        """Raise `Misfit` if tables there cannot become what their contracts say by adding columns.

        It names all of them, and looks once, whatever their number.
        """
        ...

    def load(self, table: Table, days: Sequence[date] | None, lake: PublishedFiles, *, run_id: str) -> LoadOutcome:
        """Make these days (all, if None; always all of an unpartitioned table) equal to what the lake publishes.

        One transaction: old rows out, new rows in, one ledger row per day. A day whose published files the ledger
        knows is not written again. Raises `DataFailure` if other rows arrive than the lake published, and
        `TransientFailure` if the warehouse stays locked by another process.
        """
        ...

    def pending(self, table: Table, days: Sequence[date] | None, lake: PublishedFiles) -> list[date | None]:
        """The days that a load would write now."""
        ...

    def drop(self, table: Table) -> None:
        """Forget the table and its ledger rows, so that the next load builds it anew from the lake."""
        ...

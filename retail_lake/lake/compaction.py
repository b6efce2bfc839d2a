"""Many small files of a day made one, so that reading it opens one: the same rows under the same fingerprint.

Belongs here: which days are worth it, and replacing their files. Does not: what is deleted afterwards (`expiry.py`,
`maintenance.py`): jobs and readers that have pinned the small files find them for as long as snapshots are kept.

Beside writers it gives way: a day whose files are no longer those that were read is left to whoever published it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retail_lake.contract import Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import DataFile, PinnedInput, StagedFile
from retail_lake.lake.commit import retried
from retail_lake.lake.lake import Lake, day_of, files_of
from retail_lake.lake.publications import Publication
from retail_lake.lake.publish import swap
from retail_lake.lake.snapshots import JOB_ID

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

COMPACTED: Final = "retail-lake.compacted"
LARGEST: Final = 256_000_000
"""Bytes of a day from which on its files count as large enough."""
DAYS_AT_ONCE: Final = 31
"""Days in one commit."""


@dataclass(frozen=True)
class Compacted:
    """One day (`day` None: a whole unpartitioned table) whose files were made one."""

    day: date | None
    files: int
    rows: int


def compact(lake: Lake, table: Table, at_least: int | None = None) -> list[Compacted]:
    """Make one file of every day that has at least so many (`compaction_files`, but two, unless said), and is not large.

    Returns the days for which that was done. Raises `TransientFailure` when other writers do not let it through,
    `DataFailure` when other rows come out than went in: then nothing is changed.
    """
    if at_least is None:
        if not lake.settings.compaction_files:
            return []
        at_least = max(2, lake.settings.compaction_files)
    pinned = lake.pin(table.full_name)
    by_day: dict[date | None, list[DataFile]] = {}
    for file in pinned.files:
        by_day.setdefault(file.day, []).append(file)
    todo = [d for d, files in by_day.items() if len(files) >= at_least and sum(f.size for f in files) < LARGEST]
    done: list[Compacted] = []
    for start in range(0, len(todo), DAYS_AT_ONCE):
        days = todo[start : start + DAYS_AT_ONCE]
        done += _compact(lake, table, {d: by_day[d] for d in days}, evolved=pinned.evolved)
    return done


def _compact(lake: Lake, table: Table, small: Mapping[date | None, Sequence[DataFile]], *, evolved: bool) -> list[Compacted]:
    job = f"compaction-{uuid.uuid4().hex[:8]}"
    before = dict(lake.publications_by_day().get(table.full_name, {}))
    place = f"{lake.data_location(table.full_name)}/data/{job}"
    large = {day: _write(lake, table, f"{place}/{day or 'whole'}.parquet", day, files, evolved) for day, files in small.items()}

    def attempt() -> tuple[IcebergTable, list[date | None]]:
        stored = lake.catalog.load_table(table.full_name)
        now = _files(stored)
        if all(large[day].uri in now.get(day, ()) for day in large):
            return stored, list(large)  # an attempt that seemed to fail
        days = [d for d in small if now.get(d, set()) == {f.uri for f in small[d]}]
        if days:
            swap(stored, table.day, days, [large[d] for d in days], {JOB_ID: job, COMPACTED: "true"})
        return stored, days

    stored, days = retried(attempt, f"compacting {table.full_name}")
    if (shown := stored.current_snapshot()) and days:

        def moved(known: Mapping[date | None, Publication]) -> list[Publication]:
            return [replace(known[d], snapshot_id=shown.snapshot_id) for d in days if d in known and known[d] == before.get(d)]

        # A dimension is compared with the snapshot on record, which must not be one that is about to be forgotten.
        lake.amend(table.full_name, moved)
    return [Compacted(day, len(small[day]), large[day].rows) for day in days]


def _files(stored: IcebergTable) -> dict[date | None, set[str]]:
    """What readers of a table see now, by day."""
    from pyiceberg.expressions import AlwaysTrue

    found: dict[date | None, set[str]] = {}
    if (snapshot := stored.current_snapshot()) is not None:
        for file in files_of(stored, snapshot, AlwaysTrue()):
            found.setdefault(day_of(file), set()).add(file.file_path)
    return found


def _write(lake: Lake, table: Table, uri: str, day: date | None, files: Sequence[DataFile], evolved: bool) -> StagedFile:
    """The rows of these files as one, in their order and in the contract's types."""
    from retail_lake.duckdb_connection import connect, path_of
    from retail_lake.jobs.duckdb_session import parquet_sql
    from retail_lake.sql.quote import literal
    from retail_lake.sql.types import duckdb_type

    expected = sum(f.rows for f in files)
    pinned = PinnedInput(table=table.full_name, snapshot_id=None, sequence=0, files=tuple(files), evolved=evolved)
    target = path_of(uri)
    if "://" not in target:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(f'CAST("{c.name}" AS {duckdb_type(c.type)}) AS "{c.name}"' for c in table.columns)
    with connect(lake.settings) as connection:
        connection.execute("SET preserve_insertion_order = true")
        rows = f"SELECT {columns} FROM ({parquet_sql(connection, pinned, table.columns)})"
        written = connection.execute(f"COPY ({rows}) TO {literal(target)} (FORMAT parquet)").fetchone()
    if (count := int(written[0]) if written else 0) != expected:
        raise DataFailure(f"{table.full_name} {day or ''}: {count} rows came out of {expected}; nothing was changed")
    return StagedFile(uri=uri, day=day, rows=count)

"""The embedded warehouse: one DuckDB file, loaded from the lake's published Parquet files.

Belongs here: the load and its ledger. Does not: DDL (`schema.py`), opening and locks (`connection.py`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import DataFile
from retail_lake.sql.types import duckdb_type
from retail_lake.warehouse.base import LoadedDay, LoadOutcome, PublishedFiles
from retail_lake.warehouse.connection import attach, open_memory, path_of, quoted
from retail_lake.warehouse.schema import LEDGER, address, check_compatible, ensure_ledger, ensure_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class _Published:
    """What the lake publishes of one day. `digest` tells the files: they are never modified, so equal means equal rows."""

    files: tuple[DataFile, ...] = ()

    @property
    def rows(self) -> int:
        return sum(f.rows for f in self.files)

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(sorted(f.uri for f in self.files)).encode()).hexdigest()[:16]


class DuckDBWarehouse:
    """The warehouse in the file `settings.warehouse_path`. It holds the file only while it works on it.

    `lock_wait` is how many seconds a load waits for another process that holds the file.
    """

    def __init__(self, settings: Settings, *, lock_wait: float = 60.0) -> None:
        self.settings = settings
        self.lock_wait = lock_wait

    def check(self, table: Table) -> None:
        """See `Warehouse.check`."""
        if not self.settings.warehouse_path.exists():
            return
        with open_memory(self.settings) as connection:
            attach(connection, self.settings.warehouse_path, read_only=True, wait=self.lock_wait)
            check_compatible(connection, table)

    def load(self, table: Table, days: Sequence[date] | None, lake: PublishedFiles, *, run_id: str) -> LoadOutcome:
        """See `Warehouse.load`. All days in one DELETE and one INSERT, whatever their number."""
        start = time.monotonic()
        wanted = sorted(set(days)) if table.day and days is not None else None
        # Pinned before the transaction: a publish that happens meanwhile is the next load's.
        source = lake.current_files(table, wanted)
        if wanted == []:
            source = source.model_copy(update={"files": ()})
        with self._transaction() as connection:
            ensure_table(connection, table)
            published = _by_day(connection, table, wanted, source.files)
            ledger = _read_ledger(connection, table)
            if wanted is None:
                published = {day: _Published() for day in ledger} | published
            changed = _changed(published, ledger)
            if changed:
                _replace(connection, table, {day: published[day] for day in changed})
                _write_ledger(connection, table, {day: published[day] for day in changed}, source.snapshot_id, run_id)
            total = _one(connection, f"SELECT count(*) FROM {address(table)}")
        loaded = sorted(published.items(), key=lambda item: item[0] or date.min)
        return LoadOutcome(
            table=table.full_name,
            days=tuple(LoadedDay(day, now.rows, day in changed) for day, now in loaded),
            total_rows=total,
            snapshot_id=source.snapshot_id,
            seconds=time.monotonic() - start,
        )

    def pending(self, table: Table, days: Sequence[date] | None, lake: PublishedFiles) -> list[date | None]:
        """See `Warehouse.pending`."""
        wanted = sorted(set(days)) if table.day and days is not None else None
        source = lake.current_files(table, wanted)
        with open_memory(self.settings) as connection:
            published = _by_day(connection, table, wanted, source.files)
            if not self.settings.warehouse_path.exists():
                return list(published)
            attach(connection, self.settings.warehouse_path, read_only=True, wait=self.lock_wait)
            return _changed(published, _read_ledger(connection, table))

    def drop(self, table: Table) -> None:
        """See `Warehouse.drop`."""
        with self._transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {address(table)}")
            ensure_ledger(connection)
            connection.execute(f"DELETE FROM {LEDGER} WHERE table_name = ?", [table.name])

    @contextmanager
    def _transaction(self) -> Iterator[DuckDBPyConnection]:
        with open_memory(self.settings) as connection:
            attach(connection, self.settings.warehouse_path, read_only=False, wait=self.lock_wait)
            connection.begin()
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()


def _by_day(
    connection: DuckDBPyConnection, table: Table, wanted: list[date] | None, files: Sequence[DataFile]
) -> dict[date | None, _Published]:
    """The published files of each wanted day (of every day that has some, if None), told by the files' own statistics."""
    if table.day is None:
        return {None: _Published(tuple(files))}
    found: dict[date, list[DataFile]] = {day: [] for day in wanted or ()}
    files = [f for f in files if f.rows]
    if files:
        statistics = connection.execute(
            "SELECT file_name, min(stats_min_value)::DATE, max(stats_max_value)::DATE FROM parquet_metadata(?) "
            "WHERE path_in_schema = ? GROUP BY file_name",
            [[path_of(f.uri) for f in files], table.day],
        ).fetchall()
        span = {uri: (first, last) for uri, first, last in statistics}
        for file in files:
            first, last = span.get(path_of(file.uri), (None, None))
            if first is None or first != last:
                raise DataFailure(
                    f"{table.full_name}: the published file {file.uri} should hold one {table.day}, but its statistics say "
                    f"{first} to {last}. Materialize its days again, with force."
                )
            if wanted is None or first in found:
                found.setdefault(first, []).append(file)
    return {day: _Published(tuple(its)) for day, its in found.items()}


def _changed(published: dict[date | None, _Published], ledger: dict[date | None, tuple[str, int]]) -> list[date | None]:
    """The days whose published files are not those that the ledger says were loaded."""
    return [day for day, now in published.items() if day not in ledger or ledger[day] != (now.digest, now.rows)]


def _replace(connection: DuckDBPyConnection, table: Table, published: dict[date | None, _Published]) -> None:
    """Old rows out, published rows in. Raises `DataFailure` if a day ends with other rows than the lake published."""
    where: str = "true"
    arguments: list[list[date | None]] = []
    if table.day:
        where, arguments = f"{quoted(table.day)} IN (SELECT unnest(?::DATE[]))", [list(published)]
    connection.execute(f"DELETE FROM {address(table)} WHERE {where}", arguments)
    uris = [path_of(f.uri) for now in published.values() for f in now.files if f.rows]
    if uris:
        held = {
            name.split(",")[0]
            for (name,) in connection.execute("SELECT DISTINCT path_in_schema FROM parquet_metadata(?)", [uris]).fetchall()
        }
        # Files published before a column was added do not have it.
        columns = ", ".join(
            f"{quoted(c.name) if c.name in held else 'NULL'}::{duckdb_type(c.type)} AS {quoted(c.name)}" for c in table.columns
        )
        files = "read_parquet(?, union_by_name => true, hive_partitioning => false)"
        connection.execute(f"INSERT INTO {address(table)} BY NAME SELECT {columns} FROM {files}", [uris])
    day = quoted(table.day) if table.day else "NULL::DATE"
    count = f"SELECT {day}, count(*) FROM {address(table)} WHERE {where} GROUP BY 1"
    counted: dict[date | None, int] = dict(connection.execute(count, arguments).fetchall())
    wrong = [
        f"{when or 'the whole table'}: {counted.get(when, 0)} rows loaded, {now.rows} published"
        for when, now in published.items()
        if counted.get(when, 0) != now.rows
    ]
    if wrong:
        raise DataFailure(
            f"{table.name}: the warehouse would hold other rows than the lake publishes, so nothing was loaded.\n  "
            + "\n  ".join(wrong)
        )


def _read_ledger(connection: DuckDBPyConnection, table: Table) -> dict[date | None, tuple[str, int]]:
    rows = connection.execute(f"SELECT day, files, rows FROM {LEDGER} WHERE table_name = ?", [table.name]).fetchall()
    return {day: (files, count) for day, files, count in rows}


def _write_ledger(
    connection: DuckDBPyConnection, table: Table, published: dict[date | None, _Published], snapshot_id: int | None, run_id: str
) -> None:
    which, arguments = ("day IN (SELECT unnest(?::DATE[]))", [list(published)]) if table.day else ("day IS NULL", [])
    connection.execute(f"DELETE FROM {LEDGER} WHERE table_name = ? AND {which}", [table.name, *arguments])
    now = datetime.now(UTC).replace(tzinfo=None)
    connection.executemany(
        f"INSERT INTO {LEDGER} VALUES (?, ?, ?, ?, ?, ?, ?)",
        [[table.name, day, its.digest, snapshot_id, its.rows, run_id, now] for day, its in published.items()],
    )


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0

"""The embedded warehouse: one DuckDB file, loaded from the lake's published Parquet files.

Belongs here: the load and its ledger. Does not: DDL (`schema.py`), opening and locks (`connection.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING

from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.duckdb_connection import connect, path_of
from retail_lake.failure import refuse_together
from retail_lake.sql.quote import quoted
from retail_lake.sql.types import duckdb_type
from retail_lake.storage import failures_of_duckdb
from retail_lake.warehouse.base import LoadOutcome, PublishedFiles
from retail_lake.warehouse.connection import attach
from retail_lake.warehouse.published import Entry, Ledger, Load, Published, other_rows, pin
from retail_lake.warehouse.schema import LEDGER, address, check_compatible, ensure_ledger, ensure_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class DuckDBWarehouse:
    """The warehouse in the file `settings.warehouse_path`. It holds the file only while it works on it.

    `lock_wait` is how many seconds a load waits for another process that holds the file.
    """

    def __init__(self, settings: Settings, *, lock_wait: float = 60.0) -> None:
        self.settings = settings
        self.lock_wait = lock_wait

    def check(self, tables: Sequence[Table]) -> None:
        """See `Warehouse.check`."""
        if not self.settings.warehouse_path.exists():
            return
        with self._attached() as connection:
            refuse_together(partial(check_compatible, connection, table) for table in tables)

    def load(self, table: Table, days: Sequence[date] | None, lake: PublishedFiles, *, run_id: str) -> LoadOutcome:
        """See `Warehouse.load`. All days in one DELETE and one INSERT, whatever their number."""
        start = time.monotonic()
        pinned = pin(table, days, lake)
        with self._transaction() as connection:
            ensure_table(connection, table)
            todo = pinned.against(_read_ledger(connection, table))
            if todo.changed:
                _replace(connection, table, todo.changed)
                _write_ledger(connection, todo, run_id)
            total = _one(connection, f"SELECT count(*) FROM {address(table)}")
        return todo.outcome(total_rows=total, seconds=time.monotonic() - start)

    def pending(self, table: Table, days: Sequence[date] | None, lake: PublishedFiles) -> list[date | None]:
        """See `Warehouse.pending`."""
        pinned = pin(table, days, lake)
        if not self.settings.warehouse_path.exists():
            return list(pinned.days)
        with self._attached() as connection:
            return list(pinned.against(_read_ledger(connection, table)).changed)

    def drop(self, table: Table) -> None:
        """See `Warehouse.drop`."""
        with self._transaction() as connection:
            connection.execute(f"DROP TABLE IF EXISTS {address(table)}")
            ensure_ledger(connection)
            connection.execute(f"DELETE FROM {LEDGER} WHERE table_name = ?", [table.name])

    @contextmanager
    def _attached(self, *, read_only: bool = True) -> Iterator[DuckDBPyConnection]:
        path = self.settings.warehouse_path
        with failures_of_duckdb(f"the warehouse {path}"), connect(self.settings) as connection:
            attach(connection, path, read_only=read_only, wait=self.lock_wait)
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[DuckDBPyConnection]:
        with self._attached(read_only=False) as connection:
            connection.begin()
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()


def _replace(connection: DuckDBPyConnection, table: Table, published: Mapping[date | None, Published]) -> None:
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
        raise other_rows(table, wrong)


def _read_ledger(connection: DuckDBPyConnection, table: Table) -> Ledger:
    rows = connection.execute(f"SELECT day, files, rows FROM {LEDGER} WHERE table_name = ?", [table.name]).fetchall()
    return {day: Entry(digest, count) for day, digest, count in rows}


def _write_ledger(connection: DuckDBPyConnection, load: Load, run_id: str) -> None:
    name, days = load.table.name, list(load.changed)
    which, arguments = ("day IN (SELECT unnest(?::DATE[]))", [days]) if load.table.day else ("day IS NULL", [])
    connection.execute(f"DELETE FROM {LEDGER} WHERE table_name = ? AND {which}", [name, *arguments])
    now = datetime.now(UTC).replace(tzinfo=None)
    connection.executemany(
        f"INSERT INTO {LEDGER} VALUES (?, ?, ?, ?, ?, ?, ?)",
        [[name, day, its.digest, load.snapshot_id, its.rows, run_id, now] for day, its in load.changed.items()],
    )


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    row = connection.execute(sql).fetchone()
    return int(row[0]) if row else 0

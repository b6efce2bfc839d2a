"""The lake as a place: its Iceberg catalog, its tables and pinned reads of them.

Belongs here: opening, locating and reading. Does not: deciding what to build (`plan.py`) or making it visible
(`publish.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from retail_lake.config import Settings
from retail_lake.contract import Column, Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import DataFile, PinnedInput
from retail_lake.lake import publications as ledger
from retail_lake.lake.catalog import open_catalog
from retail_lake.lake.commit import retried
from retail_lake.lake.expiry import expire_snapshots
from retail_lake.lake.schema import check_compatible, evolve, iceberg_schema, partition_spec
from retail_lake.storage import failures
from retail_lake.tables import TABLES

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

PUBLICATIONS = "ops.publications"

# Commits stay cheap while few snapshots and metadata files are kept; `expiry.py` forgets old snapshots.
TABLE_PROPERTIES = {
    "format-version": "2",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "commit.retry.num-retries": "8",
}

Change = Callable[[Mapping[date | None, ledger.Publication]], Sequence[ledger.Publication]]
"""What becomes of a table's publications: the new ones, from those there are."""

QUARANTINE_COLUMNS = (
    Column("_day", "date", "The day the record would have been published on; for bronze the arrival day."),
    Column("rules", "string", "Names of the rules it broke, separated by commas."),
    Column("reason", "string", "What is wrong, for people."),
    Column("record", "string", "The record as it came in, as JSON or as its raw text; empty for a whole file."),
    Column("source_file", "string", "Key of the landed file."),
    Column("position", "bigint", "Line or row in that file, from 1; empty for a whole file."),
    Column("job_id", "string", "The job that put it here."),
    Column("run_id", "string", "The run that asked for it."),
)


def quarantine_name(table: Table) -> str:
    """The Iceberg table that keeps what this table refused."""
    return f"quarantine.{table.layer}_{table.name}"


def days_between(column: str, days: Sequence[date]) -> BooleanExpression:
    """An Iceberg filter for a column from the first to the last of these days: as coarse as pruning needs."""
    from pyiceberg.expressions import And, GreaterThanOrEqual, LessThanOrEqual

    return And(GreaterThanOrEqual(column, min(days).isoformat()), LessThanOrEqual(column, max(days).isoformat()))


def files_of(stored: IcebergTable, snapshot: Snapshot, row_filter: BooleanExpression) -> Iterator[IcebergFile]:
    """The data files of a snapshot that may have rows that the filter lets through, with one manifest in memory at a time:
    with its statistics, a file's entry takes kilobytes. Raises `DataFailure` where delete files belong to any of them.
    """
    from pyiceberg.manifest import ManifestContent
    from pyiceberg.table import ManifestGroupPlanner

    manifests = snapshot.manifests(stored.io)
    if all(manifest.content == ManifestContent.DATA for manifest in manifests):
        planner = ManifestGroupPlanner(stored.metadata, stored.io, row_filter)
        for manifest in manifests:
            for entries in planner.plan_manifest_entries([manifest]):
                yield from (entry.data_file for entry in entries)
        return
    for task in stored.scan(row_filter=row_filter, snapshot_id=snapshot.snapshot_id).plan_files():
        if task.delete_files:
            name = ".".join(stored.name())
            raise DataFailure(f"{name}: another client wrote delete files to it; rewrite the table without them and try again")
        yield task.file


class Lake:
    """Iceberg tables under one location and one catalog, opened from settings; connections are made on first use.

    Threads may share one: they publish different tables, and the record they all write is written by one at a time.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        uri = settings.lake_uri
        self.location = uri if "://" in uri else f"file://{uri}"
        self._publications: tuple[str | None, dict[str, dict[date | None, ledger.Publication]]] = (None, {})
        self._recording = threading.RLock()

    @cached_property
    def catalog(self) -> Catalog:
        """The Iceberg catalog, as `catalog_uri` says."""
        # The first two processes of a new lake may both find the catalog's own tables missing.
        return retried(lambda: open_catalog(self.settings, self.location), "opening the catalog")

    def stored(self, name: str) -> IcebergTable | None:
        """The Iceberg table of that name as it is now, or None if nothing was ever published to it."""
        from pyiceberg.exceptions import NoSuchTableError

        try:
            with failures(name):
                return self.catalog.load_table(name)
        except NoSuchTableError:
            return None

    def ensure(self, table: Table) -> IcebergTable:
        """The Iceberg table of a contract, created or evolved to fit. Raises `Misfit` if it cannot."""

        def fitted() -> IcebergTable:
            stored = self.stored(table.full_name)
            if stored is None:
                return self._create(table.full_name, table.columns, table.day, table.description)
            evolve(stored, table)
            return stored

        return retried(fitted, f"evolving {table.full_name}")

    def check(self, table: Table) -> None:
        """Refuse, before any work is done, a contract that the stored table cannot take.

        Raises `Misfit` naming each column and what to do.
        """
        if (stored := self.stored(table.full_name)) is not None:
            check_compatible(stored, table)

    def ensure_quarantine(self, table: Table) -> IcebergTable:
        """The quarantine of a table, created when first needed."""
        name = quarantine_name(table)
        return self.stored(name) or self._create(
            name, QUARANTINE_COLUMNS, "_day", f"Records that {table.full_name} refused, and why."
        )

    def _create(self, name: str, columns: tuple[Column, ...], day: str | None, comment: str) -> IcebergTable:
        from pyiceberg.exceptions import TableAlreadyExistsError

        schema = iceberg_schema(columns)
        # Another process may make the same namespace or table first.
        retried(lambda: self.catalog.create_namespace_if_not_exists(name.split(".")[0]), f"creating the namespace of {name}")
        # The record is merged by hand: a conflict must come back to us, not be retried with what we read before.
        own = {"commit.retry.num-retries": "0"} if name == PUBLICATIONS else {}

        def made() -> IcebergTable:
            try:
                return self.catalog.create_table(
                    name,
                    schema,
                    location=self.data_location(name),
                    partition_spec=partition_spec(schema, day),
                    properties={**TABLE_PROPERTIES, "comment": comment, **own},
                )
            except TableAlreadyExistsError:
                return self.catalog.load_table(name)

        return retried(made, f"creating {name}")

    def data_location(self, name: str) -> str:
        """Where a table's files are: `<lake>/<layer>/<table>`."""
        return f"{self.location}/{name.replace('.', '/')}"

    def pin(
        self, name: str, days: Sequence[date] | None = None, column: str | None = None, snapshot_id: int | None = None
    ) -> PinnedInput:
        """The files of a table's current snapshot (or of the one given), pruned to days of a column if given.

        A snapshot that is there no more has no files and no id. Raises `DataFailure` if another client left delete files,
        which a plain read would ignore.
        """
        from pyiceberg.expressions import AlwaysTrue

        stored = self.stored(name)
        snapshot = (stored.snapshot_by_id(snapshot_id) if snapshot_id else stored.current_snapshot()) if stored else None
        if stored is None or snapshot is None:
            return PinnedInput(table=name, snapshot_id=None, sequence=0, files=())
        row_filter = days_between(column, days) if column and days else AlwaysTrue()
        with failures(name):
            files = [
                DataFile(uri=file.file_path, rows=file.record_count, size=file.file_size_in_bytes, day=day_of(file))
                for file in files_of(stored, snapshot, row_filter)
            ]
        files.sort(key=lambda f: f.uri)
        return PinnedInput(
            table=name,
            snapshot_id=snapshot.snapshot_id,
            sequence=snapshot.sequence_number or 0,
            files=tuple(files),
            evolved=len(stored.schemas()) > 1,
        )

    def current_files(self, table: Table | str, days: Sequence[date] | None = None) -> PinnedInput:
        """What a reader of the table sees now; `days` prunes a table with a day."""
        contract = TABLES.get(table) if isinstance(table, str) else table
        name = table if isinstance(table, str) else table.full_name
        return self.pin(name, days, contract.day if contract else None)

    # -- publications ------------------------------------------------------------------------------------------------

    def publications_by_day(self) -> dict[str, dict[date | None, ledger.Publication]]:
        """Publications by table and day, read again only when the ledger has changed."""
        with self._recording:
            stored = self.stored(PUBLICATIONS)
            if stored is None:
                return {}
            location, known = self._publications
            if location != stored.metadata_location:
                known = {}
                for publication in ledger.read(stored):
                    known.setdefault(publication.table, {})[publication.day] = publication
                self._publications = (stored.metadata_location, known)
            return known

    def publications(self, table: str | None = None) -> list[ledger.Publication]:
        """The latest publication of every day, of one table or of all."""
        by_day = self.publications_by_day()
        return [p for name, days in by_day.items() if table in (None, name) for p in days.values()]

    def record(self, table: str, new: Sequence[ledger.Publication]) -> None:
        """Write publications; a conflict with another publisher is retried.

        Raises `TransientFailure` when conflicts do not end.
        """
        if new:
            self.amend(table, lambda _: new)

    def amend(self, table: str, change: Change) -> None:
        """Write what `change` makes of a table's publications by day, as they are at that moment: it may be asked again.

        Raises `TransientFailure` when conflicts do not end.
        """
        # Threads of one process would only run into each other's commits.
        with self._recording:
            self._record(table, change)

    def _record(self, table: str, change: Change) -> None:
        if self.stored(PUBLICATIONS) is None:
            self._create(PUBLICATIONS, ledger.COLUMNS, "table", "The latest publication of every table and day.")

        def attempt() -> IcebergTable:
            stored = self.catalog.load_table(PUBLICATIONS)
            location, known = self._publications
            current = location == stored.metadata_location
            before = list(known.get(table, {}).values()) if current else ledger.read(stored, table)
            if not (new := change({p.day: p for p in before})):
                return stored
            merged = ledger.write(stored, table, before, new)
            if current:
                self._publications = (stored.metadata_location, {**known, table: merged})
            return stored

        stored = retried(attempt, f"recording the publication of {table}")
        # Nobody pins the record, and every publish of every table adds to it: only the latest is kept.
        location, known = self._publications
        current = location == stored.metadata_location
        if expire_snapshots(stored, keep=timedelta(0)) and current:
            self._publications = (stored.metadata_location, known)


def day_of(file: IcebergFile) -> date | None:
    """The day of a file of a table that is partitioned by one."""
    held = file.partition[0] if len(file.partition) else None
    if isinstance(held, int):
        return date(1970, 1, 1) + timedelta(days=held)
    return held if isinstance(held, date) else None

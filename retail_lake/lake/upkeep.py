"""What is done for every table once a day, so that reading, committing and storing stay as cheap as on the first day.

Belongs here: the order of it. Does not: any of its parts (`compaction.py`, `expiry.py`, `maintenance.py`, `retention.py`).

All of it may run beside writers, be killed anywhere, and be repeated: compaction gives way, and nothing is deleted that a
kept snapshot shows or a job may yet publish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from retail_lake.contract import Table
from retail_lake.failure import ConfigurationFailure, Failure, kind_of
from retail_lake.lake.commit import retried
from retail_lake.lake.compaction import compact
from retail_lake.lake.expiry import KEEP, expire_snapshots
from retail_lake.lake.lake import PUBLICATIONS, Lake, quarantine_name
from retail_lake.lake.maintenance import in_doubt, longest_job, remove_old_metadata, remove_orphans
from retail_lake.lake.retention import retire_landing, retire_quarantine
from retail_lake.tables import TABLES


@dataclass(frozen=True)
class Kept:
    """What was done for one table. `failed` says what went wrong with it and `kind` which kind of failure that is: the other
    tables are not held up by it."""

    table: str
    compacted_days: int = 0
    compacted_files: int = 0
    snapshots: int = 0
    orphans: int = 0
    metadata_files: int = 0
    quarantine_days: int = 0
    landed_files: int = 0
    failed: str = ""
    kind: str = ""

    @property
    def idle(self) -> bool:
        """There was nothing to do."""
        return self == Kept(self.table)


def keep(lake: Lake, tables: Mapping[str, Table] = TABLES, *, stop: Callable[[], bool] = lambda: False) -> Iterator[Kept]:
    """Look after the tables and then the record of publications, one after the other; `stop` ends it between two of them."""
    for table in tables.values():
        if stop():
            return
        try:
            yield _keep(lake, table)
        except Failure as failure:
            yield Kept(table.full_name, failed=str(failure), kind=kind_of(failure))
    try:
        yield Kept(PUBLICATIONS, metadata_files=len(remove_old_metadata(lake, PUBLICATIONS, _old(lake))))
    except Failure as failure:
        yield Kept(PUBLICATIONS, failed=str(failure), kind=kind_of(failure))


def _keep(lake: Lake, table: Table) -> Kept:
    names, old = (table.full_name, quarantine_name(table)), _old(lake)
    if doubtful := [name for name in names if in_doubt(lake, name)]:
        why = "the lake holds metadata that the catalog does not account for, so nothing is touched"
        raise ConfigurationFailure(f"{', '.join(doubtful)}: {why}: retail-lake runbook catalog-lost")
    compacted = compact(lake, table)
    quarantine = retire_quarantine(lake, table)
    recorded = {p.snapshot_id for p in lake.publications(table.full_name)}
    return Kept(
        table.full_name,
        compacted_days=len(compacted),
        compacted_files=sum(c.files for c in compacted),
        snapshots=sum(_expire(lake, name, recorded) for name in names),
        orphans=len(remove_orphans(lake, table, old)),
        metadata_files=sum(len(remove_old_metadata(lake, name, old)) for name in names),
        quarantine_days=len(quarantine),
        landed_files=len(retire_landing(lake, table)),
    )


def _expire(lake: Lake, name: str, recorded: set[int | None]) -> int:
    def attempt() -> int:
        stored = lake.stored(name)
        # What a dimension was built on last must stay to be compared with, even if nobody has built it for a month.
        return expire_snapshots(stored, keep=KEEP, pinned=recorded, at_least=1) if stored else 0

    return retried(attempt, f"expiring snapshots of {name}")


def _old(lake: Lake) -> timedelta:
    """The age of a file that no running job can have staged."""
    return max(timedelta(hours=lake.settings.orphan_hours), longest_job(lake.settings))

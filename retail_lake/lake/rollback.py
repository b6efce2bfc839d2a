"""A table or a day taken back to what an earlier snapshot showed: a person's refusal of what was built since.

Belongs here: which files a snapshot showed, and showing them again. Does not: undoing a lost catalog (`recover.py`).

It is one more commit, on top: the files of the earlier snapshot come back, and nothing that was published is forgotten. The
record keeps the fingerprint that was rolled back as refused, so that the day is not built again by itself until its inputs
or its code change; what is shown gets a fingerprint of its own, so that everything downstream follows.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from retail_lake.contract import Layer, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.jobs.description import DataFile, StagedFile
from retail_lake.lake.commit import retried
from retail_lake.lake.lake import Lake, quarantine_name
from retail_lake.lake.publications import Publication
from retail_lake.lake.publish import swap
from retail_lake.lake.snapshots import DAYS, JOB_ID, ROLLED_BACK, RUN_ID, SEQUENCES, days_said, origins, said, say_days

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

Files = Mapping[date | None, tuple[DataFile, ...]]


@dataclass(frozen=True)
class Shown:
    """A state of a table that readers saw: the snapshot, when it came, the run that made it and the days that it changed."""

    snapshot_id: int
    at: datetime
    run_id: str
    days: tuple[date | None, ...]
    current: bool


@dataclass(frozen=True)
class RolledBack:
    """One day (`day` None: the whole unpartitioned table) before and after; `changed` is false where it already was so."""

    day: date | None
    rows_before: int
    rows: int
    changed: bool


@dataclass(frozen=True)
class Rollback:
    """What came of it. `says` is what people should know besides."""

    table: str
    to: Shown
    days: tuple[RolledBack, ...]
    says: tuple[str, ...] = ()


def states(lake: Lake, table: Table) -> list[Shown]:
    """The states of a table that are kept, the newest first. Raises `ConfigurationFailure` if nothing was ever published."""
    stored = lake.stored(table.full_name)
    if stored is None or stored.current_snapshot() is None:
        raise ConfigurationFailure(f"{table.full_name} was never published: there is nothing to roll back.")
    return [_shown(stored, snapshot) for snapshot in _seen(stored)]


def rollback(
    lake: Lake,
    table: Table,
    *,
    to: int | None = None,
    before: datetime | None = None,
    days: Sequence[date] = (),
    act: bool = True,
) -> Rollback:
    """Show these days (all, if none is named) as the snapshot `to`, or the last one before a moment, showed them.

    Their quarantine goes back too, as far as it is kept. Unless `act`, only looks. Raises `ConfigurationFailure` for a
    snapshot that is not kept or was never seen, and `TransientFailure` when other writers do not let it through.
    """
    target = _target(lake, table, to, before)
    if days and table.day is None:
        raise ConfigurationFailure(f"{table.full_name} has no days: it is rolled back whole, without --day")
    wanted: list[date | None] = [*days] if days else []
    then = _files(lake, table.full_name, table.day, target.snapshot_id, wanted)
    now = _files(lake, table.full_name, table.day, None, wanted)
    all_days = wanted or sorted({*then, *now}, key=lambda d: d or date.min) or [None]
    equal = [d for d in all_days if then.get(d, ()) == now.get(d, ())]
    todo = [d for d in all_days if d not in equal] + sorted(_halfway(lake, table, then, equal), key=lambda d: d or date.min)
    done = tuple(RolledBack(d, _rows(now.get(d, ())), _rows(then.get(d, ())), d in todo) for d in all_days)
    says: list[str] = []
    if act and todo:
        says = _Rollback(lake, table, target, todo, {d: then.get(d, ()) for d in todo}).run()
    return Rollback(table.full_name, target, done, tuple(says))


def fingerprint_of(table: Table, files: Iterable[DataFile]) -> str:
    """The fingerprint of a day that shows these files because a person said so: no build ever gives it."""
    uris = sorted(f.uri for f in files)
    return f"rolled-back-{hashlib.sha256(json.dumps([table.full_name, uris]).encode()).hexdigest()[:8]}"


@dataclass
class _Rollback:
    """One rollback on its way: quarantine first, then the rows, then the record, as a publish goes. Killed and repeated, it
    comes to the same."""

    lake: Lake
    table: Table
    target: Shown
    days: Sequence[date | None]
    files: Files

    def run(self) -> list[str]:
        self.run_id = f"rollback-{uuid.uuid4().hex[:8]}"
        says, quarantined = self._quarantine()
        self._put(self.table.full_name, self.table.day, self.files)
        stored = self.lake.stored(self.table.full_name)
        shown = stored.current_snapshot() if stored else None
        origin = origins(stored, self.target.snapshot_id, self.days) if stored else {}
        touched = self._touched()

        def refused(known: Mapping[date | None, Publication]) -> list[Publication]:
            return [
                self._publication(known[day], shown.snapshot_id if shown else None, origin.get(day), quarantined, touched)
                for day in self.days
                if day in known
            ]

        self.lake.amend(self.table.full_name, refused)
        return says

    def _quarantine(self) -> tuple[list[str], dict[date | None, int] | None]:
        """Put the days' quarantine back to what it was; returns its rows by day, or None where that is not kept."""
        name, days = quarantine_name(self.table), [d for d in self.days if d]
        stored = self.lake.stored(name)
        if stored is None or not days:
            return [], {}
        earlier = [s for s in _seen(stored) if s.timestamp_ms <= self.target.at.timestamp() * 1000]
        first = min(stored.snapshots(), key=lambda s: s.timestamp_ms, default=None)
        if not earlier and first and first.parent_snapshot_id is not None:
            return ["its quarantine of that time is not kept any more, and stays as it is"], None
        then = _files(self.lake, name, "_day", earlier[0].snapshot_id, days) if earlier else {}
        self._put(name, "_day", {d: then.get(d, ()) for d in days})
        return [], {d: _rows(then.get(d, ())) for d in days}

    def _put(self, name: str, column: str | None, files: Files) -> None:
        """One commit: these days show these files and no other."""
        job = f"{self.run_id}/{uuid.uuid4().hex[:8]}"
        known = self.lake.publications_by_day().get(self.table.full_name, {})
        # What is older than the data that was refused must not come back over the refusal.
        sequences: dict[str, int] = {}
        for day in files:
            for source, sequence in known[day].input_sequences.items() if day in known else ():
                sequences[source] = max(sequence, sequences.get(source, 0))
        properties = {JOB_ID: job, RUN_ID: self.run_id, SEQUENCES: json.dumps(sequences, sort_keys=True)}
        properties[ROLLED_BACK] = str(self.target.snapshot_id)

        def attempt() -> None:
            stored = self.lake.catalog.load_table(name)
            if said(stored.current_snapshot(), JOB_ID) == job:
                return
            now = _files(self.lake, name, column, None, list(files) if column else [])
            todo = [d for d in files if files[d] != now.get(d, ())]
            put = [StagedFile(uri=f.uri, day=d, rows=f.rows) for d in todo for f in files[d]]
            if todo:
                swap(stored, column, todo, put, {**properties, DAYS: say_days(todo)})

        retried(attempt, f"rolling back {name}")

    def _touched(self) -> dict[date | None, set[date]]:
        """For a bronze table, the business days that the records of each day claim."""
        touched: dict[date | None, set[date]] = {}
        stored = self.lake.stored(self.table.full_name)
        if self.table.layer is not Layer.BRONZE or stored is None or self.table.day is None:
            return touched
        from retail_lake.lake.lake import days_between

        rows = days_between(self.table.day, [d for d in self.days if d])
        for batch in stored.scan(row_filter=rows, selected_fields=(self.table.day, "_day")).to_arrow_batch_reader():
            for day, claimed in zip(batch[self.table.day].to_pylist(), batch["_day"].to_pylist(), strict=True):
                touched.setdefault(day, set()).add(claimed)
        return touched

    def _publication(
        self,
        last: Publication,
        snapshot_id: int | None,
        origin: Snapshot | None,
        quarantined: Mapping[date | None, int] | None,
        touched: Mapping[date | None, set[date]],
    ) -> Publication:
        fingerprint = fingerprint_of(self.table, self.files[last.day])
        if last.fingerprint == fingerprint:
            return last
        rows = _rows(self.files[last.day])
        held = last.quarantined if quarantined is None else quarantined.get(last.day, 0)
        return replace(
            last,
            status="published",
            job_id=said(origin, JOB_ID).partition("/")[0],
            run_id=self.run_id,
            fingerprint=fingerprint,
            # What the present inputs and code give: the attempt that was blocked, or else what was visible. The code version
            # stays that of the attempt, by which others tell whether anything has changed since.
            refused=last.refused or last.fingerprint,
            snapshot_id=snapshot_id,
            # How many duplicates there were then is not kept.
            rows_in=rows + held,
            rows=rows,
            quarantined=held,
            duplicates=0,
            checks_passed=0,
            checks_failed=0,
            touched_days=tuple(sorted(touched.get(last.day, ()))),
            changes=((date.min, fingerprint),) if last.day is None else (),
            published_at=datetime.now(UTC),
        )


def _target(lake: Lake, table: Table, to: int | None, before: datetime | None) -> Shown:
    kept = states(lake, table)
    if to is not None:
        found = [state for state in kept if state.snapshot_id == to]
        why = f"{table.full_name} keeps no snapshot {to} that readers ever saw"
    else:
        found = [state for state in kept if before and state.at < before]
        why = f"{table.full_name} keeps no snapshot from before {before:%Y-%m-%d %H:%M:%S} UTC"
    if not found:
        raise ConfigurationFailure(f"{why}; `retail-lake rollback {table.full_name}` shows those it keeps")
    return found[0]


def _seen(stored: IcebergTable) -> list[Snapshot]:
    """The snapshots that readers saw, the newest first. A commit that takes out and puts in has two, and they saw the second."""
    from pyiceberg.table.snapshots import ancestors_of

    seen: list[Snapshot] = []
    for snapshot in ancestors_of(stored.current_snapshot(), stored.metadata):
        job = said(snapshot, JOB_ID)
        if not (seen and job and job == said(seen[-1], JOB_ID)):
            seen.append(snapshot)
    return seen


def _shown(stored: IcebergTable, snapshot: Snapshot) -> Shown:
    current = stored.current_snapshot()
    return Shown(
        snapshot.snapshot_id,
        datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        said(snapshot, RUN_ID),
        tuple(sorted(days_said(snapshot), key=lambda d: d or date.min)),
        current is not None and current.snapshot_id == snapshot.snapshot_id,
    )


def _files(
    lake: Lake, name: str, column: str | None, snapshot_id: int | None, days: Sequence[date | None]
) -> dict[date | None, tuple[DataFile, ...]]:
    """The files that a snapshot (the current one, if none is named) shows, by day; of these days or of all."""
    wanted = [d for d in days if d]
    found: dict[date | None, tuple[DataFile, ...]] = {}
    for file in lake.pin(name, wanted or None, column, snapshot_id).files:
        if not wanted or file.day in wanted:
            found[file.day] = (*found.get(file.day, ()), file)
    return found


def _rows(files: Iterable[DataFile]) -> int:
    return sum(f.rows for f in files)


def _halfway(lake: Lake, table: Table, files: Files, days: Iterable[date | None]) -> set[date | None]:
    """The days that a rollback shows already, and whose record it was killed before."""
    stored = lake.stored(table.full_name)
    current = stored.current_snapshot() if stored else None
    known = lake.publications_by_day().get(table.full_name, {})
    doubtful = [d for d in days if d in known and known[d].fingerprint != fingerprint_of(table, files.get(d, ()))]
    if stored is None or current is None or not doubtful:
        return set()
    return {day for day, origin in origins(stored, current.snapshot_id, doubtful).items() if said(origin, ROLLED_BACK)}

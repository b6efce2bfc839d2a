"""Making a job's staged rows visible: quarantine first, then one Iceberg commit, then the publication's record.

A reader sees the old days or the new days, never a mixture. Killed anywhere and repeated, the result is the same: the
job id is found in the snapshot's properties, and what was committed is not committed twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from retail_lake.contract import Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import DayReport, JobDescription, JobReport, StagedFile
from retail_lake.lake.commit import retried
from retail_lake.lake.lake import Lake
from retail_lake.lake.maintenance import expire_snapshots
from retail_lake.lake.publications import Publication
from retail_lake.tables import TABLES

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction

EPOCH = date(1970, 1, 1)
JOB_ID = "retail-lake.job-id"


@dataclass(frozen=True)
class Published:
    """What became of each day: published, incomplete, blocked or superseded; and the snapshot that shows it."""

    status: Mapping[date | None, str]
    snapshot_id: int | None


def publish(lake: Lake, job: JobDescription, report: JobReport) -> Published:
    """Publish the days that passed; a blocked day keeps its old data, and its quarantine is written.

    Raises `TransientFailure` when other writers do not let it through, `DataFailure` when what is staged is not what the
    job reported.
    """
    table = TABLES[job.table]
    known = lake.publications_by_day().get(job.table, {})
    late = {d.day for d in report.days if d.day in known and _superseded(job, known[d.day])}
    days = [d for d in report.days if d.day not in late]
    blocked = {d.day for d in days if d.blocked}
    good = [d for d in days if d.day not in blocked]
    if days:
        _commit_quarantine(lake, table, job, [d.day for d in days if d.day], report.quarantine, _had_quarantine(days, known))
    snapshot = None
    # A dimension that came out as it was keeps its snapshot: readers and facts need not notice.
    unchanged = table.day is None and report.changed is None and bool(known) and _same_rows(job, report, known)
    if good and not unchanged:
        snapshot = _commit_rows(lake, table, job, good, report.staged)
    elif None in known:
        snapshot = known[None].snapshot_id
    lake.record(job.table, [_publication(job, report, d, known.get(d.day), snapshot, d.day in blocked) for d in days])
    status = {d.day: "incomplete" if d.incomplete else "published" for d in good}
    return Published({**status, **dict.fromkeys(blocked, "blocked"), **dict.fromkeys(late, "superseded")}, snapshot)


def _superseded(job: JobDescription, last: Publication) -> bool:
    """Whether the day was already published from newer inputs than this job pinned."""
    return any(last.input_sequences.get(name, 0) > sequence for name, sequence in _sequences(job).items())


def _sequences(job: JobDescription) -> dict[str, int]:
    sequences = {i.table: i.sequence for i in job.inputs}
    if job.listed_at:
        sequences["landing"] = int(job.listed_at.timestamp() * 1_000_000)
    return sequences


def _same_rows(job: JobDescription, report: JobReport, known: Mapping[date | None, Publication]) -> bool:
    return None in known and known[None].visible and known[None].rows == report.days[0].published


def _had_quarantine(days: Sequence[DayReport], known: Mapping[date | None, Publication]) -> bool:
    return any(d.day in known and (known[d.day].quarantined or known[d.day].status == "incomplete") for d in days)


def _commit_quarantine(
    lake: Lake, table: Table, job: JobDescription, days: Sequence[date], staged: Sequence[StagedFile], had: bool
) -> None:
    """Replace the days' quarantine; nothing to do where there is none and was none."""
    files = [f for f in staged if f.day in days]
    if not files and not had:
        return
    _replace(lake, lake.ensure_quarantine(table), "_day", days, files, job)


def _commit_rows(
    lake: Lake, table: Table, job: JobDescription, good: Sequence[DayReport], staged: Sequence[StagedFile]
) -> int | None:
    days = [d.day for d in good if d.day]
    files = [f for f in staged if f.day is None or f.day in days]
    counted = {d.day: d.published for d in good}
    for day, rows in counted.items():
        if (found := sum(f.rows for f in files if f.day == day)) != rows:
            raise DataFailure(f"{table.full_name} {day or ''}: {found} rows are staged but the job reported {rows}; run it again")
    return _replace(lake, lake.ensure(table), table.day, days, files, job)


def _replace(
    lake: Lake, stored: IcebergTable, day: str | None, days: Sequence[date], files: Sequence[StagedFile], job: JobDescription
) -> int | None:
    """One commit: the days' old files out, the staged ones in. Returns the snapshot that shows it."""
    name = ".".join(stored.name())
    properties = {JOB_ID: f"{job.job_id}/{job.staging.rsplit('-', 1)[-1]}", "retail-lake.run-id": job.run_id}
    properties["retail-lake.code-version"] = job.code_version
    properties["retail-lake.inputs"] = ",".join(f"{i.table}={i.snapshot_id}" for i in job.inputs)

    def attempt() -> int | None:
        fresh = lake.catalog.load_table(name)
        current = fresh.current_snapshot()
        if current and current.summary and current.summary.additional_properties.get(JOB_ID) == properties[JOB_ID]:
            return current.snapshot_id
        with fresh.transaction() as transaction:
            if current:
                transaction.delete(_among(day, days), snapshot_properties=properties)
            if files:
                transaction.add_files([f.uri for f in files], snapshot_properties=properties, check_duplicate_files=False)
                _assert_staged(transaction, name, day, files)
        after = fresh.current_snapshot()
        expire_snapshots(fresh)
        return after.snapshot_id if after else None

    return retried(attempt, f"publishing {name}")


def _assert_staged(transaction: Transaction, name: str, day: str | None, files: Sequence[StagedFile]) -> None:
    """Hold the snapshot about to be committed against what was staged: days and rows, file by file.

    A file without the day column or its statistics would be taken with an empty partition, silently.
    """
    metadata = transaction.table_metadata
    snapshot = metadata.current_snapshot()
    assert snapshot
    io = transaction._table.io
    added = {
        entry.data_file.file_path: entry.data_file
        for manifest in snapshot.manifests(io)
        if manifest.added_snapshot_id == snapshot.snapshot_id
        for entry in manifest.fetch_manifest_entry(io)
    }
    for file in files:
        found = added.get(file.uri)
        where = found.partition[0] if found and day else None
        where = EPOCH + timedelta(days=where) if isinstance(where, int) else where
        if found is None or found.record_count != file.rows or where != file.day:
            rows = found.record_count if found else 0
            raise DataFailure(
                f"{name}: {file.uri} was staged with {file.rows} rows of {file.day or 'the table'}, but would be published"
                f" with {rows} rows of {where or 'no day'}; nothing was published"
            )


def _among(day: str | None, days: Sequence[date]) -> BooleanExpression:
    from pyiceberg.expressions import AlwaysTrue, And, GreaterThanOrEqual, In, LessThanOrEqual

    if day is None:
        return AlwaysTrue()
    ordered = sorted(days)
    if ordered[-1] - ordered[0] == timedelta(days=len(ordered) - 1):
        return And(GreaterThanOrEqual(day, ordered[0].isoformat()), LessThanOrEqual(day, ordered[-1].isoformat()))
    return In(day, [d.isoformat() for d in ordered])


def _publication(
    job: JobDescription, report: JobReport, day: DayReport, last: Publication | None, snapshot: int | None, blocked: bool
) -> Publication:
    fingerprint = job.fingerprints[str(day.day or "whole")]
    attempt = Publication(
        table=job.table,
        day=day.day,
        status="incomplete" if day.incomplete else "published",
        job_id=job.job_id,
        run_id=job.run_id,
        code_version=job.code_version,
        fingerprint=fingerprint,
        refused="",
        snapshot_id=snapshot,
        input_sequences=_sequences(job),
        rows_in=day.rows_in,
        rows=day.published,
        quarantined=day.quarantined,
        duplicates=day.duplicates,
        checks_passed=sum(v.success for v in day.verdicts),
        checks_failed=sum(not v.success for v in day.verdicts),
        files=day.files_read,
        touched_days=day.touched_days,
        changes=_steps(last.changes if last else (), report.changed, fingerprint) if day.day is None else (),
        published_at=datetime.now(UTC),
    )
    if not blocked:
        return attempt
    return last.refuse(attempt) if last else _nothing(attempt)


def _nothing(attempt: Publication) -> Publication:
    """A day that was blocked before it was ever published."""
    empty = replace(attempt, fingerprint="", rows=0, snapshot_id=None, changes=(), touched_days=())
    return empty.refuse(attempt)


def _steps(last: Sequence[tuple[date, str]], changed: tuple[date, date] | None, fingerprint: str) -> tuple[tuple[date, str], ...]:
    """Overlay the changed days on what each day saw before; the result is steps, each from its first day on."""
    if not last:
        return ((date.min, fingerprint),)
    if changed is None:
        return tuple(last)
    first, end = changed
    before = [step for step in last if step[0] < first]
    steps = [*before, (first, fingerprint)]
    if end < date.max:
        after = end + timedelta(days=1)
        at_end = [step for step in last if step[0] <= after][-1][1]
        steps += [(after, at_end), *(step for step in last if step[0] > after)]
    return tuple(step for i, step in enumerate(steps) if i == 0 or step[1] != steps[i - 1][1])

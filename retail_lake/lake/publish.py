"""Making a job's staged rows visible: quarantine first, then one Iceberg commit, then the publication's record.

A reader sees the old days or the new days, never a mixture. Killed anywhere and repeated, the result is the same. Each
commit's snapshot says which days it shows and from which inputs, so that older inputs never replace newer ones, whoever
commits first and whoever is killed before the record.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from retail_lake.contract import Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.changes import EVERY_DAY
from retail_lake.jobs.description import DayReport, JobDescription, JobReport, StagedFile
from retail_lake.lake.commit import retried
from retail_lake.lake.expiry import expire_snapshots
from retail_lake.lake.lake import Lake, quarantine_name
from retail_lake.lake.publications import Publication, newer
from retail_lake.lake.snapshots import DAYS, JOB_ID, LISTING, RUN_ID, SEQUENCES, WHOLE, days_said, said, say_days
from retail_lake.tables import TABLES

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table import Transaction

EPOCH = date(1970, 1, 1)


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
    late = _late(lake, lake.stored(job.table), job, [d.day for d in report.days])
    days = [d for d in report.days if d.day not in late]
    good = [d for d in days if not d.blocked]
    _assert_counts(table, good, report.staged)
    quarantined = _commit_quarantine(lake, table, job, [d.day for d in days if d.day], report.quarantine)
    snapshot = known[None].snapshot_id if None in known else None
    if good and not _as_published(lake, job, report, known):
        wanted = {d.day for d in good}
        files = [f for f in report.staged if f.day in wanted]
        snapshot, overtaken = _replace(lake, lake.ensure(table), table.day, [d.day for d in good], files, job)
        late |= overtaken
        if overtaken and quarantined:
            _withdraw_quarantine(lake, table, job, overtaken)
    days = [d for d in days if d.day not in late]
    lake.record(job.table, [_publication(job, report, d, known.get(d.day), snapshot) for d in days])
    status = {d.day: "blocked" if d.blocked else "incomplete" if d.incomplete else "published" for d in days}
    return Published({**status, **dict.fromkeys(late, "superseded")}, snapshot)


def _late(lake: Lake, stored: IcebergTable | None, job: JobDescription, days: Sequence[date | None]) -> set[date | None]:
    """The days already published, or tried, from newer inputs than this job pinned.

    The record knows all but what a publisher has committed and not recorded yet; the snapshots know that.
    """
    known, ours = lake.publications_by_day().get(job.table, {}), _sequences(job)
    late = {d for d in days if d in known and newer(known[d].input_sequences, ours)}
    for snapshot in stored.snapshots() if stored else ():
        if (inputs := said(snapshot, SEQUENCES)) and newer(json.loads(inputs), ours):
            late |= set(days) & days_said(snapshot)
    return late


def _sequences(job: JobDescription) -> dict[str, int]:
    sequences = {i.table: i.sequence for i in job.inputs}
    if job.listed_at:
        sequences[LISTING] = int(job.listed_at.timestamp() * 1_000_000)
    return sequences


def _as_published(lake: Lake, job: JobDescription, report: JobReport, known: Mapping[date | None, Publication]) -> bool:
    """Whether a dimension came out as readers see it: it keeps its snapshot, and readers and facts need not notice."""
    if None not in known or report.changed is not None or not _on_known_state(job, known[None]):
        return False
    stored = lake.stored(job.table)
    shown = stored.current_snapshot() if stored else None
    return shown is not None and shown.snapshot_id == known[None].snapshot_id and known[None].rows == report.days[0].published


def _on_known_state(job: JobDescription, last: Publication) -> bool:
    """Whether the job compared its result with the state that was last recorded."""
    return job.previous is not None and job.previous.snapshot_id is not None and job.previous.snapshot_id == last.snapshot_id


def _assert_counts(table: Table, good: Sequence[DayReport], staged: Sequence[StagedFile]) -> None:
    rows: dict[date | None, int] = defaultdict(int)
    for file in staged:
        rows[file.day] += file.rows
    for report in good:
        if (found := rows[report.day]) != report.published:
            what = f"{table.full_name} {report.day}" if report.day else table.full_name
            raise DataFailure(f"{what}: {found} rows are staged but the job reported {report.published}; run it again")


def _commit_quarantine(lake: Lake, table: Table, job: JobDescription, days: Sequence[date], staged: Sequence[StagedFile]) -> bool:
    """Replace the days' quarantine; nothing to do where there is none and was none. Returns whether it was needed."""
    wanted = {*days}
    files = [f for f in staged if f.day in wanted]
    stored = lake.stored(quarantine_name(table))
    if not days or not (files or (stored and any(stored.scan(row_filter=_among("_day", days)).plan_files()))):
        return False
    _replace(lake, stored or lake.ensure_quarantine(table), "_day", days, files, job)
    return True


def _withdraw_quarantine(lake: Lake, table: Table, job: JobDescription, days: set[date | None]) -> None:
    """Take back what this job put there for days that newer inputs, with nothing to refuse, have overtaken."""
    from pyiceberg.expressions import And, EqualTo

    stored = lake.ensure_quarantine(table)
    ours = And(_among("_day", sorted(d for d in days if d)), EqualTo("job_id", job.job_id))
    retried(lambda: stored.refresh().delete(ours), f"withdrawing quarantine of {table.full_name}")


def _replace(
    lake: Lake,
    stored: IcebergTable,
    column: str | None,
    days: Sequence[date | None],
    files: Sequence[StagedFile],
    job: JobDescription,
) -> tuple[int | None, set[date | None]]:
    """One commit: the days' old files out, the staged ones in, but for days that newer inputs have overtaken meanwhile.

    Returns the snapshot that shows it and the days overtaken.
    """
    name = ".".join(stored.name())
    properties = {JOB_ID: f"{job.job_id}/{job.staging.rsplit('-', 1)[-1]}", RUN_ID: job.run_id}
    properties["retail-lake.code-version"] = job.code_version
    properties["retail-lake.inputs"] = ",".join(f"{i.table}={i.snapshot_id}" for i in job.inputs)
    properties[SEQUENCES] = json.dumps(_sequences(job), sort_keys=True)

    def attempt() -> tuple[IcebergTable, set[date | None]]:
        fresh = lake.catalog.load_table(name)
        current = fresh.current_snapshot()
        if said(current, JOB_ID) == properties[JOB_ID]:
            return fresh, set()
        late = _late(lake, fresh, job, days)
        todo = [d for d in days if d not in late]
        if not todo:
            return fresh, late
        put = [f for f in files if f.day not in late]
        swap(fresh, column, todo, put, {**properties, DAYS: say_days(todo)})
        return fresh, late

    fresh, late = retried(attempt, f"publishing {name}")
    shown = fresh.current_snapshot()
    expire_snapshots(fresh)
    return shown.snapshot_id if shown else None, late


def swap(
    stored: IcebergTable, column: str | None, days: Sequence[date | None], files: Sequence[StagedFile], properties: dict[str, str]
) -> None:
    """One transaction: the days' files out, these in; with these properties of its snapshots."""
    name = ".".join(stored.name())
    with stored.transaction() as transaction:
        # Also where there is nothing to delete: it is the delete that conflicts with another publisher of the day.
        transaction.delete(_among(column, days), snapshot_properties=properties)
        if files:
            _add(transaction, name, files, properties)
            _assert_staged(transaction, name, column, files)


def _add(transaction: Transaction, name: str, files: Sequence[StagedFile], properties: dict[str, str]) -> None:
    try:
        transaction.add_files([f.uri for f in files], snapshot_properties=properties, check_duplicate_files=False)
    except (ValueError, FileNotFoundError) as error:
        raise DataFailure(f"{name}: what was staged cannot be published ({error}); nothing was published") from error


def _assert_staged(transaction: Transaction, name: str, day: str | None, files: Sequence[StagedFile]) -> None:
    """Hold the snapshot about to be committed against what was staged: days and rows, file by file.

    A file without the day column or its statistics would be taken with an empty partition, silently.
    """
    metadata = transaction.table_metadata
    snapshot = metadata.current_snapshot()
    assert snapshot
    io = transaction._table.io
    added = {
        # Not the entry itself, which with its statistics takes kilobytes.
        entry.data_file.file_path: (entry.data_file.record_count, entry.data_file.partition[0] if day else None)
        for manifest in snapshot.manifests(io)
        if manifest.added_snapshot_id == snapshot.snapshot_id
        for entry in manifest.fetch_manifest_entry(io)
    }
    for file in files:
        rows, where = added.get(file.uri, (0, None))
        where = EPOCH + timedelta(days=where) if isinstance(where, int) else where
        if file.uri not in added or rows != file.rows or where != file.day:
            raise DataFailure(
                f"{name}: {file.uri} was staged with {file.rows} rows of {file.day or 'the table'}, but would be published"
                f" with {rows} rows of {where or 'no day'}; nothing was published"
            )


def _among(column: str | None, days: Sequence[date | None]) -> BooleanExpression:
    from pyiceberg.expressions import AlwaysTrue, And, GreaterThanOrEqual, In, LessThanOrEqual

    if column is None:
        return AlwaysTrue()
    ordered = sorted(d for d in days if d)
    if ordered[-1] - ordered[0] == timedelta(days=len(ordered) - 1):
        return And(GreaterThanOrEqual(column, ordered[0].isoformat()), LessThanOrEqual(column, ordered[-1].isoformat()))
    return In(column, [d.isoformat() for d in ordered])


def _publication(
    job: JobDescription, report: JobReport, day: DayReport, last: Publication | None, snapshot: int | None
) -> Publication:
    fingerprint = job.fingerprints[str(day.day or WHOLE)]
    # What the job compared with is not what was recorded last: then nobody knows which days see a change.
    changed = report.changed if last and _on_known_state(job, last) else EVERY_DAY
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
        changes=_steps(last.changes if last else (), changed, fingerprint) if day.day is None else (),
        published_at=datetime.now(UTC),
    )
    if not day.blocked:
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

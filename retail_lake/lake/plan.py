"""What a table needs built, and from exactly what: pinned inputs, fingerprints, jobs cut to size.

A fingerprint digests a table's code and its inputs' fingerprints, day by day. A day whose fingerprint is already
published is unchanged; one whose own input day was never published has to wait.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from retail_lake.config import Settings
from retail_lake.contract import Layer, Table
from retail_lake.jobs.description import JobDescription, LandedFile, PinnedInput
from retail_lake.lake.lake import Lake
from retail_lake.lake.publications import Publication
from retail_lake.lake.retention import not_landed_any_more
from retail_lake.lake.snapshots import JOB_ID, LISTING, ROLLED_BACK, SEQUENCES, origins, said
from retail_lake.sources.landing import Landed, landed
from retail_lake.tables import TABLES, inputs

if TYPE_CHECKING:
    from pyiceberg.table.snapshots import Snapshot

# Raised when the job program comes to give other results for the same contract and inputs.
PROGRAM_VERSION = 1

_SHARED = ("lake_uri", "landing_uri", "s3_endpoint", "region", "store_time_zone")
"""The settings that a job's process must share with the lake's; none of them is secret."""


@dataclass(frozen=True)
class Plan:
    """The jobs to run, the days that need none, and the days that cannot be built yet, with the reason."""

    table: Table
    jobs: tuple[JobDescription, ...]
    unchanged: tuple[date | None, ...] = ()
    waiting: Mapping[date | None, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Survey:
    """What days would be built from now, and how that compares with what is published. Nothing is pinned.

    `final` days are as published for good: their landed files are kept no longer.
    """

    fingerprints: Mapping[date | None, str]
    waiting: Mapping[date | None, str]
    unchanged: frozenset[date | None]
    found: Landed | None = None
    final: frozenset[date | None] = frozenset()

    @property
    def todo(self) -> list[date | None]:
        """The days that are missing or stale and can be built."""
        return [d for d in self.fingerprints if d not in self.unchanged]


def survey(lake: Lake, table: Table, days: Sequence[date]) -> Survey:
    """Compare these days (or the whole of an unpartitioned table) with their inputs and code as they are now."""
    found = landed(table.landing, days, lake.settings) if table.landing else None
    if table.layer is Layer.BRONZE:
        prints, waiting = _bronze_fingerprints(table, days, found, lake.settings), dict[date | None, str]()
    else:
        prints, waiting = _fingerprints(lake, table, days)
    known = lake.publications_by_day().get(table.full_name, {})
    final = frozenset(d for d in prints if d in known and known[d].visible and not_landed_any_more(lake.settings, table, d))
    unchanged = frozenset(d for d, f in prints.items() if d in known and f in (known[d].fingerprint, known[d].refused))
    return Survey(prints, waiting, unchanged | final, found, final)


def changed_inputs(lake: Lake, table: Table, days: Sequence[date]) -> dict[date | None, str]:
    """The days of a silver or gold table that can be built and whose inputs are others than those of their last
    publication or attempt, with their fingerprints as of now; a day that was never tried is one of them.

    What only the code sets apart is left out: its inputs give, under the code it was built by, the fingerprint it has.
    """
    now = survey(lake, table, days)
    known = lake.publications_by_day().get(table.full_name, {})
    changed = {d: now.fingerprints[d] for d in now.todo}
    for version in {known[d].code_version for d in changed if d in known}:
        its = [d for d in changed if d in known and known[d].code_version == version]
        for program in range(1, PROGRAM_VERSION + 1):
            code = [program, version, lake.settings.store_time_zone]
            as_then, _ = _fingerprints(lake, table, [d for d in its if d], code)
            for day in its:
                if as_then.get(day) in (known[day].fingerprint, known[day].refused):
                    changed.pop(day, None)
    return changed


def plan(lake: Lake, table: Table, days: Sequence[date], *, run_id: str, force: bool = False) -> Plan:
    """Plan the build of these days (ignored for an unpartitioned table). `force` builds unchanged days too."""
    listed_at = _listing_time(lake, table)
    now = survey(lake, table, days)
    again = set(now.fingerprints) if force else {*now.todo, *_off_record(lake, table, now)}
    todo = [d for d in now.fingerprints if d in again - now.final]
    # A table that is read entirely is pinned once: its files are the same for every job.
    whole = cache(lambda name: lake.pin(name))
    jobs = tuple(
        _describe(lake, table, chunk, {d: now.fingerprints[d] for d in chunk}, run_id, force, now.found, listed_at, whole)
        for chunk in _chunks(lake, table, todo)
    )
    return Plan(table, jobs, tuple(d for d in now.fingerprints if d not in todo), now.waiting)


def _off_record(lake: Lake, table: Table, now: Survey) -> set[date | None]:
    """The days whose rows are of a job that came after the one on record: it was killed before it could write its own.

    It was forced, for it had the same inputs and code. So the rows are what they were, but the record names a job and a
    snapshot whose files readers do not see any more.
    """
    known = lake.publications_by_day().get(table.full_name, {})
    as_built = {d for d in now.unchanged if d in known and known[d].fingerprint == now.fingerprints[d]}
    stored = lake.stored(table.full_name) if as_built else None
    current = stored.current_snapshot() if stored else None
    if stored is None or current is None:
        return set()

    def replaced(day: date | None, origin: Snapshot) -> bool:
        recorded = stored.snapshot_by_id(known[day].snapshot_id or 0)
        later = (origin.sequence_number or 0) > ((recorded and recorded.sequence_number) or 0)
        # A rollback that was killed is for whoever asked for it to finish.
        return later and said(origin, JOB_ID).partition("/")[0] != known[day].job_id and not said(origin, ROLLED_BACK)

    return {day for day, origin in origins(stored, current.snapshot_id, as_built).items() if replaced(day, origin)}


def _listing_time(lake: Lake, table: Table) -> datetime:
    """When a listing that begins now is made: later than every listing that was published or committed by now, also where a
    clock was set back since, or another machine's is fast. Newer files would count as older until the clock has caught up.
    """
    listed = [p.input_sequences.get(LISTING, 0) for p in lake.publications(table.full_name)]
    stored = lake.stored(table.full_name) if table.landing else None
    for snapshot in stored.snapshots() if stored else ():
        if inputs_then := said(snapshot, SEQUENCES):
            listed.append(json.loads(inputs_then).get(LISTING, 0))
    # A millisecond, because a time is stored as a number of seconds that does not hold every microsecond.
    after = datetime.fromtimestamp(max(listed, default=0) / 1_000_000, UTC) + timedelta(milliseconds=1)
    return max(datetime.now(UTC), after)


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:20]


def _code(table: Table, settings: Settings) -> list[object]:
    return [PROGRAM_VERSION, table.code_version, settings.store_time_zone]


def _bronze_fingerprints(table: Table, days: Sequence[date], found: Landed | None, settings: Settings) -> dict[date | None, str]:
    if table.landing is None or found is None:
        return {}
    prints: dict[date | None, str] = {}
    for day in days:
        files = [(f.key, f.size, f.modified.isoformat()) for f in found.files.get(day, [])]
        problems = [(p.key, p.rule) for p in found.problems.get(day, [])]
        # Where the lake begins decides which claimed days are plausible, but only for what arrives soon after.
        near = (day - settings.first_day).days <= table.landing.max_lateness
        prints[day] = _digest(_code(table, settings), day, files, problems, str(settings.first_day) if near else "")
    return prints


def _fingerprints(
    lake: Lake, table: Table, days: Sequence[date], code: Sequence[object] | None = None
) -> tuple[dict[date | None, str], dict[date | None, str]]:
    """The fingerprints of these days, under other code than the table's if it is given, and what the others wait for."""
    known = lake.publications_by_day()
    code = code or _code(table, lake.settings)
    names = [n for n in inputs(table) if n != "run.days"]
    if table.day is None:
        seen = [(n, _whole(known.get(n, {}))) for n in names]
        return {None: _digest(code, seen)}, {}
    prints: dict[date | None, str] = {}
    waiting: dict[date | None, str] = {}
    whole = {n: _whole(known.get(n, {})) for n in names if n in table.whole}
    bronze = {n: _by_touched_day(known.get(n, {})) for n in names if TABLES[n].layer is Layer.BRONZE}
    for day in days:
        parts: list[object] = []
        for name in names:
            published = known.get(name, {})
            if name in whole:
                parts.append((name, whole[name]))
            elif TABLES[name].day is None:
                dimension = published.get(None)
                if dimension is None or not dimension.visible:
                    waiting[day] = f"{name} was never published"
                else:
                    parts.append((name, dimension.seen_on(day)))
            else:
                arrived = bronze.get(name, {}).get(day)
                if arrived is None and (day not in published or not published[day].visible):
                    waiting[day] = f"{name} has no {day}"
                elif name in bronze:
                    # Late rows are reason enough to build a day whose own files were never asked for.
                    parts.append((name, arrived or []))
                else:
                    window = [day - timedelta(days=i) for i in range(table.window)]
                    parts.append((name, [published[d].fingerprint for d in window if d in published and published[d].rows]))
        if day not in waiting:
            prints[day] = _digest(code, day, parts)
    return prints, waiting


def _whole(published: Mapping[date | None, Publication]) -> list[tuple[str, str]]:
    """The days with rows: an empty day adds nothing to a table that is read entirely."""
    return sorted((str(d), p.fingerprint) for d, p in published.items() if p.visible and p.rows)


def _by_touched_day(published: Mapping[date | None, Publication]) -> dict[date, list[tuple[str, str]]]:
    """For each business day the arrival days whose records claim it."""
    touched: dict[date, list[tuple[str, str]]] = {}
    for arrival, publication in sorted(published.items(), key=lambda item: item[0] or date.min):
        for day in publication.touched_days:
            touched.setdefault(day, []).append((str(arrival), publication.fingerprint))
    return touched


def _chunks(lake: Lake, table: Table, todo: Sequence[date | None]) -> Sequence[Sequence[date | None]]:
    """The days of each job, cut by their input rows. Bronze streams its files and is not cut."""
    if not todo:
        return []
    if table.day is None or table.layer is Layer.BRONZE:
        return [todo]
    known = lake.publications_by_day()
    rows: dict[date, int] = {}
    for name in inputs(table):
        if name in table.whole or name == "run.days":
            continue
        for day, publication in known.get(name, {}).items():
            if day:
                rows[day] = rows.get(day, 0) + publication.rows
    return cut(sorted(d for d in todo if d), rows, lake.settings.job_rows)


def cut(days: Sequence[date], rows: Mapping[date, int], limit: int) -> list[list[date]]:
    """These days, in their order, in as few pieces as can be of at most so many rows; a day that has more is one by itself."""
    pieces: list[list[date]] = []
    size = 0
    for day in days:
        if not pieces or size + rows.get(day, 0) > limit:
            pieces.append([])
            size = 0
        pieces[-1].append(day)
        size += rows.get(day, 0)
    return pieces


def _describe(
    lake: Lake,
    table: Table,
    chunk: Sequence[date | None],
    prints: Mapping[date | None, str],
    run_id: str,
    force: bool,
    found: Landed | None,
    listed_at: datetime,
    whole: Callable[[str], PinnedInput],
) -> JobDescription:
    days = tuple(d for d in chunk if d)
    settings = lake.settings
    job_id = _digest(table.full_name, {str(d): f for d, f in prints.items()}, run_id if force else "")
    files: list[LandedFile] = [f for d in days for f in found.files.get(d, [])] if found else []
    return JobDescription(
        job_id=job_id,
        run_id=run_id,
        table=table.full_name,
        days=days,
        code_version=table.code_version,
        fingerprints={str(d or "whole"): f for d, f in prints.items()},
        inputs=tuple(_pin(lake, table, name, days, whole) for name in inputs(table) if name != "run.days"),
        previous=_previous(lake, table) if table.day is None else None,
        landed=tuple(files),
        problems=tuple(p for d in days for p in found.problems.get(d, [])) if found else (),
        superseded_files={d: n for d, n in found.superseded.items() if d in days} if found else {},
        listed_at=listed_at if found else None,
        first_day=settings.first_day,
        last_day=settings.last_day,
        store_time_zone=settings.store_time_zone,
        staging=f"{lake.data_location(table.full_name)}/data/{job_id}-{uuid.uuid4().hex[:8]}",
        settings={name: str(getattr(settings, name)) for name in _SHARED if getattr(settings, name)},
    )


def _previous(lake: Lake, table: Table) -> PinnedInput:
    """The state that was recorded last: facts were built on it, which a later commit without a record (a kill) was not."""
    last = lake.publications_by_day().get(table.full_name, {}).get(None)
    if last is None or last.snapshot_id is None:
        return PinnedInput(table=table.full_name, snapshot_id=None, sequence=0, files=())
    return lake.pin(table.full_name, snapshot_id=last.snapshot_id)


def _pin(lake: Lake, table: Table, name: str, days: Sequence[date], whole: Callable[[str], PinnedInput]) -> PinnedInput:
    source = TABLES[name]
    if table.day is None or source.day is None or name in table.whole:
        return whole(name)
    if source.layer is Layer.BRONZE:
        wanted = {*days}
        arrivals = [a for a, p in lake.publications_by_day().get(name, {}).items() if a and wanted.intersection(p.touched_days)]
        return lake.pin(name, arrivals, source.day) if arrivals else lake.pin(name, days, source.day)
    window = [min(days) - timedelta(days=table.window - 1), *days]
    return lake.pin(name, window, source.day)

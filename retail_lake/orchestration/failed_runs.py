"""Failed runs that still matter: what they were to build and nobody has built since.

Belongs here: Dagster's runs against each other, as alerts. Does not: what else may be wrong (`alerts/problems.py`).

What matters is a place: a table (or another asset or job) and a day. A run that fails leaves places unbuilt; a later run that
builds one settles it, whatever else that run was for; one that fails on it again is no news. A day that was refused by its audit
is told of as blocked, by table, and so are not the runs that came upon it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from retail_lake.alerts.alert import Alert, Kind, names, span
from retail_lake.alerts.problems import Tables, run_link
from retail_lake.contract import Severity
from retail_lake.failure import BUG, KINDS, TRANSIENT
from retail_lake.orchestration.checks import DAY, WHOLE
from retail_lake.orchestration.failed import FAILURE_TAG
from retail_lake.orchestration.run import IMPLICIT_JOB, RANGE_END, RANGE_START
from retail_lake.orchestration.step import TABLE_JOBS

if TYPE_CHECKING:
    from dagster import DagsterInstance
    from dagster._core.storage.dagster_run import RunRecord

Place = tuple[str, date | None]
"""A table by full name, or what else a run was of, and the day."""

LOOK_BACK: Final = timedelta(days=7)
PATIENCE: Final = timedelta(minutes=15)
"""How long a failure that is tried again by itself is nobody's matter."""
DIED: Final = "died"
_MOST_FAILED, _MOST_RUNS = 200, 1_000
_TOLD: Final = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}
_NEXT: Final[Mapping[str, str]] = {
    TRANSIENT: (
        "It is tried again by itself: what builds tables a few times, maintenance the next night. If it does not pass, look at"
        " the service or the disk that it names."
    ),
    "data": "Look at the data that the run names; have the source corrected, then build the days again.",
    "configuration": "Set right what it names (`retail-lake doctor` checks the rest), then build the days again.",
    BUG: "The run's log has the stack trace: report it to whoever maintains the code.",
    DIED: "See whether the machine was short of memory or was restarted, then build the days again.",
}


@dataclass(frozen=True)
class Outcome:
    """What came of a finished run's places. `refused` were blocked by an audit or wait for such a day: not this run's matter."""

    settled: frozenset[Place]
    unbuilt: frozenset[Place]
    said: str = ""
    error: str = ""


@dataclass
class _Problem:
    """Places that a run left unbuilt; `last` is the newest run that failed on any of them."""

    first: RunRecord
    last: RunRecord
    outcome: Outcome
    places: set[Place] = field(default_factory=set)


class FailedRuns:
    """An instance's failed runs. Outcomes are kept: those of a run that is over never change."""

    def __init__(self, known: Tables) -> None:
        self._known = known
        self._outcomes: dict[str, Outcome] = {}

    def alerts(self, instance: DagsterInstance, now: datetime, open_runs: Iterable[str] = ()) -> list[Alert]:
        """Alerts of the runs of the last days that still matter, and of the `open_runs` that earlier alerts were of."""
        open_: dict[Place, _Problem] = {}
        for record in self._finished(instance, now, open_runs):
            outcome = self._outcome(instance, record)
            # A run that said no day of a table that has days failed as a whole: whatever day is built since shows that it can be.
            for place in outcome.settled | {(name, None) for name, _ in outcome.settled}:
                if problem := open_.pop(place, None):
                    problem.places.discard(place)
            new = _Problem(record, record, outcome)
            for place in outcome.unbuilt:
                problem = open_.setdefault(place, new)
                problem.places.add(place)
                problem.last, problem.outcome = record, outcome
        problems = {id(p): p for p in open_.values()}.values()
        return [self._alert(p) for p in problems if not (_tried_again(p.last.dagster_run) and _end(p.first) + PATIENCE > now)]

    def _finished(self, instance: DagsterInstance, now: datetime, open_runs: Iterable[str]) -> list[RunRecord]:
        """Runs that failed, and all that ended since the first of them, in the order of their ends."""
        status = dg.DagsterRunStatus
        failed = list(instance.get_run_records(_filter(now - LOOK_BACK, status.FAILURE), limit=_MOST_FAILED))
        if earlier := sorted(set(open_runs) - {r.dagster_run.run_id for r in failed}):
            of = dg.RunsFilter(run_ids=earlier, statuses=[status.FAILURE])
            failed += instance.get_run_records(of, limit=_MOST_FAILED)
        if not failed:
            return []
        since = min(_end(r) for r in failed)
        ended = {r.dagster_run.run_id: r for r in instance.get_run_records(_filter(since, status.SUCCESS), limit=_MOST_RUNS)}
        return sorted([*failed, *ended.values()], key=lambda r: (_end(r), r.storage_id))

    def _outcome(self, instance: DagsterInstance, record: RunRecord) -> Outcome:
        run = record.dagster_run
        if run.run_id not in self._outcomes:
            if len(self._outcomes) > 2 * _MOST_RUNS:
                self._outcomes.clear()
            asked = self._asked(run)
            ok = run.status is dg.DagsterRunStatus.SUCCESS
            self._outcomes[run.run_id] = Outcome(asked, frozenset()) if ok else _of_failed(instance, run, asked)
        return self._outcomes[run.run_id]

    def _asked(self, run: dg.DagsterRun) -> frozenset[Place]:
        """Every place that a run was for."""
        first = run.tags.get(RANGE_START) or run.tags.get("dagster/partition")
        last = run.tags.get(RANGE_END) or first
        days = _days(first, last)
        chosen = [".".join(key.path) for key in run.asset_selection or ()]
        if not chosen and run.job_name in TABLE_JOBS:
            gold = [t.name for t in self._known.tables.values() if t.layer == "gold"]
            chosen = [*self._known.tables, *(f"warehouse.{name}" for name in gold)]
        return frozenset((name, day) for name in chosen or [run.job_name] for day in (days if self._by_day(name) else [None]))

    def _by_day(self, name: str) -> bool:
        table = self._known.tables.get(name) or self._known.tables.get(f"gold.{name.removeprefix('warehouse.')}")
        return table is not None and table.day is not None

    def _alert(self, problem: _Problem) -> Alert:
        run, known = problem.last.dagster_run, self._known
        kind = _kind(run, problem.outcome)
        wanted = sorted({name for name, _ in problem.places}, key=self._order)
        first = self._first(wanted)
        days = sorted({day for _, day in problem.places if day})
        owners = {known.owner(name) for name in wanted} if kind == "data" else {known.settings.alert_owner}
        return Alert(
            key=f"run/{problem.first.dagster_run.run_id}",
            kind=Kind.RUN_FAILED,
            severity=Severity.WARNING if kind == TRANSIENT else Severity.CRITICAL,
            owners=tuple(sorted(owners)),
            title=f"{names(first, 2)} not built" + (f" for {span(days)}" if days else "") + f": {_words(kind)}",
            happened=_happened(kind, run, problem.outcome),
            blocks=known.blocks(first),
            link=run_link(known.settings, run.run_id),
            next_step=_NEXT.get(kind, _NEXT[BUG]),
            about=problem.first.dagster_run.run_id,
        )

    def _first(self, wanted: Sequence[str]) -> list[str]:
        """Those that do not wait for another of them: the rest only follows."""
        served = {f"warehouse.{name.removeprefix('gold.')}" for name in wanted}
        after = served.union(*(self._known.after([name]) for name in wanted))
        return [name for name in wanted if name not in after]

    def _order(self, name: str) -> tuple[int, str]:
        order = list(self._known.tables)
        return (order.index(name) if name in order else len(order), name)


def waiting_runs(instance: DagsterInstance, known: Tables, now: datetime) -> list[Alert]:
    """Runs that have been queued for too long, as one alert."""
    limit = timedelta(hours=known.settings.queue_hours)
    of = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED], created_before=now - limit)
    waiting = instance.get_run_records(of, limit=_MOST_FAILED, ascending=True)
    if not waiting:
        return []
    first = waiting[0]
    return [
        Alert(
            key="runs/queued",
            kind=Kind.QUEUE,
            severity=Severity.WARNING,
            owners=(known.settings.alert_owner,),
            title=f"{len(waiting)} runs wait in Dagster's queue for more than {known.settings.queue_hours:g} h",
            happened=f"The oldest waits since {first.create_timestamp.astimezone(UTC):%Y-%m-%d %H:%M} UTC.",
            blocks="the tables and days that they are for, and every run after them",
            link=run_link(known.settings, first.dagster_run.run_id),
            next_step="See which run is in their way, whether it still goes on, and whether the daemon runs.",
        )
    ]


def rules_that_refused(instance: DagsterInstance, table: str, day: date | None) -> str:
    """The names of the rules that the last verdict on a day was about; empty if this instance has none."""
    from dagster._core.event_api import PartitionKeyFilter
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

    key = dg.AssetCheckKey(dg.AssetKey(table.split(".")), DAY if day else WHOLE)
    of_day = PartitionKeyFilter(key=day.isoformat() if day else None)
    failed = {AssetCheckExecutionRecordStatus.FAILED}
    for record in instance.event_log_storage.get_asset_check_execution_history(key, 1, status=failed, partition_filter=of_day):
        if record.event and record.event.dagster_event:
            told = record.event.dagster_event.asset_check_evaluation_data.metadata.get("failed_rules")
            return str(told.value) if told else ""
    return ""


def _of_failed(instance: DagsterInstance, run: dg.DagsterRun, asked: frozenset[Place]) -> Outcome:
    """What a failed run said of each place before it was over. What it said nothing of, it did not come to."""
    status: dict[Place, str] = {}
    said = error = ""
    for entry in instance.all_logs(run.run_id, of_type=_TOLD):
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            said, error = _failure(event.step_failure_data)
        elif (found := event.asset_check_evaluation_data).check_name in (DAY, WHOLE):
            place = (".".join(found.asset_key.path), date.fromisoformat(found.partition) if found.partition else None)
            good = found.passed or found.severity is dg.AssetCheckSeverity.WARN
            status[place] = "good" if good else _text(found.metadata.get("status"))
    settled = frozenset(place for place, now in status.items() if now == "good")
    unbuilt = frozenset(place for place in asked if status.get(place, "failed") == "failed")
    if not unbuilt and "blocked" not in status.values():
        unbuilt = frozenset(place for place, now in status.items() if now == "skipped")
    return Outcome(settled, unbuilt, said, error)


def _failure(data: Any) -> tuple[str, str]:
    """What a step's failure says of itself in words meant for people, and the name of its exception."""
    meant = data.user_failure_data.description if data.user_failure_data else None
    error = data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return str(meant or ""), str(error.cls_name or "") if error else ""


def _kind(run: dg.DagsterRun, outcome: Outcome) -> str:
    if kind := run.tags.get(FAILURE_TAG):
        return kind
    # A job of its own, maintenance say, has no tag.
    by_class = {of.__name__: word for word, of in KINDS.items()}
    return by_class.get(outcome.error, BUG) if outcome.error or outcome.said else DIED


def _happened(kind: str, run: dg.DagsterRun, outcome: Outcome) -> str:
    """What went wrong. Messages that may hold values of rows, of data and of bugs, are left to the run's log."""
    what = f"Run {run.run_id[:8]}" + ("" if run.job_name == IMPLICIT_JOB else f" of {run.job_name}")
    if kind == DIED:
        return f"{what} died: its process was killed, or its machine was restarted."
    if kind == BUG:
        return f"{what} met an error that nobody foresaw: {outcome.error or 'see its log'}."
    if kind == "data" or not outcome.said:
        return f"{what} failed: the data cannot be read or is not what the contract says; its log says where."
    return f"{what} failed: {outcome.said}"


def _words(kind: str) -> str:
    return {DIED: "the run died", BUG: "a bug"}.get(kind, f"{kind} failure")


def _tried_again(run: dg.DagsterRun) -> bool:
    return run.tags.get(FAILURE_TAG) == TRANSIENT or run.tags.get("dagster/will_retry") == "true"


def _filter(since: datetime, status: dg.DagsterRunStatus) -> dg.RunsFilter:
    return dg.RunsFilter(statuses=[status], updated_after=since)


def _end(record: RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp.replace(tzinfo=UTC)


def _days(first: str | None, last: str | None) -> Sequence[date | None]:
    try:
        start, end = date.fromisoformat(first or ""), date.fromisoformat(last or "")
    except ValueError:
        return [None]
    return [start + timedelta(days=i) for i in range((end - start).days + 1)]


def _text(value: Any) -> str:
    return str(value.value) if value is not None else "failed"

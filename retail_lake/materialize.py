"""One table's way from pinned inputs to published days: plan, run, publish. Without Dagster.

Belongs here: the order of the steps and what became of each day. Does not: any step itself.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from retail_lake.contract import Table
from retail_lake.engines.base import Engine
from retail_lake.jobs.description import DayReport, JobReport
from retail_lake.jobs.samples import merged
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import plan
from retail_lake.lake.publications import Publication
from retail_lake.lake.publish import publish


@dataclass(frozen=True)
class DayOutcome:
    """What became of one day (`day` None: of an unpartitioned table).

    `status` is published, incomplete (published, but a file is missing or unreadable), blocked, superseded (newer inputs
    were published meanwhile), unchanged, or skipped (`reason` says what it waits for). `report` is there when the day was
    built, `known` when it was left as it is. Rows are what readers see now, `previous_rows` what they saw before.
    `engine` ran the day's job, `console` is where AWS shows it, and `usage` is the day's share of what it used, by unit.
    """

    day: date | None
    status: str
    report: DayReport | None = None
    rows: int = 0
    previous_rows: int | None = None
    reason: str = ""
    known: Publication | None = None
    engine: str = ""
    console: str = ""
    usage: dict[str, float] = field(default_factory=dict)

    @property
    def visible(self) -> bool:
        """Whether downstream days may be built on it."""
        return self.status in ("published", "incomplete", "unchanged", "superseded")


@dataclass(frozen=True)
class TableOutcome:
    """What became of a table's days, with masked samples of violating rows by rule and seconds by phase.

    `engine` names what ran its jobs; `usage` is what they used of AWS, by unit.
    """

    table: Table
    days: tuple[DayOutcome, ...]
    samples: dict[str, list[dict[str, str | None]]]
    seconds: dict[str, float]
    job_ids: tuple[str, ...]
    snapshot_id: int | None
    engine: str
    usage: dict[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[DayOutcome, ...]:
        """The days that are not what they should be: blocked or skipped."""
        return tuple(d for d in self.days if not d.visible)


def materialize(
    lake: Lake,
    engine: Engine,
    table: Table,
    days: Sequence[date],
    *,
    run_id: str,
    unavailable: frozenset[date] = frozenset(),
    force: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> TableOutcome:
    """Build and publish these days of a table (all of it, when it is unpartitioned), but for the `unavailable` ones.

    Days that are as published already are left alone unless `force`. Raises a `Failure` when a job or a commit fails as
    a whole, `ConfigurationFailure` before anything runs when the contract does not fit the stored table; a bad day does
    not raise, it is in the outcome.
    """
    started = time.perf_counter()
    lake.check(table)
    before = dict(lake.publications_by_day().get(table.full_name, {}))
    wanted = [d for d in days if d not in unavailable] if table.day else []
    made = plan(lake, table, wanted, run_id=run_id, force=force)
    seconds: dict[str, float] = defaultdict(float, plan=time.perf_counter() - started)
    outcomes: dict[date | None, DayOutcome] = {}
    reports: list[JobReport] = []
    usage: dict[str, float] = defaultdict(float)
    engines: dict[str, None] = {}
    snapshot_id = None
    for number, job in enumerate(made.jobs, 1):
        part = f" ({number}/{len(made.jobs)})" if len(made.jobs) > 1 else ""
        progress(f"{table.full_name}: {_span(job.days)}{part} on {engine.name}")
        started = time.perf_counter()
        report = engine.run(job)
        reports.append(report)
        seconds["run"] += time.perf_counter() - started
        started = time.perf_counter()
        published = publish(lake, job, report)
        seconds["publish"] += time.perf_counter() - started
        engines[report.engine] = None
        for phase, spent in report.seconds.items():
            seconds[phase] += spent
        for unit, used in report.usage.items():
            usage[unit] += used
        snapshot_id = published.snapshot_id or snapshot_id
        shares = _shares(report, published.status)
        for found in report.days:
            previous = before.get(found.day)
            rows_before = previous.rows if previous and previous.visible else None
            status = published.status[found.day]
            rows_now = found.published if status in ("published", "incomplete") else rows_before or 0
            outcomes[found.day] = DayOutcome(
                found.day, status, found, rows_now, rows_before,
                engine=report.engine, console=report.console, usage=shares.get(found.day, {}),
            )  # fmt: skip
    for day in made.unchanged:
        outcomes[day] = _unchanged(day, before[day])
    for day, reason in made.waiting.items():
        outcomes[day] = DayOutcome(day, "skipped", reason=reason)
    for day in set(days) & unavailable if table.day else ():
        outcomes[day] = DayOutcome(day, "skipped", reason="an input of the day was not published in this run")
    ordered = tuple(sorted(outcomes.values(), key=lambda o: o.day or date.min))
    names = ", ".join(engines) or engine.name
    jobs = tuple(j.job_id for j in made.jobs)
    return TableOutcome(table, ordered, merged(reports), dict(seconds), jobs, snapshot_id, names, dict(usage))


def _shares(report: JobReport, status: Mapping[date | None, str]) -> dict[date | None, dict[str, float]]:
    """What a job used, shared over the days it published (over all, if it published none) by the rows that went in."""
    days = [d for d in report.days if status[d.day] in ("published", "incomplete")] or list(report.days)
    rows = sum(d.rows_in for d in days)
    weights = {d.day: d.rows_in / rows if rows else 1 / len(days) for d in days}
    return {day: {unit: used * weight for unit, used in report.usage.items()} for day, weight in weights.items()}


def _unchanged(day: date | None, known: Publication) -> DayOutcome:
    """A day left alone; one whose last attempt was blocked is still blocked: nothing it depends on has changed."""
    why = "blocked before; its inputs and rules are as they were then" if known.status == "blocked" else ""
    return DayOutcome(day, "blocked" if why else "unchanged", None, known.rows, known.rows, why, known)


def _span(days: Sequence[date]) -> str:
    if not days:
        return "the whole table"
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}, {len(days)} days"

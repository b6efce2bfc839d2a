"""What is wrong with the lake now, as alerts: blocked days, late tables, budgets, queues, jobs that nobody minds.

Belongs here: one function for each kind of thing to look at, and what it says. Does not: runs, which Dagster knows
(`orchestration/failed_runs.py`), or telling anybody (`board.py`). Each looks at the state as it is and remembers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from retail_lake.alerts.alert import Alert, Kind, names, span
from retail_lake.config import PREFIX, Settings
from retail_lake.contract import Severity, Table

if TYPE_CHECKING:
    from retail_lake.arrivals.queue import Standing
    from retail_lake.engines.launches import Opened
    from retail_lake.health.freshness import Late
    from retail_lake.lake.publications import Publication

NEARLY: Final = 0.8
"""The share of a budget at which its owner hears of it."""
ORPHAN_AFTER: Final = timedelta(minutes=10)
"""How long the reaper has for the job of a run that is over."""
Why = Callable[[str, date | None], str]
"""Gives, for a table and a day, the names of the rules that refused it; empty where nobody knows."""


@dataclass(frozen=True)
class Tables:
    """The tables by full name, and what each reads: whom a matter concerns and what it blocks."""

    settings: Settings
    tables: Mapping[str, Table]
    inputs: Mapping[str, tuple[str, ...]]

    def owner(self, name: str) -> str:
        """Whose a table is, in the lake or in the warehouse; what is no table is the platform's."""
        table = self.tables.get(name) or self.tables.get(f"gold.{name.removeprefix('warehouse.')}")
        return table.owner if table else self.settings.alert_owner

    def after(self, wanted: Iterable[str]) -> list[str]:
        """The tables that read these, directly or not, in dependency order."""
        reached = set(wanted)
        for name in self.tables:
            if reached.intersection(self.inputs[name]):
                reached.add(name)
        return [name for name in self.tables if name in reached - {*wanted}]

    def blocks(self, wanted: Iterable[str]) -> str:
        """What waits for these tables, in words."""
        after = self.after(wanted)
        return names(after) if after else "no other table reads it"


def blocked(known: Tables, publications: Iterable[Publication], why: Why = lambda table, day: "") -> list[Alert]:
    """Tables with days whose last attempt the audit refused; one alert a table, whose parts are the days."""
    by_table: dict[str, list[Publication]] = {}
    for publication in publications:
        if publication.status == "blocked" and publication.table in known.tables:
            by_table.setdefault(publication.table, []).append(publication)
    return [_blocked(known, table, sorted(found, key=lambda p: p.day or date.min), why) for table, found in by_table.items()]


def _blocked(known: Tables, table: str, found: list[Publication], why: Why) -> Alert:
    days = [p.day for p in found if p.day]
    last = found[-1]
    rules = why(table, last.day)
    old = sum(p.visible for p in found)
    seen = (
        "what was published before"
        if old == len(found)
        else "nothing of them"
        if not old
        else "what was there before, if anything"
    )
    of = f" of {last.day}" if last.day else ""
    rows = (
        f"{last.quarantined:,} of {last.rows_in:,} rows{of} are in quarantine"
        if last.quarantined
        else f"{last.rows_in:,} rows{of} were judged"
    )
    rule = f" Rules broken{of}: {rules}." if rules else ""
    return Alert(
        key=f"blocked/{table}",
        kind=Kind.BLOCKED,
        severity=Severity.CRITICAL,
        owners=(known.owner(table),),
        title=f"{table} is blocked" + (f" on {span(days)}" if days else ""),
        happened=f"The audit refused the last attempt; readers see {seen}. {rows}.{rule}",
        blocks=known.blocks([table]),
        link=asset_link(known.settings, table),
        next_step=(
            f"Look at what is in quarantine.{table.replace('.', '_')}; have the source corrected, or the rule if that is wrong."
            " The day is built again when its files or its rules change."
        ),
        parts=tuple(str(p.day or "whole") for p in found),
    )


def not_fresh(known: Tables, found: Iterable[Late]) -> list[Alert]:
    """Tables that are later than their contracts promise."""
    return [_not_fresh(known, late) for late in found]


def _not_fresh(known: Tables, late: Late) -> Alert:
    table = late.table.full_name
    since = f"{late.since:%Y-%m-%d %H:%M} UTC"
    readers = ["its readers, who were promised it within " + _hours(late.table.fresh_within), *known.after([table])]
    if late.missing:
        there = f"the newest one there is {late.newest}" if late.newest else "none is there"
        happened = f"{span(late.missing)} should be in it, and {there}. It is late since {since}."
    else:
        happened = f"What it reads has changed, and it does not show it. It is late since {since}."
    return Alert(
        key=f"fresh/{table}",
        kind=Kind.FRESHNESS,
        severity=Severity.CRITICAL,
        owners=(known.owner(table),),
        title=f"{table} is not fresh",
        happened=happened,
        blocks=names(readers),
        link=asset_link(known.settings, table),
        next_step="See whether its files arrived, and which table before it is missing: `retail-lake status`.",
        # An old gap must not keep it quiet that the newest day is late as well.
        parts=("newest",) if late.due in late.missing else (),
    )


def over_budget(settings: Settings, today: date, spent: float, by_run: Mapping[str, float]) -> list[Alert]:
    """Budgets that are used up, or nearly. `spent` is this UTC day's, `by_run` what its runs cost, in US dollars."""
    alerts = []
    refused = "launches above it are refused" if settings.over_budget == "refuse" else "launches go on"
    if settings.budget_per_day and spent >= NEARLY * settings.budget_per_day:
        over = spent >= settings.budget_per_day
        alerts.append(
            Alert(
                key=f"budget/{today}",
                kind=Kind.BUDGET,
                severity=Severity.CRITICAL if over else Severity.WARNING,
                owners=(settings.alert_owner,),
                title=f"The budget of {today} is {'used up' if over else 'nearly used up'}",
                happened=f"{spent:,.2f} of {settings.budget_per_day:g} US dollars are spent on remote jobs; {refused}.",
                blocks="every remote job until midnight UTC" if over and settings.over_budget == "refuse" else "",
                next_step=f"`retail-lake cost --by table --by run` says on what; {PREFIX}BUDGET_PER_DAY is the limit.",
                parts=("nearly", "over") if over else ("nearly",),
            )
        )
    for run_id, dollars in sorted(by_run.items()):
        if settings.budget_per_run and dollars > settings.budget_per_run:
            alerts.append(
                Alert(
                    key=f"budget/run/{run_id}",
                    kind=Kind.BUDGET,
                    severity=Severity.WARNING,
                    owners=(settings.alert_owner,),
                    title=f"Run {run_id[:8]} cost more than a run may",
                    happened=f"{dollars:,.2f} US dollars, of {settings.budget_per_run:g}; {refused}.",
                    link=run_link(settings, run_id),
                    next_step=f"`retail-lake cost --by table --by run` says on what; {PREFIX}BUDGET_PER_RUN is the limit.",
                )
            )
    return alerts


def arrivals_queue(settings: Settings, standing: Standing) -> list[Alert]:
    """Messages that were given up, and a queue that nobody empties."""
    alerts = []
    blocks = "the days of the files they announce, until those are found by listing"
    if standing.dead_letters:
        alerts.append(
            Alert(
                key="arrivals/dead",
                kind=Kind.DEAD_LETTERS,
                severity=Severity.CRITICAL,
                owners=(settings.alert_owner,),
                title=f"{standing.dead_letters:,} messages of arrivals were given up",
                happened="They were received several times and never done with, and are in the dead-letter queue.",
                blocks=blocks,
                next_step="Look at them in the dead-letter queue, set right what they trip over, and redrive them to the queue.",
            )
        )
    if standing.age > timedelta(hours=settings.queue_hours):
        alerts.append(
            Alert(
                key="arrivals/queue",
                kind=Kind.QUEUE,
                severity=Severity.CRITICAL,
                owners=(settings.alert_owner,),
                title="The queue of arrivals is not emptied",
                happened=f"{standing.waiting:,} messages wait, and it was last found empty {_hours(standing.age)} ago.",
                blocks=blocks,
                next_step="See in Dagster whether the daemon runs, and whether the sensor of arrivals is on and does not fail.",
            )
        )
    return alerts


def orphans(settings: Settings, left_behind: Iterable[Opened], now: datetime) -> list[Alert]:
    """Remote jobs of runs that are over, which the reaper should have stopped and has not."""
    return [
        Alert(
            key=f"orphan/{launch.token}",
            kind=Kind.ORPHAN,
            severity=Severity.CRITICAL,
            owners=(settings.alert_owner,),
            title=f"A job on {launch.engine} goes on without its run",
            happened=(
                f"Job {launch.remote_id or launch.token} builds {launch.table} for run {launch.run_id}, which is over. It was"
                f" launched at {launch.submitted_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC and costs money for as long as it runs."
            ),
            link=run_link(settings, launch.run_id),
            next_step=f"The ticks of the sensor reaper say what keeps it from stopping the job; or stop it in {launch.engine}.",
        )
        for launch in left_behind
        if now - launch.submitted_at > ORPHAN_AFTER
    ]


def unseen(settings: Settings, what: Kind, why: str) -> Alert:
    """Something could not be looked at, so that nobody knows whether it is well."""
    return Alert(
        key=f"unseen/{what}",
        kind=Kind.UNKNOWN,
        severity=Severity.WARNING,
        owners=(settings.alert_owner,),
        title=f"Alerts of the kind `{what}` cannot be looked for",
        happened=why.splitlines()[0] if why else "Looking failed.",
        next_step="`retail-lake doctor` says what is not reached or not allowed.",
    )


def run_link(settings: Settings, run_id: str) -> str:
    """Where the UI shows a run."""
    return f"{settings.ui_url.rstrip('/')}/runs/{run_id}"


def asset_link(settings: Settings, name: str) -> str:
    """Where the UI shows a table, by its full name."""
    return f"{settings.ui_url.rstrip('/')}/assets/{name.replace('.', '/')}"


def _hours(length: timedelta | None) -> str:
    minutes = int((length or timedelta()).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"

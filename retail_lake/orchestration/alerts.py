"""The alerts' sensor: looks at everything that may be wrong, and has the board tell whom it concerns.

Belongs here: which things are looked at, each by itself. Does not: what they say (`alerts/problems.py`, `failed_runs.py`), who
hears of it (`alerts/board.py`).

Without postponed annotations: Dagster reads the sensor's own.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import dagster as dg

from retail_lake.alerts import problems
from retail_lake.alerts.alert import Alert, Kind
from retail_lake.alerts.problems import Tables
from retail_lake.config import Settings
from retail_lake.failure import Failure
from retail_lake.orchestration.alive import goes_on
from retail_lake.orchestration.failed_runs import FailedRuns, rules_that_refused, waiting_runs
from retail_lake.orchestration.graph import Graph

if TYPE_CHECKING:
    from retail_lake.lake.lake import Lake

NAME: Final = "alerts"
SECONDS: Final = 60
_log: Final = logging.getLogger("retail_lake.alerts")


@dataclass
class _Look:
    """What was found wrong, and of which kinds it is known that there is nothing else."""

    settings: Settings
    found: list[Alert] = field(default_factory=list)
    looked: set[Kind] = field(default_factory=lambda: {Kind.UNKNOWN})

    def at(self, kind: Kind, *looks: Callable[[], Iterable[Alert]]) -> None:
        """Look for a kind of thing. One that cannot be looked at is itself told of, and keeps nobody from the others."""
        try:
            found = [alert for look in looks for alert in look()]
        except Failure as failure:
            self.found.append(problems.unseen(self.settings, kind, str(failure)))
        except Exception as error:
            _log.exception("alerts: looking for %s", kind)
            self.found.append(problems.unseen(self.settings, kind, f"{type(error).__name__}; the sensor's log has the rest"))
        else:
            self.found += found
            self.looked.add(kind)


def alerts(graph: Graph, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dg.SensorDefinition:
    """The sensor, which runs unless somebody stops it."""
    settings = graph.settings
    known = Tables(settings, graph.tables, graph.inputs)
    failed = FailedRuns(known)

    @dg.sensor(
        name=NAME,
        description=(
            "Tells of failed runs, blocked days, late tables, budgets, dead letters, stale queues and jobs without a run: once,"
            " to whom it concerns, and again when it is over. `retail-lake alerts` shows what is open."
        ),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"lake"},
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from retail_lake.alerts.board import Board, routes_of
        from retail_lake.alerts.sinks import open_sink

        def log(level: int, text: str) -> None:
            context.log.log(level, text)

        board = Board.read(settings)
        seen = _look(context, known, failed, [e.alert.about for e in board.open if e.alert.about], now())
        board.update(seen.found, seen.looked, now())
        for wrong in board.tell(routes_of(settings), lambda to: open_sink(to, settings, log)):
            log(logging.WARNING, f"An alert could not be sent: {wrong}")
        return dg.SkipReason("\n".join(entry.alert.title for entry in board.open) or "Nothing is wrong.")

    return look


def _look(context: dg.SensorEvaluationContext, known: Tables, failed: FailedRuns, open_runs: list[str], now: datetime) -> _Look:
    instance, settings = context.instance, known.settings
    lake = context.resources.lake
    seen = _Look(settings)
    seen.at(Kind.RUN_FAILED, lambda: failed.alerts(instance, now, open_runs))
    seen.at(
        Kind.BLOCKED,
        lambda: problems.blocked(known, lake.it.publications(), lambda table, day: rules_that_refused(instance, table, day)),
    )
    seen.at(Kind.FRESHNESS, lambda: _not_fresh(lake.it, known, now))
    queue = _arrivals(settings, now)
    seen.at(Kind.QUEUE, lambda: waiting_runs(instance, known, now), lambda: (a for a in queue() if a.kind is Kind.QUEUE))
    seen.at(Kind.DEAD_LETTERS, lambda: (a for a in queue() if a.kind is Kind.DEAD_LETTERS))
    if settings.budget_per_day or settings.budget_per_run:
        seen.at(Kind.BUDGET, lambda: _over_budget(settings, now))
    else:
        seen.looked.add(Kind.BUDGET)
    if settings.artifacts_uri:
        seen.at(Kind.ORPHAN, lambda: _orphans(instance, settings, now))
    return seen


def _not_fresh(lake: "Lake", known: Tables, now: datetime) -> list[Alert]:
    from retail_lake.health.freshness import late

    return problems.not_fresh(known, late(lake, known.tables.values(), now))


def _arrivals(settings: Settings, now: datetime) -> Callable[[], list[Alert]]:
    """Ask the queue of arrivals, once for both kinds of alerts that come of it."""

    @cache
    def look() -> list[Alert]:
        from retail_lake.arrivals.queue import standing

        found = standing(settings, lambda: now)
        return problems.arrivals_queue(settings, found) if found else []

    return look


def _over_budget(settings: Settings, now: datetime) -> list[Alert]:
    from retail_lake.cost.budget import Budget

    budget = Budget(settings)
    return problems.over_budget(settings, now.date(), budget.spent_today(), budget.spent_today_by_run())


def _orphans(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> list[Alert]:
    from retail_lake.engines import launches

    return problems.orphans(settings, launches.left_behind(settings, partial(goes_on, instance)), now)

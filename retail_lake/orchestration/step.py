"""The one step of a run: build the selected tables for the days asked, in dependency order, and say what came of each.

Belongs here: what links Dagster's context to the flow. Does not: the flow of bad days (`flow.py`) or the events (`events.py`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, timedelta
from typing import Any, Final

import dagster as dg
from pydantic import Field

from retail_lake.compatible import check_selection
from retail_lake.config import ENGINES, Settings
from retail_lake.contract import Table
from retail_lake.engines import check_name
from retail_lake.failure import ConfigurationFailure
from retail_lake.logs import about
from retail_lake.orchestration.events import emit, events_of, key_of
from retail_lake.orchestration.failed import BadDays, marked
from retail_lake.orchestration.flow import AssetResult, Flow
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.provenance import provenance
from retail_lake.orchestration.run import IMPLICIT_JOB
from retail_lake.orchestration.standing import standing
from retail_lake.orchestration.workers import Workers

Materialize = Callable[..., Any]
"""The shape of `retail_lake.materialize.materialize`."""


BUILD_DAYS: Final = "build_days"
TABLE_JOBS: Final = frozenset({IMPLICIT_JOB, BUILD_DAYS})
"""The jobs that build tables, and all of them where a run selects none. Others, `maintenance` say, select none either."""
Progress = Callable[[str], None]
_log: Final = logging.getLogger(__name__)
_WATCHER: ContextVar[tuple[Progress | None, list[AssetResult]] | None] = ContextVar("watcher", default=None)


@contextmanager
def watching(progress: Progress | None) -> Iterator[list[AssetResult]]:
    """Runs of this process inside hand their results to the list, and their progress to `progress`."""
    results: list[AssetResult] = []
    token = _WATCHER.set((progress, results))
    try:
        yield results
    finally:
        _WATCHER.reset(token)


class RunOptions(dg.Config):
    """What a run can be told at launch."""

    engine: str = Field("", description=f"What runs the jobs, one of {', '.join(ENGINES)}; empty: as the settings say.")
    force: bool = Field(False, description="Build days again whose inputs and code are the same.")


def run_step(
    context: dg.AssetExecutionContext, graph: Graph, config: RunOptions, materialize: Materialize | None
) -> Iterator[Any]:
    """Run the selection, logging each table's events when it is done. It yields nothing: skipped outputs are not materialized.

    Raises `Failure` last if any day is bad; by then every good day is published and told, and the kind of the failure is on
    the run (`failed.py`). The step has no retry policy of its own: what is transient was tried again table by table
    (`flow.py`), a second run of the step would tell everything twice, and Dagster takes a cancelled run for one to retry.
    """
    yield from ()
    with marked(context):
        _run_step(context, graph, config, materialize)


def _run_step(context: dg.AssetExecutionContext, graph: Graph, config: RunOptions, materialize: Materialize | None) -> None:
    if materialize is None:
        from retail_lake.materialize import materialize as materialize_table

        materialize = materialize_table
    run_id, settings, lake = context.run.run_id, graph.settings, context.resources.lake
    progress, results = _WATCHER.get() or (None, [])
    say = _saying(context, progress)
    days = requested_days(context)
    selection = graph.ordered(context.selected_asset_keys)
    selected = frozenset(context.selected_asset_check_keys)
    if not selection:
        context.log.info("Checks are judged while their table is built; with `force` it is built, and judged, again.")
        emit(context, standing(context.instance, sorted(selected)))
        return
    if not days and (daily := [t.full_name for t, _ in selection if t.day]):
        raise ConfigurationFailure(f"Say for which days: {', '.join(daily)} are built by day.")
    stop = threading.Event()
    workers = Workers(context, settings, stop, say)
    seen: dict[tuple[str, bool], int | None] = {}

    def look(table: Table, in_warehouse: bool) -> None:
        seen[table.full_name, in_warehouse] = context.instance.event_log_storage.get_maximum_record_id()

    def build(table: Table, days: Sequence[date], unavailable: frozenset[date]) -> Any:
        look(table, False)
        engine = workers.engine(table, config.engine)
        asked: dict[str, Any] = {"run_id": run_id, "unavailable": unavailable, "force": config.force, "progress": say}
        with about(run=run_id, table=table.full_name, days=days, engine=engine.name):
            return materialize(lake.it, engine, table, days, **asked)

    def load(table: Table, days: Sequence[date] | None) -> Any:
        look(table, True)
        with about(run=run_id, table=f"warehouse.{table.name}", days=days or (), engine=settings.warehouse):
            return workers.load(table, days)

    def told(result: AssetResult) -> None:
        if progress:
            progress(f"{result.name}: {result.in_words()} ({len(flow.results)} of {len(selection)})")
        tags = provenance(graph, result.table, result.in_warehouse, seen.get((result.table.full_name, result.in_warehouse)))
        events = list(events_of(result, _where(settings, result), settings.region, selected, tags))
        judged = {e.asset_check_key for e in events if isinstance(e, dg.AssetCheckEvaluation)}
        rest = [k for k in selected if k.asset_key == key_of(result) and k not in judged]
        # What could not be judged has no verdict; what had no need to be keeps the one it had.
        emit(context, [*events, *(standing(context.instance, rest) if result.error is None else ())])

    flow = Flow(graph, days, build, load, results, stop, say)
    if config.engine:
        check_name(config.engine)
    check_selection(selection, lake.it, context.resources.warehouse.it, say)
    flow.run_all(selection, told, at_once=settings.jobs_at_once)
    if summary := flow.summary():
        said = "Some days were not published; readers see what was there before. Every other day is done."
        raise BadDays(f"{said}\n{summary}{_hint(context)}", flow.kinds())


def _saying(context: dg.AssetExecutionContext, progress: Progress | None) -> Progress:
    """Where progress is told: in the run's log, or, where somebody watches, to them and in the log of the process."""
    if progress is None:
        return context.log.info

    def say(message: str) -> None:
        progress(message)
        _log.info(message)

    return say


def _where(settings: Settings, result: AssetResult) -> str:
    """Where a table is, for people."""
    table = result.table
    if not result.in_warehouse:
        return f"{settings.lake_uri}/{table.layer}/{table.name}"
    if settings.warehouse == "duckdb":
        return str(settings.warehouse_path)
    server = settings.redshift_workgroup or settings.redshift_cluster
    return f"{server}/{settings.redshift_database}/{settings.redshift_schema}/{table.name}"


def _hint(context: dg.AssetExecutionContext) -> str:
    """Dagster cuts a backfill of assets into several runs where dimensions come in, and stops after one that failed."""
    if "dagster/backfill" not in context.run.tags or context.job_name == BUILD_DAYS:
        return ""
    return f"\nThis backfill ends here. The job `{BUILD_DAYS}` takes the good days through every table."


def requested_days(context: dg.AssetExecutionContext) -> list[date]:
    """The days of the run's partition or partition range; none for a run without partitions."""
    if not (context.has_partition_key or context.has_partition_key_range):
        return []
    asked = context.partition_key_range
    first, last = date.fromisoformat(asked.start), date.fromisoformat(asked.end)
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]

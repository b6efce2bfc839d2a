"""The one step of a run: build the selected tables for the days asked, in dependency order, and say what came of each.

Belongs here: what links Dagster's context to the flow. Does not: the flow of bad days (`flow.py`) or the events (`events.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, timedelta
from typing import Any, Final

import dagster as dg
from pydantic import Field

from retail_lake.config import ENGINES
from retail_lake.contract import Table
from retail_lake.engines.routed import RoutedEngine
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake.orchestration.events import emit, events_of, key_of
from retail_lake.orchestration.flow import AssetResult, Flow
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.standing import standing

Materialize = Callable[..., Any]
"""The shape of `retail_lake.materialize.materialize`."""


BUILD_DAYS: Final = "build_days"
Progress = Callable[[str], None]
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

    engine: str = Field("", description="What runs the jobs, `local` or `spark`; empty: as the settings say.")
    force: bool = Field(False, description="Build days again whose inputs and code are the same.")


def run_step(
    context: dg.AssetExecutionContext, graph: Graph, config: RunOptions, materialize: Materialize | None
) -> Iterator[Any]:
    """Run the selection, logging each table's events when it is done. It yields nothing: skipped outputs are not materialized.

    Raises `Failure` last if any day is bad; by then every good day is published and told. It may be retried only if
    all that is wrong is transient.
    """
    yield from ()
    if materialize is None:
        from retail_lake.materialize import materialize as materialize_table

        materialize = materialize_table
    run_id, settings, resources = context.run.run_id, graph.settings, context.resources
    progress, results = _WATCHER.get() or (None, [])
    days = requested_days(context)
    selection = graph.ordered(context.selected_asset_keys)
    selected = frozenset(context.selected_asset_check_keys)
    if not selection:
        context.log.info("Checks are judged while their table is built; with `force` it is built, and judged, again.")
        emit(context, standing(context.instance, sorted(selected)))
        return
    if config.engine and config.engine not in ENGINES:
        raise dg.Failure(
            f"There is no engine {config.engine!r}: give one of {', '.join(ENGINES)}, or nothing.", allow_retries=False
        )
    if not days and (daily := [t.full_name for t, _ in selection if t.day]):
        raise dg.Failure(f"Say for which days: {', '.join(daily)} are built by day.", allow_retries=False)

    def build(table: Table, days: Sequence[date], unavailable: frozenset[date]) -> Any:
        engine = RoutedEngine(settings, table, lambda name: getattr(resources, name).it, config.engine)
        return materialize(
            resources.lake.it,
            engine,
            table,
            days,
            run_id=run_id,
            unavailable=unavailable,
            force=config.force,
            progress=progress or context.log.info,
        )

    def load(table: Table, days: Sequence[date] | None) -> Any:
        return resources.warehouse.it.load(table, days, resources.lake.it, run_id=run_id)

    flow = Flow(graph, days, build, load, results)
    for table, in_warehouse in selection:
        try:
            result = flow.run(table, in_warehouse)
        except ConfigurationFailure as error:
            said = str(error) if str(error).startswith(table.full_name) else f"{table.full_name}: {error}"
            raise dg.Failure(said, allow_retries=False) from None
        where = str(settings.warehouse_path) if in_warehouse else f"{settings.lake_uri}/{table.layer}/{table.name}"
        events = list(events_of(result, where, selected))
        told = {e.asset_check_key for e in events if isinstance(e, dg.AssetCheckEvaluation)}
        untold = [k for k in selected if k.asset_key == key_of(result) and k not in told]
        # What could not be judged has no verdict; what had no need to be keeps the one it had.
        emit(context, [*events, *(standing(context.instance, untold) if result.error is None else ())])
    if summary := flow.summary():
        errors = [r.error for r in flow.results if r.error]
        blocked = any(d.status == "blocked" for r in flow.results for d in r.days)
        retry = bool(errors) and not blocked and all(isinstance(e, TransientFailure) for e in errors)
        said = "Some days were not published; readers see what was there before. Every other day is done."
        raise dg.Failure(f"{said}\n{summary}{_hint(context)}", allow_retries=retry)


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

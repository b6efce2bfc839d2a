"""Dagster ties the rooms together here and nowhere else: assets, checks, partitions, the run's step, events, the instance.

What a table is, how it is computed and where it is kept belong to the other rooms, none of which imports Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from retail_lake.config import Settings
    from retail_lake.contract import Table
    from retail_lake.orchestration.step import Materialize


def build_definitions(
    *,
    settings: Settings | None = None,
    tables: Mapping[str, Table] | None = None,
    inputs: Mapping[str, tuple[str, ...]] | None = None,
    resources: Mapping[str, Any] | None = None,
    materialize: Materialize | None = None,
) -> dg.Definitions:
    """Everything Dagster loads. Each part can be replaced: a test brings its own tables, days, resources or flow.

    `tables` are by full name in dependency order, `inputs` gives for each the full names it reads, and `resources`
    replaces those of `resources.py` by name. Raises `ConfigurationFailure` if a table breaks its contract's language or
    its SQL does not give the columns and types of its contract.
    """
    import dagster as dg

    from retail_lake.config import settings as current_settings
    from retail_lake.orchestration.assets import build_days, external_assets, lake_assets
    from retail_lake.orchestration.graph import Graph
    from retail_lake.orchestration.resources import default_resources

    settings = settings or current_settings()
    sensors = []
    if settings.artifacts_uri:  # only then can there be remote jobs
        from retail_lake.orchestration.reaper import reaper

        sensors.append(reaper(settings))
    graph = Graph.of(settings, tables, inputs)
    graph.bind()
    return dg.Definitions(
        assets=[*external_assets(graph), lake_assets(graph, materialize)],
        jobs=[build_days(graph)],
        sensors=sensors,
        resources={**default_resources(settings), **(resources or {})},
        # A process per step would cost seconds each; the one step of a run is the unit of work.
        executor=dg.in_process_executor,
    )

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
    from retail_lake.orchestration import json_console
    from retail_lake.orchestration.alerts import alerts
    from retail_lake.orchestration.arrivals import arrivals
    from retail_lake.orchestration.assets import build_days, external_assets, lake_assets
    from retail_lake.orchestration.automation import automation, conditioned
    from retail_lake.orchestration.graph import Graph
    from retail_lake.orchestration.health import health, health_schedule
    from retail_lake.orchestration.maintenance import maintenance, maintenance_schedule
    from retail_lake.orchestration.outlook import Outlook
    from retail_lake.orchestration.reaper import reaper
    from retail_lake.orchestration.resources import default_resources
    from retail_lake.orchestration.second_chance import second_chance
    from retail_lake.orchestration.touched_days import touched_days

    settings = settings or current_settings()
    json_console.use(settings)
    graph = Graph.of(settings, tables, inputs)
    graph.bind()
    outlook = Outlook(graph)
    return dg.Definitions(
        assets=[*external_assets(graph), conditioned(lake_assets(graph, materialize), outlook), health(graph)],
        jobs=[build_days(graph), maintenance(graph)],
        schedules=[health_schedule(graph), maintenance_schedule(graph)],
        sensors=[
            arrivals(graph),
            touched_days(outlook),
            automation(outlook),
            second_chance(),
            reaper(settings),
            alerts(graph),
        ],
        resources={**default_resources(settings), **(resources or {})},
        # A process per step would cost seconds each; the one step of a run is the unit of work.
        executor=dg.in_process_executor,
    )

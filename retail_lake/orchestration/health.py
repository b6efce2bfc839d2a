"""The asset `ops/health`: a report on the whole lake that people look at, made every morning.

Belongs here: the asset, its job and its schedule. Does not: what the report says (`health/report.py`).

Without postponed annotations: Dagster reads the asset's own.
"""

from datetime import UTC, datetime
from typing import Final

import dagster as dg

from retail_lake.orchestration.graph import OPS, Graph

NAME: Final = "health"
REPORT: Final = "report"
_KEY: Final = dg.AssetKey([OPS, NAME])


def health(graph: Graph) -> dg.AssetsDefinition:
    """The asset. Nothing depends on it, and it depends on nothing: it looks at what is there."""

    @dg.asset(
        key=_KEY,
        group_name=OPS,
        description=(
            "How the lake is: which days of which tables are published, incomplete, stale, missing or blocked, how many"
            " rows they have, what is in quarantine, and what remote jobs cost: the metadata `report` of a materialization."
        ),
        owners=[graph.settings.alert_owner],
        kinds={"markdown", "svg"},
        required_resource_keys={"lake"},
    )
    def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from retail_lake.health.report import health as look

        found = look(context.resources.lake.it, list(graph.tables.values()), datetime.now(UTC))
        return dg.MaterializeResult(metadata={REPORT: dg.MetadataValue.md(found.markdown), **found.numbers})

    return report


def health_schedule(graph: Graph) -> dg.ScheduleDefinition:
    """Every morning, when people come in."""
    return dg.ScheduleDefinition(
        name="health_report",
        job=dg.define_asset_job("health_report", dg.AssetSelection.assets(_KEY), description="Makes the report `ops/health`."),
        cron_schedule="0 7 * * *",
        execution_timezone=graph.settings.store_time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The report on the lake's health, every morning at seven in the stores' time zone.",
    )

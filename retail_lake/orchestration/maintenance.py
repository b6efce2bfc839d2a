"""The job `maintenance` and its schedule: once a day, every table is looked after, and Dagster's own history.

Belongs here: the job, and telling what was done. Does not: what is done for a table (`lake/upkeep.py`), or which events go
(`event_retention.py`).

Without postponed annotations: Dagster reads the op's own.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import dagster as dg

from retail_lake.orchestration.failed import BadDays, marked
from retail_lake.orchestration.graph import Graph

if TYPE_CHECKING:
    from retail_lake.lake.upkeep import Kept

NAME: Final = "maintenance"
_COUNTS: Final = {
    "compacted_days": "days whose small files became one",
    "compacted_files": "small files in them",
    "snapshots": "snapshots forgotten",
    "orphans": "data files deleted",
    "metadata_files": "manifests and metadata files deleted",
    "quarantine_days": "days of quarantine retired",
    "landed_files": "landed files retired",
}


def maintenance(graph: Graph) -> dg.JobDefinition:
    """The job. It may run beside any other run, be stopped and be repeated."""
    tables, settings = graph.tables, graph.settings

    @dg.op(
        name="look_after_tables",
        description="Compacts small files, forgets old snapshots, deletes what nobody reaches, keeps to the retention settings.",
        required_resource_keys={"lake"},
        out=dg.Out(dg.Nothing),
    )
    def look_after(context: dg.OpExecutionContext) -> None:
        from retail_lake.lake.upkeep import keep
        from retail_lake.orchestration.event_retention import forget_events

        done: list[Kept] = []
        with marked(context):  # type: ignore[arg-type]
            for each in keep(context.resources.lake.it, tables):
                done.append(each)
                if each.failed:
                    context.log.error(f"{each.table}: {each.failed}")
            events = forget_events(context.instance, settings.event_days)
            context.add_output_metadata({"events_deleted": events, **_numbers(done), "tables": dg.MetadataValue.md(_table(done))})
            if failed := [each for each in done if each.failed]:
                told = "\n  ".join(f"{each.table}: {each.failed}" for each in failed)
                raise BadDays(f"Not everything could be looked after:\n  {told}", [each.kind for each in failed])

    @dg.job(
        name=NAME,
        description="Looks after every table once: small files, old snapshots, orphans, retention. Safe beside other runs.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        look_after()

    return job


def maintenance_schedule(graph: Graph) -> dg.ScheduleDefinition:
    """Every night, when little arrives."""
    return dg.ScheduleDefinition(
        name=NAME,
        job_name=NAME,
        cron_schedule="0 3 * * *",
        execution_timezone=graph.settings.store_time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="The job `maintenance`, every night at three in the stores' time zone.",
    )


def _numbers(done: "Sequence[Kept]") -> dict[str, int]:
    return {name: sum(getattr(each, name) for each in done) for name in _COUNTS}


def _table(done: "Sequence[Kept]") -> str:
    """What was done, by table; those with nothing to do are left out."""
    busy = [each for each in done if not each.idle]
    if not busy:
        return "There was nothing to do."
    shown = [name for name in _COUNTS if any(getattr(each, name) for each in busy)]
    lines = ["| table | " + " | ".join(_COUNTS[name] for name in shown) + " | |", "|---|" + "--:|" * len(shown) + "---|"]
    for each in busy:
        numbers = " | ".join(str(getattr(each, name) or "") for name in shown)
        lines.append(f"| {each.table} | {numbers} | {each.failed} |" if shown else f"| {each.table} | {each.failed} |")
    return "\n".join(lines)

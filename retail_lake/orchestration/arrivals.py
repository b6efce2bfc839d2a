"""The arrival sensor: what comes to landing becomes an asset event, and a run of exactly the bronze tables and days it touches.

Belongs here: asset events, run requests, and which runs there are. Does not: what arrived and what is due (`arrivals/`), or the
layers after bronze (`touched_days.py`).

Each content of a day is asked for once, whatever became of the run: one that failed for a passing reason is the matter of
`second_chance.py`, others wait for a corrected file or a person.

Without postponed annotations: Dagster reads the sensor's own.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

from retail_lake.orchestration.alone import alone
from retail_lake.orchestration.graph import Graph, landing_key, table_key
from retail_lake.orchestration.run import RANGE_END, RANGE_START

if TYPE_CHECKING:
    from retail_lake.arrivals.due import Built
    from retail_lake.arrivals.tick import Looked, Told
    from retail_lake.arrivals.waiting import Request

NAME: Final = "arrivals"
SECONDS: Final = 30
TOKEN: Final = "arrived"
"""Metadata of an asset event that tells it from the next one of its day."""
_LOCK: Final = "arrivals.lock"
_SHOWN: Final = 20


def arrivals(graph: Graph, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> dg.SensorDefinition:
    """The sensor, which runs unless somebody stops it."""
    tables = {t.full_name: t for t in graph.tables.values() if t.landing}

    @dg.sensor(
        name=NAME,
        description=(
            "Looks for what arrived in landing, in the queue that announces it or by listing, puts it down in the lake's book of"
            " arrivals, and asks for the bronze tables of the days that are complete and have settled."
        ),
        asset_selection=dg.AssetSelection.assets(*(table_key(t) for t in tables.values())),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={"lake"},
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        # Dagster lets go of a tick that takes too long and begins the next one, while the first goes on: the book has one writer.
        with alone(graph.settings.home / _LOCK, wait=False) as free:
            return look_alone(context) if free else dg.SkipReason("An earlier look is still at work; this one leaves it alone.")

    def look_alone(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from retail_lake.arrivals.due import as_published
        from retail_lake.arrivals.tick import Cursor, Tick

        def built() -> "Built":
            return as_published(context.resources.lake.it)

        tick = Tick(
            graph.settings,
            list(tables.values()),
            now,
            lambda key: _has_run(context.instance, key),
            lambda told: _tell(context.instance, told),
            built,
        )
        looked = tick.look(Cursor.model_validate_json(context.cursor or "{}"))
        said = _said(looked)
        context.log.info(said)
        return dg.SensorResult(
            run_requests=[_run_request(graph, request) for request in looked.requests],
            skip_reason=None if looked.requests else dg.SkipReason(said),
            cursor=looked.cursor.model_dump_json(),
        )

    return look


def _run_request(graph: Graph, request: "Request") -> dg.RunRequest:
    keys = [table_key(graph.tables[name]) for name in request.tables]
    if request.first == request.last:
        return dg.RunRequest(request.key, asset_selection=keys, partition_key=request.first.isoformat())
    tags = {RANGE_START: request.first.isoformat(), RANGE_END: request.last.isoformat()}
    return dg.RunRequest(request.key, asset_selection=keys, tags=tags)


def _has_run(instance: dg.DagsterInstance, key: str) -> bool:
    """Whether a request has become a run that goes its way; one that was made and not started is started by asking again."""
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: key}))
    return any(run.status is not dg.DagsterRunStatus.NOT_STARTED for run in runs)


def _tell(instance: dg.DagsterInstance, told: "Told") -> None:
    """One asset event for what came to a day; none if the last one was of the same, by a look that was killed."""
    import hashlib

    key, partition = landing_key(told.landing), told.day.isoformat()
    identities = sorted(f"{name} {version.identity}" for name, version in told.files.items())
    token = hashlib.sha256("\n".join(identities).encode()).hexdigest()[:20]
    last = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1)
    for record in last.records:
        before = record.asset_materialization
        if before is not None and TOKEN in before.metadata and before.metadata[TOKEN].value == token:
            return
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition, metadata=_metadata(told, token)))


def _metadata(told: "Told", token: str) -> dict[str, Any]:
    shown = sorted(told.files.items())[:_SHOWN]
    metadata: dict[str, Any] = {
        "files": len(told.files),
        "bytes": sum(version.size for version in told.files.values()),
        "day": told.completeness.said,
        "keys": dg.MetadataValue.table(
            [
                dg.TableRecord({"key": key, "bytes": v.size, "written": f"{v.written:%Y-%m-%d %H:%M:%S}", "version": v.version})
                for key, v in shown
            ],
            schema=dg.TableSchema([dg.TableColumn(name) for name in ("key", "bytes", "written", "version")]),
        ),
        TOKEN: token,
    }
    if told.completeness.missing:
        metadata["missing"] = ", ".join(told.completeness.missing)
    return metadata


def _said(looked: "Looked") -> str:
    held = [f"{each.dataset} {each.day} {each.why}" for each in looked.held]
    more = [f"and {len(held) - _SHOWN} more days wait"] if len(held) > _SHOWN else []
    return "\n".join(["; ".join(looked.said[:3]), *looked.said[3:], *held[:_SHOWN], *more])

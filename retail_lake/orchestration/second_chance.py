"""The second chance: a sensor that asks again for runs that failed for a transient reason, after a pause that grows.

Belongs here: which failed runs are asked for again, and when. Does not: the kinds of failure (`failed.py`), attempts inside a run
(`flow.py`), runs whose process died (`run_retries` in `dagster.yaml`).

It looks at what is there and keeps no cursor: a run that was asked for again is known by the tag of the run that came of it,
so that nothing is lost with a daemon that dies and nothing is asked for twice. What is a matter of data, of configuration or a
bug would fail the same way, and is left to people. So is a run of the command line: whoever started it has seen it fail. Only
runs of tables are asked for again: `maintenance` comes by itself the next night, and nothing waits for it.

Without postponed annotations: Dagster reads the sensor's own.
"""

from collections.abc import Callable, Iterator, Set
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from retail_lake.contract import Layer
from retail_lake.orchestration.alive import PROCESS_TAG
from retail_lake.orchestration.failed import AGAIN_TAG, FAILURE_TAG
from retail_lake.orchestration.graph import WAREHOUSE
from retail_lake.orchestration.run import PARTITION, RANGE_END, RANGE_START
from retail_lake.orchestration.step import TABLE_JOBS

NAME: Final = "second_chance"
SECONDS: Final = 60
CHANCES: Final = 3
PAUSE: Final = timedelta(minutes=5)
"""Before the second run; four times as long before each further one."""
FORGOTTEN: Final = timedelta(days=1)
"""How long ago a failure may be for a second chance, so that a daemon that was off for a week does not begin with old ones."""
AT_ONCE: Final = 20
"""Requests of one tick: the rest have theirs in the next."""
OF_TAG: Final = "retail-lake/second-chance-of"
CHANCE_TAG: Final = "retail-lake/chance"
_NOT_PASSED_ON: Final = frozenset({FAILURE_TAG, AGAIN_TAG, OF_TAG, CHANCE_TAG, PROCESS_TAG})
_DAYS: Final = (PARTITION, RANGE_START, RANGE_END)


def _now() -> datetime:
    return datetime.now(UTC)


def second_chance(now: Callable[[], datetime] = _now) -> dg.SensorDefinition:
    """The sensor, which runs unless somebody stops it."""

    @dg.sensor(
        name=NAME,
        description=(
            f"Asks again for runs that failed for a transient reason: {PAUSE.seconds // 60} minutes after the failure, then after"
            f" pauses that grow fourfold, {CHANCES} times at most."
        ),
        asset_selection=dg.AssetSelection.groups(*(layer.value for layer in Layer), WAREHOUSE),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        requests: list[dg.RunRequest] = []
        waiting: list[str] = []
        for record, due in _failed(context.instance, now()):
            if due > now():
                waiting.append(f"run {record.dagster_run.run_id} has its next chance at {due:%H:%M} UTC")
            elif len(requests) < AT_ONCE:
                requests.append(_request(record.dagster_run))
        if requests:
            return dg.SensorResult(run_requests=requests)
        return dg.SkipReason("; ".join(waiting) or "No run failed for a transient reason.")

    return look


def _failed(instance: dg.DagsterInstance, now: datetime) -> Iterator[tuple[dg.RunRecord, datetime]]:
    """The runs that are worth another try and have not had it, with the time it is due."""
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], tags={AGAIN_TAG: "true"}, updated_after=now - FORGOTTEN)
    for record in instance.get_run_records(wanted, ascending=True):
        run, ended = record.dagster_run, datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
        chance = _chance(run)
        ours = run.job_name in TABLE_JOBS and PROCESS_TAG not in run.tags
        if ours and chance < CHANCES and now - ended < FORGOTTEN and not _settled(instance, record):
            yield record, ended + PAUSE * 4**chance


def _settled(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether it had its chance already, or somebody has asked for the same since: then that run's end counts."""
    run = record.dagster_run
    if instance.get_runs_count(dg.RunsFilter(tags={OF_TAG: run.run_id})):
        return True
    same = {name: run.tags[name] for name in _DAYS if name in run.tags}
    # The storage's clock may know seconds only; its ids tell who came later.
    near = dg.RunsFilter(tags=same, created_after=record.create_timestamp - timedelta(seconds=2))
    later = [r.dagster_run for r in instance.get_run_records(near) if r.storage_id > record.storage_id]
    going = [r for r in later if r.job_name in TABLE_JOBS and r.status is not dg.DagsterRunStatus.CANCELED]
    return any(_takes_in(r.asset_selection, run.asset_selection) for r in going)


def _takes_in(selection: Set[dg.AssetKey] | None, other: Set[dg.AssetKey] | None) -> bool:
    """Whether one selection of tables has all of the other; none, or an empty one, is of all tables."""
    return not selection or (bool(other) and set(other or ()) <= set(selection))


def _request(run: dg.DagsterRun) -> dg.RunRequest:
    """The same days of the same tables, told the same at launch. Tables that are as they should be are left alone by the run."""
    kept = {name: value for name, value in run.tags.items() if name in _DAYS or name.startswith("retail-lake/")}
    return dg.RunRequest(
        run_key=run.run_id,
        asset_selection=sorted(run.asset_selection) if run.asset_selection else None,
        run_config=run.run_config,
        tags={
            **{name: value for name, value in kept.items() if name not in _NOT_PASSED_ON},
            OF_TAG: run.run_id,
            CHANCE_TAG: str(_chance(run) + 1),
        },
    )


def _chance(run: dg.DagsterRun) -> int:
    """How many chances a run is the result of."""
    told = run.tags.get(CHANCE_TAG, "0")
    return int(told) if told.isdigit() else CHANCES

"""The reaper: a sensor that ends runs whose process is gone, and stops their remote jobs. Who was killed can do neither.

Belongs here: asking Dagster which runs are over. Does not: finding and stopping jobs (`engines/launches.py`).

A run that this instance does not know is another's (somebody's laptop over the same lake), or was deleted: nobody can tell, and
its job is left alone for as long as it may take.

Without postponed annotations: Dagster reads the sensor's own.
"""

from functools import partial
from typing import TYPE_CHECKING, Final

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from retail_lake.config import REMOTE, Settings
from retail_lake.orchestration.alive import goes_on, process_is_gone

if TYPE_CHECKING:
    from retail_lake.engines.launches import Reaped

NAME: Final = "reaper"
SECONDS: Final = 60


def reaper(settings: Settings) -> dg.SensorDefinition:
    """The sensor, which runs unless somebody stops it."""

    @dg.sensor(
        name=NAME,
        description=(
            "Says of runs whose process is gone that they have failed, and stops the remote jobs of runs that are over. What each"
            " job used is put on the books."
        ),
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        required_resource_keys={*REMOTE},
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        from retail_lake.engines.launches import reap

        instance = context.instance
        for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES)):
            if process_is_gone(run):
                instance.report_run_failed(run, "The process of this run is gone: it was killed, or its machine was restarted.")

        if not settings.artifacts_uri:
            return dg.SkipReason("No engine of these settings runs jobs elsewhere.")

        reaped = reap(settings, partial(goes_on, instance), lambda name: getattr(context.resources, name).it.control)
        for each in reaped:
            context.log.warning(_told(each))
        return dg.SkipReason("\n".join(_told(each) for each in reaped) or "No remote job is left of a run that is over.")

    return look


def _told(reaped: "Reaped") -> str:
    launch = reaped.launch
    days = f" {min(launch.days)} to {max(launch.days)}" if launch.days else ""
    job = launch.remote_id or launch.token
    return f"{launch.table}{days} of run {launch.run_id}: job {job} on {launch.engine} {reaped.said}"

"""The `emr_serverless` engine's service: job runs of one EMR Serverless application.

Belongs here: EMR Serverless's calls, states and units. Does not: the packed environment that a job runs in (`deploy/`), or how
long to wait and what a failure means (`remote.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from retail_lake.aws import client
from retail_lake.config import EngineName, Settings
from retail_lake.deploy.artifact import Artifact, current
from retail_lake.engines import spark_submit
from retail_lake.engines.control import Launch, Log, State, Status
from retail_lake.engines.logs import s3_tail

STATES: Final[Mapping[str, State]] = {
    "SUBMITTED": State.WAITING,
    "QUEUED": State.WAITING,
    "PENDING": State.WAITING,
    "SCHEDULED": State.WAITING,
    "RUNNING": State.RUNNING,
    "CANCELLING": State.RUNNING,
    "SUCCESS": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.STOPPED,
}
_UNITS: Final = {"vcpu_hours": "vCPUHour", "gb_hours": "memoryGBHour", "storage_gb_hours": "storageGBHour"}
_LOOK_BACK: Final = timedelta(days=2)
_MOST_LISTED: Final = 2000
_LEAST_MINUTES: Final = 5
"""The shortest timeout that the service takes."""


class EmrServerless:
    """See `Control`. `artifact` gives what jobs run from now."""

    name: EngineName = "emr_serverless"

    def __init__(self, settings: Settings, artifact: Callable[[Settings], Artifact] = current) -> None:
        self.settings = settings
        self._artifact = artifact

    @cached_property
    def _emr(self) -> Any:
        return client("emr-serverless", self.settings)

    @property
    def _application(self) -> dict[str, str]:
        return {"applicationId": self.settings.emr_serverless_application}

    def submit(self, launch: Launch) -> str:
        """See `Control`. The token is the service's own too: a second call with it finds the first one's run."""
        artifact = self._artifact(self.settings)
        started = self._emr.start_job_run(
            **self._application,
            clientToken=launch.token,
            name=_name(launch),
            executionRoleArn=self.settings.emr_serverless_role,
            jobDriver={
                "sparkSubmit": {
                    "entryPoint": artifact.entry,
                    "entryPointArguments": list(launch.arguments),
                    "sparkSubmitParameters": " ".join(spark_submit.options(_spark(artifact, launch.workers))),
                }
            },
            configurationOverrides={"monitoringConfiguration": {"s3MonitoringConfiguration": self._logs()}},
            # Later than our own deadline, which says more of the job.
            executionTimeoutMinutes=max(_LEAST_MINUTES, launch.timeout // 60 + 1),
            tags=dict(launch.tags),
        )
        return str(started["jobRunId"])

    def find(self, token: str) -> str | None:
        """See `Control`. Looks through the last two days' runs: no job lives that long."""
        pages = self._emr.get_paginator("list_job_runs").paginate(
            **self._application,
            createdAtAfter=datetime.now(UTC) - _LOOK_BACK,
            PaginationConfig={"MaxItems": _MOST_LISTED, "PageSize": 50},
        )
        names = ((run.get("name", ""), run["id"]) for page in pages for run in page["jobRuns"])
        return next((str(run_id) for name, run_id in names if name.endswith(f" {token}")), None)

    def status(self, remote_id: str) -> Status:
        """See `Control`."""
        run = self._emr.get_job_run(**self._application, jobRunId=remote_id)["jobRun"]
        state, reason = STATES[run["state"]], run.get("stateDetails") or ""
        if state is State.STOPPED and ("timeout" in reason.lower() or "timed out" in reason.lower()):
            state = State.TIMED_OUT
        used = run.get("billedResourceUtilization") or run.get("totalResourceUtilization") or {}
        usage = {unit: used.get(key) or 0.0 for unit, key in _UNITS.items()}
        return Status(state, reason, usage, run.get("endedAt") if state.ended else None)

    def cancel(self, remote_id: str) -> None:
        """See `Control`."""
        from botocore.exceptions import ClientError

        try:
            self._emr.cancel_job_run(**self._application, jobRunId=remote_id)
        except ClientError:
            # One that has ended cannot be cancelled, which the service words like a wrong request.
            if not self.status(remote_id).state.ended:
                raise

    def console(self, remote_id: str) -> str:
        """See `Control`."""
        region, application = self.settings.region, self.settings.emr_serverless_application
        home = f"https://{region}.console.aws.amazon.com/emr/home?region={region}"
        return f"{home}#/serverless-applications/{application}/job-runs/{remote_id}"

    def log_tail(self, remote_id: str, lines: int = 30) -> Log:
        """See `Control`. They are on S3 some time after a worker has written them."""
        at = f"{self._logs()['logUri']}applications/{self.settings.emr_serverless_application}/jobs/{remote_id}/SPARK_DRIVER"
        return s3_tail(self.settings, at, lines)

    def _logs(self) -> dict[str, str]:
        key = {"encryptionKeyArn": self.settings.kms_key} if ":key/" in self.settings.kms_key else {}
        return {"logUri": f"{self.settings.artifacts_uri}/logs/", **key}


def _name(launch: Launch) -> str:
    """What the run is called, its token last; a name has at most 256 characters."""
    return f"{launch.name[: 255 - len(launch.token)]} {launch.token}"


def _spark(artifact: Artifact, workers: int) -> dict[str, str]:
    """The settings by which EMR Serverless uses the artifact's Python, not its image's, in driver and executors."""
    driver = {
        f"spark.emr-serverless.driverEnv.{name}": spark_submit.PYTHON for name in ("PYSPARK_DRIVER_PYTHON", "PYSPARK_PYTHON")
    }
    return {"spark.archives": spark_submit.archive(artifact.environment), **driver, **spark_submit.settings(workers)}

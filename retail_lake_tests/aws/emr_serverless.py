"""EMR Serverless: job runs of an application that run.

Belongs here: the service's rules, states and words. Does not: spark-submit's options (`spark_submit.py`), running a job
(`job.py`).
"""

from __future__ import annotations

import json
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.emrserverless.models import Application, EMRServerlessBackend, emrserverless_backends

from retail_lake_tests.aws import spark_submit
from retail_lake_tests.aws.job import End, Job, Phase, Unstartable
from retail_lake_tests.aws.processes import Program
from retail_lake_tests.aws.service import ACCOUNT, REGION, AwsError, Call, Service

_LABEL = re.compile(r"emr-(spark-)?\d+\.\d+\.\d+")
_ANY_LABEL = "emr-7.0.0"
"""A release that moto knows: it does not know those with Spark 4."""
_PHASES = {Phase.WAITING: "SUBMITTED", Phase.PREPARING: "SCHEDULED", Phase.RUNNING: "RUNNING"}
_ENDED = ("SUCCESS", "FAILED", "CANCELLED")


def spark_of(label: str) -> str:
    """The Spark version of an EMR release."""
    return "4.1" if label.startswith("emr-spark-") else "3.5"


@dataclass
class _Run:
    id: str
    application: Application
    params: dict[str, Any]
    created: datetime
    job: Job | None = None

    @property
    def arn(self) -> str:
        return f"{self.application.arn}/jobruns/{self.id}"

    @property
    def state(self) -> str:
        job = self.job
        if job is None:
            return "SUBMITTED"
        if job.outcome is None:
            return "CANCELLING" if job.cancelling else _PHASES[job.phase]
        if job.outcome.success:
            return "SUCCESS"
        return "CANCELLED" if job.outcome.end in (End.CANCELLED, End.TIMED_OUT) else "FAILED"

    @property
    def details(self) -> str:
        """What the service says of the state."""
        outcome = self.job.outcome if self.job else None
        if outcome is None or outcome.success:
            return ""
        match outcome.end:
            case End.CANCELLED:
                return "JobRun is cancelled by the user"
            case End.TIMED_OUT:
                return f"JobRun timeout after {self.params.get('executionTimeoutMinutes', 720)} minutes"
            case End.NO_CAPACITY:
                return (
                    "Job failed: ApplicationMaxCapacityExceededException: Worker could not be allocated as the application has "
                    "exceeded maximumCapacity settings: [cpu: 4 vCPU, memory: 16 GB]"
                )
        said = f"{outcome.message}" if outcome.end is not End.OUT_OF_MEMORY else "java.lang.OutOfMemoryError: Java heap space"
        return (
            "Job failed, please check complete logs in configured logging destination. "
            f"ExitCode: {outcome.status}. Last few exceptions: {said}"
        )

    @property
    def utilization(self) -> dict[str, float]:
        """What the driver and its executors held, in hours: a minute at least, as it is billed."""
        settings = _settings(self.params)
        workers = 1 + int(settings.get("spark.executor.instances", settings.get("spark.dynamicAllocation.initialExecutors", 3)))
        cores = int(settings.get("spark.driver.cores", 4)) + (workers - 1) * int(settings.get("spark.executor.cores", 4))
        memory = _gigabytes(settings.get("spark.driver.memory", "14g"))
        memory += (workers - 1) * _gigabytes(settings.get("spark.executor.memory", "14g"))
        hours = max(self.job.seconds if self.job else 0, 60) / 3600
        return {
            "vCPUHour": round(cores * hours, 3),
            "memoryGBHour": round(1.1 * memory * hours, 3),
            "storageGBHour": round(20 * workers * hours, 3),
        }

    def summary(self) -> dict[str, Any]:
        """What lists and descriptions have in common."""
        job = self.job
        moment = datetime.fromtimestamp(job.completed, UTC) if job and job.completed else datetime.now(UTC)
        return {
            "applicationId": self.application.id,
            "name": self.params.get("name"),
            "arn": self.arn,
            "createdBy": f"arn:aws:iam::{ACCOUNT}:user/test",
            "createdAt": self.created,
            "updatedAt": moment,
            "executionRole": self.params["executionRoleArn"],
            "state": self.state,
            "stateDetails": self.details,
            "releaseLabel": self.application.release_label,
            "mode": "BATCH",
            "attempt": 1,
        }

    def as_dict(self) -> dict[str, Any]:
        """The whole description."""
        job, ended = self.job, self.state in _ENDED
        used = self.utilization if ended and job and job.started else None
        return {
            **self.summary(),
            "jobRunId": self.id,
            "jobDriver": self.params.get("jobDriver"),
            "configurationOverrides": self.params.get("configurationOverrides"),
            "tags": self.params.get("tags", {}),
            "executionTimeoutMinutes": self.params.get("executionTimeoutMinutes", 720),
            "totalExecutionDurationSeconds": round(job.seconds) if job else 0,
            "totalResourceUtilization": used,
            "billedResourceUtilization": used,
            "startedAt": datetime.fromtimestamp(job.started, UTC) if job and job.started else None,
            "endedAt": datetime.fromtimestamp(job.completed, UTC) if job and job.completed else None,
        }


def _settings(params: dict[str, Any]) -> dict[str, str]:
    """The Spark settings of a submission: those of the classification first, then those of the command line."""
    configured: dict[str, str] = {}
    for part in params.get("configurationOverrides", {}).get("applicationConfiguration", []):
        if part["classification"] == "spark-defaults":
            configured |= part.get("properties", {})
    return configured | spark_submit.parameters(params["jobDriver"]["sparkSubmit"].get("sparkSubmitParameters", ""))


def _gigabytes(text: str) -> float:
    number, unit = float(text[:-1]), text[-1].lower()
    return number * {"g": 1, "m": 1 / 1024, "k": 1 / 1024**2}[unit]


class EmrServerless(Service):
    """Job runs; applications are moto's, of any release."""

    name = "emr-serverless"

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._tokens: dict[tuple[str, str], tuple[str, str]] = {}
        self._lock = threading.Lock()

    def reset(self) -> None:
        """See `Service`."""
        with self._lock:
            self._runs.clear()
            self._tokens.clear()

    @property
    def _backend(self) -> EMRServerlessBackend:
        return emrserverless_backends[ACCOUNT][REGION]

    def _application(self, application_id: str) -> Application:
        application = self._backend.applications.get(application_id)
        if application is None:
            raise AwsError("ResourceNotFoundException", f"Application {application_id} does not exist", 404)
        return application

    def create_application(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """A release that moto does not know is one all the same."""
        label = params["releaseLabel"]
        if not _LABEL.fullmatch(label):
            raise AwsError("ValidationException", f"Release label {label} does not exist")
        names = {
            "initial_capacity": "initialCapacity",
            "maximum_capacity": "maximumCapacity",
            "tags": "tags",
            "auto_start_configuration": "autoStartConfiguration",
            "auto_stop_configuration": "autoStopConfiguration",
            "network_configuration": "networkConfiguration",
        }
        application = self._backend.create_application(
            name=params.get("name", ""),
            release_label=_ANY_LABEL,
            application_type=params["type"].upper(),
            client_token=params["clientToken"],
            **{ours: params.get(theirs) for ours, theirs in names.items()},  # type: ignore[arg-type]
        )
        application.release_label = label
        return {"applicationId": application.id, "name": application.name, "arn": application.arn}

    def start_job_run(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Starts a run, or finds the one that was started with the same token."""
        application = self._application(params["applicationId"])
        if application.state == "TERMINATED":
            raise AwsError("ValidationException", f"Application {application.id} is terminated. Cannot start job run.")
        if params["executionRoleArn"].split(":")[4] != ACCOUNT:
            raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", 403)
        if 0 < params.get("executionTimeoutMinutes", 720) < 5:
            raise AwsError("ValidationException", "RunTimeout must be at least 5 minutes.")
        if "sparkSubmit" not in params.get("jobDriver", {}):
            raise AwsError("ValidationException", "jobDriver must be sparkSubmit for an application of type SPARK")
        try:
            _settings(params)
        except (Unstartable, ValueError) as error:
            raise AwsError("ValidationException", str(error)) from None
        digest, key = json.dumps(params, sort_keys=True, default=str), (application.id, params["clientToken"])
        with self._lock:
            if key in self._tokens:
                run_id, before = self._tokens[key]
                if before != digest:
                    raise AwsError("ConflictException", "The client token was used with other parameters", 409)
                return self._started(self._runs[run_id])
            run = _Run(f"00{secrets.token_hex(7)}", application, params, datetime.now(UTC))
            self._tokens[key], self._runs[run.id] = (run.id, digest), run
            minutes = params.get("executionTimeoutMinutes", 720)
            run.job = self.aws.runtime.run(
                self.name,
                run.id,
                params,
                lambda folder: self._prepare(run, folder),
                timeout=60 * minutes if minutes else float("inf"),
                heard=lambda stream, data: self._log(run, stream, data),
                ended=lambda job: self._archive(run, job),
            )
        return self._started(run)

    def _started(self, run: _Run) -> dict[str, Any]:
        return {"applicationId": run.application.id, "jobRunId": run.id, "arn": run.arn}

    def _prepare(self, run: _Run, folder: Path) -> Program:
        runtime, driver = self.aws.runtime, run.params["jobDriver"]["sparkSubmit"]
        submission = spark_submit.Submission(
            driver["entryPoint"], tuple(driver.get("entryPointArguments", ())), _settings(run.params)
        )
        image = runtime.image(spark_of(run.application.release_label))
        return spark_submit.program(folder, submission, runtime.environments, image, runtime.variables)

    def _monitoring(self, run: _Run) -> dict[str, Any]:
        found: dict[str, Any] = run.params.get("configurationOverrides", {}).get("monitoringConfiguration", {})
        return found

    def _log(self, run: _Run, stream: str, data: bytes) -> None:
        watch = self._monitoring(run).get("cloudWatchLoggingConfiguration", {})
        if watch.get("enabled"):
            prefix = f"{watch['logStreamNamePrefix']}/" if watch.get("logStreamNamePrefix") else ""
            name = f"{prefix}applications/{run.application.id}/jobs/{run.id}/SPARK_DRIVER/{stream}"
            self.aws.runtime.log(watch.get("logGroupName", "/aws/emr-serverless"), name, data)

    def _archive(self, run: _Run, job: Job) -> None:
        uri = self._monitoring(run).get("s3MonitoringConfiguration", {}).get("logUri")
        if uri:
            at = f"{uri.rstrip('/')}/applications/{run.application.id}/jobs/{run.id}/SPARK_DRIVER"
            for stream in ("stdout", "stderr"):
                self.aws.runtime.archive_log(f"{at}/{stream}.gz", job.text(stream))

    def _find(self, params: dict[str, Any]) -> _Run:
        self._application(params["applicationId"])
        run = self._runs.get(params["jobRunId"])
        if run is None or run.application.id != params["applicationId"]:
            raise AwsError("ResourceNotFoundException", f"JobRun {params['jobRunId']} does not exist", 404)
        return run

    def get_job_run(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Where a run stands now."""
        return {"jobRun": self._find(params).as_dict()}

    def cancel_job_run(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Tells a run to stop; one that has ended is refused."""
        run = self._find(params)
        if run.job is None or run.state in _ENDED:
            raise AwsError("ValidationException", f"JobRun {run.id} cannot be cancelled in state {run.state}")
        run.job.cancel()
        return {"applicationId": run.application.id, "jobRunId": run.id}

    def list_job_runs(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """The runs of an application, the newest first, in pages."""
        application = self._application(params["applicationId"])
        after, before, states = params.get("createdAtAfter"), params.get("createdAtBefore"), params.get("states")
        found = []
        for run in reversed(list(self._runs.values())):
            made = run.created.replace(tzinfo=None)
            timely = (after is None or made >= after) and (before is None or made <= before)
            if run.application.id == application.id and timely and (not states or run.state in states):
                found.append({**run.summary(), "id": run.id, "type": application.type})
        start, size = int(params.get("nextToken") or 0), params.get("maxResults", 50)
        more = str(start + size) if len(found) > start + size else None
        return {"jobRuns": found[start : start + size], "nextToken": more}

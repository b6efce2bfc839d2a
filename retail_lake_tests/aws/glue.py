"""Glue: job runs that run, and a Data Catalog whose table versions count.

Belongs here: Glue's rules, states and words. Does not: running a job (`job.py`) or its environment (`environments.py`).
What Glue's own environment holds besides Spark is not there: an artifact must bring all that it imports.
"""

from __future__ import annotations

import re
import secrets
import shlex
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.glue.models import FakeJob, FakeTable, GlueBackend, glue_backends

from retail_lake_tests.aws import spark_submit
from retail_lake_tests.aws.job import End, Job, Outcome, Phase, Unstartable
from retail_lake_tests.aws.processes import Program
from retail_lake_tests.aws.service import ACCOUNT, REGION, AwsError, Call, Service

_SPARK = {"6.0": "4.1", "5.1": "3.5", "5.0": "3.5", "4.0": "3.3"}
"""The Spark of each Glue version that is not too old to be made any more."""
_DPU = {
    "G.025X": 0.25, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8, "G.12X": 12, "G.16X": 16,
    "R.1X": 1, "R.2X": 2, "R.4X": 4, "R.8X": 8, "Standard": 1,
}  # fmt: skip
_CONSUMED = re.compile(
    r"--(additional-python-modules|python-modules-installer-option|extra-(py-files|files|jars)|enable-[\w-]+|conf|job-language"
    r"|class|scriptLocation|datalake-formats|spark-event-logs-path|continuous-log-[\w-]+|job-bookmark-[\w-]+|user-jars-first)"
)
"""Arguments that Glue takes for itself."""
_ERROR = re.compile(r"(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Failure|Interrupt|Exit))(?:: |$)")
_LOGS = "/aws-glue/jobs"


@dataclass
class _Run:
    """One job run: what it was started with, the definition as it was then, and the job."""

    id: str
    definition: FakeJob
    params: dict[str, Any]
    arguments: dict[str, str]
    created: datetime
    job: Job | None = None

    @property
    def state(self) -> str:
        job = self.job
        if job is None or job.phase in (Phase.WAITING, Phase.PREPARING):
            return "STOPPING" if job and job.cancelling else "STARTING"
        if job.outcome is None:
            return "STOPPING" if job.cancelling else "RUNNING"
        if job.outcome.success:
            return "SUCCEEDED"
        return {End.CANCELLED: "STOPPED", End.TIMED_OUT: "TIMEOUT"}.get(job.outcome.end, "FAILED")

    @property
    def live(self) -> bool:
        return self.state in ("STARTING", "RUNNING", "STOPPING")

    def given(self, name: str, attribute: str) -> Any:
        """A parameter of the run, or else of the definition."""
        return self.params.get(name) or getattr(self.definition, attribute)

    def as_dict(self) -> dict[str, Any]:
        job = self.job
        worker, number = self.given("WorkerType", "worker_type"), self.given("NumberOfWorkers", "number_of_workers")
        dpus = _DPU.get(worker, 1) * (number or 0) or self.given("MaxCapacity", "max_capacity") or 10
        seconds = round(job.seconds) if job else 0
        metered = self.arguments.get("--enable-auto-scaling") == "true" or self.params.get("ExecutionClass") == "FLEX"
        ended = datetime.fromtimestamp(job.completed, UTC) if job and job.completed else None
        return {
            "Id": self.id,
            "Attempt": 0,
            "JobName": self.definition.name,
            "JobMode": "SCRIPT",
            "StartedOn": self.created,
            "LastModifiedOn": ended or datetime.now(UTC),
            "CompletedOn": ended,
            "JobRunState": self.state,
            "Arguments": self.params.get("Arguments"),
            "ErrorMessage": _words(job) if job else None,
            "PredecessorRuns": [],
            "AllocatedCapacity": int(dpus),
            "ExecutionTime": seconds,
            "Timeout": self.given("Timeout", "timeout") or 480,
            "MaxCapacity": float(dpus),
            "WorkerType": worker,
            "NumberOfWorkers": number,
            "LogGroupName": _LOGS,
            "GlueVersion": self.definition.glue_version,
            # Only where workers come and go does Glue say how many there were.
            "DPUSeconds": float(seconds * dpus) if metered and ended else None,
            "ExecutionClass": self.params.get("ExecutionClass", "STANDARD"),
        }


def _words(job: Job) -> str | None:
    """What Glue says of a run that did not succeed."""
    outcome: Outcome | None = job.outcome
    if outcome is None or outcome.success or outcome.end is End.CANCELLED:
        return None
    match outcome.end:
        case End.TIMED_OUT:
            return f"Job run timed out after {round(job.timeout / 60)} minutes"
        case End.NO_CAPACITY:
            return "Resource unavailable"
        case End.OUT_OF_MEMORY:
            return "Command Failed due to Out of Memory"
        case End.UNSTARTABLE:
            return f"LAUNCH ERROR | {outcome.message}"
        case End.KILLED:
            return f"Command failed with exit code {outcome.status}"
    return outcome.message if _ERROR.match(outcome.message) else f"SystemExit: {outcome.status}"


class Glue(Service):
    """Jobs and tables. Jobs are defined by moto's CreateJob; what it lacks or gets wrong is here."""

    name = "glue"

    def __init__(self) -> None:
        self._runs: dict[str, list[_Run]] = {}
        self._lock = threading.Lock()
        self._catalog = threading.Lock()

    def reset(self) -> None:
        """See `Service`."""
        with self._lock:
            self._runs.clear()

    @property
    def _backend(self) -> GlueBackend:
        return glue_backends[ACCOUNT][REGION]

    def _definition(self, name: str) -> FakeJob:
        try:
            return self._backend.jobs[name]
        except KeyError:
            raise AwsError("EntityNotFoundException", f"Failed to start job run due to missing metadata: {name}") from None

    def _check(self, definition: dict[str, Any]) -> None:
        command, version = definition["Command"], definition.get("GlueVersion")
        if version not in _SPARK:
            raise AwsError("InvalidInputException", f"Glue version {version} is not supported; give one of {', '.join(_SPARK)}")
        if command.get("Name") != "glueetl":
            raise AwsError("InvalidInputException", f"Command name {command.get('Name')} is not supported here")
        if bool(definition.get("WorkerType")) != bool(definition.get("NumberOfWorkers")):
            raise AwsError("InvalidInputException", "WorkerType and NumberOfWorkers must be given together.")
        if definition.get("WorkerType") and (definition.get("MaxCapacity") or definition.get("AllocatedCapacity")):
            raise AwsError("InvalidInputException", "Please do not set Max Capacity if using Worker Type and Number of Workers.")
        if definition.get("Timeout", 480) > 10_080:
            raise AwsError("InvalidInputException", "Timeout not supported: it must be at most 10080 minutes.")

    def create_job(self, params: dict[str, Any], call: Call) -> Any:
        """Refuses a name that is taken, which moto does not."""
        self._check(params)
        with self._lock:
            if params["Name"] in self._backend.jobs:
                raise AwsError("AlreadyExistsException", f"Job {params['Name']} already exists")
            return self.aws.moto(call)

    def update_job(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Replaces the definition: what is not given goes back to its default."""
        name, update = params["JobName"], params["JobUpdate"]
        with self._lock:
            before = self._backend.jobs.get(name)
            if before is None:
                raise AwsError("EntityNotFoundException", f"Job {name} not found.")
            if "Role" not in update or "Command" not in update:
                raise AwsError("InvalidInputException", "Role and Command are required.")
            self._check(update)
            self._backend.create_job(
                name,
                update["Role"],
                update["Command"],
                update.get("Description"),
                update.get("LogUri"),
                update.get("ExecutionProperty"),
                update.get("DefaultArguments"),
                update.get("NonOverridableArguments"),
                update.get("Connections"),
                update.get("MaxRetries"),
                update.get("AllocatedCapacity"),
                update.get("Timeout"),
                update.get("MaxCapacity"),
                update.get("SecurityConfiguration"),
                self._backend.get_tags(before.arn),
                update.get("NotificationProperty"),
                update.get("GlueVersion"),
                update.get("NumberOfWorkers"),
                update.get("WorkerType"),
                update.get("CodeGenConfigurationNodes"),
                update.get("ExecutionClass"),
                update.get("SourceControlDetails"),
            )
            self._backend.jobs[name].created_on = before.created_on
        return {"JobName": name}

    def start_job_run(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Starts a run, unless as many as may run at once do."""
        definition = self._definition(params["JobName"])
        arguments = {
            **definition.default_arguments,
            **params.get("Arguments", {}),
            **(definition.non_overridable_arguments or {}),
        }
        run = _Run(f"jr_{secrets.token_hex(32)}", definition, params, arguments, datetime.now(UTC))
        with self._lock:
            runs = self._runs.setdefault(definition.name, [])
            if sum(r.live for r in runs) >= definition.execution_property.get("MaxConcurrentRuns", 1):
                raise AwsError("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {definition.name}")
            runs.insert(0, run)
            run.job = self.aws.runtime.run(
                "glue",
                run.id,
                params,
                lambda folder: self._prepare(run, folder),
                timeout=60 * (run.given("Timeout", "timeout") or 480),
                heard=lambda stream, data: self._log(run.id, stream, data),
            )
        return {"JobRunId": run.id}

    def _log(self, run_id: str, stream: str, data: bytes) -> None:
        self.aws.runtime.log(f"{_LOGS}/{'output' if stream == 'stdout' else 'error'}", run_id, data)

    def _prepare(self, run: _Run, folder: Path) -> Program:
        runtime, given = self.aws.runtime, run.arguments
        modules = [m.strip() for m in given.get("--additional-python-modules", "").split(",") if m.strip()]
        python = runtime.environments.wheels(modules, shlex.split(given.get("--python-modules-installer-option", "")))
        if "--extra-py-files" in given:
            raise Unstartable("--extra-py-files is not supported here: put wheels into --additional-python-modules")
        script = runtime.environments.download(run.definition.command["ScriptLocation"], folder / "script.py")  # type: ignore[index]
        settings, _ = spark_submit.options(shlex.split(f"--conf {given['--conf']}") if "--conf" in given else [])
        image = runtime.image(_SPARK[run.definition.glue_version])
        own = [word for name, value in given.items() if not _CONSUMED.fullmatch(name) for word in (name, value)]
        words = ["--JOB_NAME", run.definition.name, "--JOB_RUN_ID", run.id, "--JOB_ID", f"j_{run.id[3:35]}", *own]
        environment = {**runtime.variables, **image.environment(folder, settings), "PYSPARK_PYTHON": str(python)}
        return Program((str(python), str(script), *image.arguments(folder, words)), folder, environment)

    def _find(self, job: str, run_id: str) -> _Run:
        for run in self._runs.get(job, []):
            if run.id == run_id:
                return run
        raise AwsError("EntityNotFoundException", f"JobRun not found: {run_id}")

    def get_job_run(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Where a run stands now."""
        return {"JobRun": self._find(params["JobName"], params["RunId"]).as_dict()}

    def get_job_runs(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """All runs of a job, the newest first, in pages."""
        self._definition(params["JobName"])
        start, size = int(params.get("NextToken") or 0), params.get("MaxResults", 200)
        runs = self._runs.get(params["JobName"], [])
        return {
            "JobRuns": [run.as_dict() for run in runs[start : start + size]],
            "NextToken": str(start + size) if len(runs) > start + size else None,
        }

    def batch_stop_job_run(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Tells runs to stop; one that has ended is an error of its own in the answer."""
        stopped, errors = [], []
        for run_id in params["JobRunIds"]:
            which = {"JobName": params["JobName"], "JobRunId": run_id}
            try:
                run = self._find(params["JobName"], run_id)
                if not run.live or run.job is None:
                    raise AwsError("JobRunInTerminalStateException", f"JobRun {run_id} is in terminal state {run.state}")
                run.job.cancel()
                stopped.append(which)
            except AwsError as error:
                errors.append({**which, "ErrorDetail": {"ErrorCode": error.code, "ErrorMessage": error.message}})
        return {"SuccessfulSubmissions": stopped, "Errors": errors}

    def create_table(self, params: dict[str, Any], call: Call) -> Any:
        """One at a time, so that of two with one name the second is refused."""
        with self._catalog:
            return self.aws.moto(call)

    def update_table(self, params: dict[str, Any], call: Call) -> Any:
        """Refuses an update of another version than the current one: what commits to Iceberg tables rely on."""
        with self._catalog:
            database = self._backend.databases.get(params["DatabaseName"])
            table: FakeTable | None = database.tables.get(params["TableInput"]["Name"]) if database else None
            expected = params.get("VersionId")
            if table is not None and expected is not None and expected != str(table.as_dict()["VersionId"]):
                raise AwsError(
                    "ConcurrentModificationException", f"Update table failed due to concurrent modifications: {table.name}"
                )
            return self.aws.moto(call)

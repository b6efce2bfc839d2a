"""EMR: steps of a running cluster that run, one after another as the cluster is set.

Belongs here: steps, their order, states and words; clusters are moto's. Does not: spark-submit's options
(`spark_submit.py`), running a job (`job.py`).
"""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.emr.models import Cluster, ElasticMapReduceBackend, emr_backends

from retail_lake_tests.aws import spark_submit
from retail_lake_tests.aws.emr_serverless import spark_of
from retail_lake_tests.aws.job import End, Job, Outcome, Phase, Unstartable
from retail_lake_tests.aws.processes import Program
from retail_lake_tests.aws.runtime import LATE
from retail_lake_tests.aws.service import ACCOUNT, REGION, AwsError, Call, Service

_MOST_STEPS = 256
_PAGE = 50


@dataclass
class _Step:
    id: str
    cluster: Cluster
    config: dict[str, Any]
    created: datetime
    job: Job
    application: str
    """The YARN application of a driver that runs on the cluster."""
    submission: spark_submit.Submission | None
    abandoned: datetime | None = None
    """When the process that waits for the application was ended: the step is cancelled, the application goes on."""

    @property
    def state(self) -> str:
        if self.abandoned:
            return "CANCELLED"
        if self.job.phase is Phase.WAITING:
            return "PENDING"
        outcome = self.job.outcome
        if outcome is None:
            return "CANCEL_PENDING" if self.job.cancelling else "RUNNING"
        if outcome.success:
            return "COMPLETED"
        return "CANCELLED" if outcome.end is End.CANCELLED else "FAILED"

    @property
    def live(self) -> bool:
        return self.state in ("PENDING", "RUNNING", "CANCEL_PENDING")

    @property
    def on_cluster(self) -> bool:
        return self.submission is not None and self.submission.on_cluster

    @property
    def logs(self) -> str | None:
        """Where the step's logs go, if the cluster keeps any."""
        uri = self.cluster.log_uri
        return f"{str(uri).replace('s3n://', 's3://').rstrip('/')}/{self.cluster.id}/steps/{self.id}" if uri else None

    def as_dict(self) -> dict[str, Any]:
        ended = self.abandoned or _moment(self.job.completed)
        jar = self.config["HadoopJarStep"]
        return {
            "Id": self.id,
            "Name": self.config["Name"],
            "ActionOnFailure": self.config.get("ActionOnFailure", "CONTINUE"),
            "Config": {"Jar": jar["Jar"], "Args": jar.get("Args", []), "Properties": {}},
            "Status": {
                "State": self.state,
                "StateChangeReason": {},
                "FailureDetails": self._failure() if self.state == "FAILED" else None,
                "Timeline": {
                    "CreationDateTime": self.created,
                    "StartDateTime": self._began(),
                    "EndDateTime": None if self.live else ended,
                },
            },
        }

    def _began(self) -> datetime | None:
        """When it was its turn; one that was cancelled before that never began."""
        never = self.state == "PENDING" or (self.state == "CANCELLED" and not self.abandoned and not self.job.started)
        return None if never else _moment(self.job.started) or self.created

    def _failure(self) -> dict[str, Any]:
        logs = {"LogFile": f"{self.logs}/stderr.gz"} if self.logs else {}
        outcome = self.job.outcome
        assert outcome is not None
        if self.on_cluster:
            spark = "org.apache.spark.SparkException"
            message = f'Exception in thread "main" {spark}: Application {self.application} finished with failed status'
        else:
            message = outcome.message
        return {"Reason": "Unknown Error.", "Message": message, **logs}


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


class Emr(Service):
    """Steps; clusters are moto's."""

    name = "emr"

    def __init__(self) -> None:
        self._steps: dict[str, list[_Step]] = {}
        self._lock = threading.RLock()

    def reset(self) -> None:
        """See `Service`."""
        with self._lock:
            self._steps.clear()

    @property
    def _backend(self) -> ElasticMapReduceBackend:
        return emr_backends[ACCOUNT][REGION]

    def _cluster(self, cluster_id: str) -> Cluster:
        cluster = self._backend.clusters.get(cluster_id)
        if cluster is None:
            raise AwsError("InvalidRequestException", f"Cluster id '{cluster_id}' is not valid.")
        return cluster

    def run_job_flow(self, params: dict[str, Any], call: Call) -> Any:
        """Moto's cluster; its first steps are ours."""
        response = self.aws.moto(call)
        if response.status_code == 200 and params.get("Steps"):
            cluster = self._cluster(json.loads(response.get_data())["JobFlowId"])
            cluster.steps, cluster.state = [], "WAITING"
            self._add(cluster, params["Steps"])
        return response

    def terminate_job_flows(self, params: dict[str, Any], call: Call) -> Any:
        """A cluster that ends takes everything on it with it."""
        with self._lock:
            for step in (s for cluster in params["JobFlowIds"] for s in self._steps.get(cluster, [])):
                step.job.cancel()
        return self.aws.moto(call)

    def add_job_flow_steps(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Adds steps to a cluster that lives."""
        cluster = self._cluster(params["JobFlowId"])
        if str(cluster.state).startswith("TERMINAT"):
            raise AwsError(
                "ValidationException", "A job flow that is shutting down, terminating, or finished may not be modified."
            )
        if any(step["HadoopJarStep"]["Jar"] != "command-runner.jar" for step in params["Steps"]):
            raise AwsError("ValidationException", "Only command-runner.jar is known here")
        with self._lock:
            if sum(step.live for step in self._steps.get(cluster.id, [])) + len(params["Steps"]) > _MOST_STEPS:
                raise AwsError(
                    "ValidationException",
                    "Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster exceeded.",
                )
            return {"StepIds": self._add(cluster, params["Steps"])}

    def _add(self, cluster: Cluster, configs: list[dict[str, Any]]) -> list[str]:
        added = []
        with self._lock:
            for config in configs:
                step_id = f"s-{secrets.token_hex(7).upper()[:13]}"
                # What is wrong with the command line shows when the step runs, as on a cluster.
                try:
                    submission = spark_submit.command(config["HadoopJarStep"].get("Args", []))
                except Unstartable:
                    submission = None
                job = self.aws.runtime.run(
                    self.name,
                    step_id,
                    config,
                    lambda folder, config=config: self._prepare(cluster, config, folder),  # type: ignore[misc]
                    timeout=float("inf"),
                    ended=lambda job, step_id=step_id: self._ended(cluster, step_id, job),  # type: ignore[misc]
                    start=False,
                )
                application = f"application_{int(job.created * 1000)}_{len(self._steps.get(cluster.id, [])) + 1:04}"
                step = _Step(step_id, cluster, config, datetime.now(UTC), job, application, submission)
                self._steps.setdefault(cluster.id, []).insert(0, step)
                added.append(step_id)
            self._schedule(cluster)
        return added

    def _prepare(self, cluster: Cluster, config: dict[str, Any], folder: Path) -> Program:
        runtime = self.aws.runtime
        submission = spark_submit.command(config["HadoopJarStep"].get("Args", []))
        image = runtime.image(spark_of(cluster.release_label or ""))
        return spark_submit.program(folder, submission, runtime.environments, image, runtime.variables)

    def _schedule(self, cluster: Cluster) -> None:
        """Start the oldest steps that wait, as many as may run at once."""
        steps = list(reversed(self._steps.get(cluster.id, [])))
        free = (cluster.step_concurrency_level or 1) - sum(s.state in ("RUNNING", "CANCEL_PENDING") for s in steps)
        for step in [s for s in steps if s.state == "PENDING"][: max(0, free)]:
            step.job.start()

    def _ended(self, cluster: Cluster, step_id: str, job: Job) -> None:
        with self._lock:
            step = next((s for s in self._steps.get(cluster.id, []) if s.id == step_id), None)
            if step is None:
                return
            failed = step.state == "FAILED"
            action = step.config.get("ActionOnFailure", "CONTINUE")
            if failed and action in ("CANCEL_AND_WAIT", "TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"):
                for waiting in [s for s in self._steps[cluster.id] if s.state == "PENDING"]:
                    waiting.job.cancel()
            if failed and action in ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"):
                cluster.terminate()
            self._schedule(cluster)
        if step.logs and job.outcome is not None and job.outcome.end is not End.CANCELLED:
            self._archive(step, step.logs, job.outcome)

    def _archive(self, step: _Step, logs: str, outcome: Outcome) -> None:
        write = self.aws.runtime.archive_log
        if not step.on_cluster:
            write(f"{logs}/stdout.gz", step.job.text("stdout"))
            write(f"{logs}/stderr.gz", step.job.text("stderr"))
            return
        # The step sees what its client printed; the driver's own output is in its container's log.
        final = "SUCCEEDED" if outcome.success else "FAILED"
        said = "" if outcome.success else f"User application exited with status {outcome.status}"
        if outcome.end is End.OUT_OF_MEMORY:
            said = (
                f"Container from a bad node. Exit status: 137. Container killed on request. Application {step.application} failed"
            )
        if outcome.end is End.NO_CAPACITY:
            said = f"Application {step.application} failed: queue default has insufficient capacity: no container was allocated"
        if outcome.end is End.UNSTARTABLE:
            said = outcome.message
        report = (
            f"Application report for {step.application} (state: FINISHED)\n\t diagnostics: {said}\n\t final status: {final}\n"
        )
        write(f"{logs}/stderr.gz", report)
        write(f"{logs}/stdout.gz", "")
        container = f"{logs.partition('/steps/')[0]}/containers/{step.application}/container_{step.application[12:]}_01_000001"
        # Each machine copies its own: the two do not come together.
        write(f"{container}/stdout.gz", step.job.text("stdout"), 2 * LATE)
        write(f"{container}/stderr.gz", step.job.text("stderr"), 2 * LATE)

    def describe_step(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Where a step stands now."""
        self._cluster(params["ClusterId"])
        for step in self._steps.get(params["ClusterId"], []):
            if step.id == params["StepId"]:
                return {"Step": step.as_dict()}
        raise AwsError("InvalidRequestException", f"Step id '{params['StepId']}' is not valid.")

    def list_steps(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """The steps of a cluster, the newest first, in pages."""
        self._cluster(params["ClusterId"])
        states, ids = params.get("StepStates"), params.get("StepIds")
        with self._lock:
            steps = [
                step.as_dict()
                for step in self._steps.get(params["ClusterId"], [])
                if (not states or step.state in states) and (not ids or step.id in ids)
            ]
        start = int(params.get("Marker") or 0)
        return {"Steps": steps[start : start + _PAGE], "Marker": str(start + _PAGE) if len(steps) > start + _PAGE else None}

    def cancel_steps(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """Ends the processes of steps. Of a driver on the cluster that is only the one that waits for it."""
        self._cluster(params["ClusterId"])
        answers = []
        with self._lock:
            steps = {step.id: step for step in self._steps.get(params["ClusterId"], [])}
            for step_id in params["StepIds"]:
                step = steps.get(step_id)
                if step is None or not step.live:
                    reason = "Step is not in a state that can be cancelled." if step else "Step does not exist."
                    answers.append({"StepId": step_id, "Status": "FAILED", "Reason": reason})
                    continue
                if step.state == "RUNNING" and step.on_cluster:
                    step.abandoned = datetime.now(UTC)
                    self._schedule(step.cluster)
                else:
                    step.job.cancel()
                answers.append({"StepId": step_id, "Status": "SUBMITTED"})
        return {"CancelStepsInfoList": answers}

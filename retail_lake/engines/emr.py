"""The `emr` engine's service: steps on a running EMR cluster.

Belongs here: finding the cluster, EMR's calls and states. Does not: making a cluster, or how long to wait and
what a failure means (`remote.py`).

A step is the process that submits the job to YARN, and killing it leaves the job alive. So a job is told to stop by the object
that it looks for (`jobs/cancel.py`), and its step is cancelled besides, which is all that a step still waiting needs. Of one that
was under way, the job's report says that it has stopped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from retail_lake.aws import client
from retail_lake.config import PREFIX, EngineName, Settings
from retail_lake.deploy.artifact import Artifact, current
from retail_lake.engines import launches, spark_submit
from retail_lake.engines.control import OURS, Launch, Log, State, Status
from retail_lake.engines.logs import s3_tail
from retail_lake.failure import ConfigurationFailure, Failure
from retail_lake.storage import is_there, list_folders

STATES: Final[Mapping[str, State]] = {
    "PENDING": State.WAITING,
    "RUNNING": State.RUNNING,
    "CANCEL_PENDING": State.RUNNING,
    "COMPLETED": State.SUCCEEDED,
    "CANCELLED": State.STOPPED,
    "INTERRUPTED": State.STOPPED,
    "FAILED": State.FAILED,
}
OUTLIVES: Final = timedelta(minutes=10)
"""How long after its step was cancelled a job that does not report may be at work: one that YARN has not started yet looks for
its word to stop when it is."""
_LIVE: Final = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
_MOST_LISTED: Final = 1000
_APPLICATION: Final = re.compile(r"application_\d+_\d+")
_FIRST_CONTAINER: Final = "_000001"


class Emr:
    """See `Control`. A remote id is `<cluster>/<step>`: the cluster of the settings may be another one by then. `artifact` gives
    what jobs run from now."""

    name: EngineName = "emr"

    def __init__(self, settings: Settings, artifact: Callable[[Settings], Artifact] = current) -> None:
        self.settings = settings
        self._artifact = artifact

    @cached_property
    def _emr(self) -> Any:
        return client("emr", self.settings)

    @cached_property
    def _once(self) -> Any:
        """For what must not be sent twice: a step whose answer was lost is there."""
        return client("emr", self.settings, attempts=1)

    def cluster(self) -> str:
        """The id of the cluster that the settings name. Raises `ConfigurationFailure` if that is not exactly one."""
        wanted = self.settings.emr_cluster
        if wanted.startswith("j-"):
            return wanted
        key, _, value = wanted.partition("=")
        found = [cluster for cluster in self._live_clusters() if self._tags(cluster).get(key) == value]
        if len(found) != 1:
            there = f"{len(found)} have it: {', '.join(sorted(found))}" if found else "none has it"
            raise ConfigurationFailure(
                f"{PREFIX}EMR_CLUSTER={wanted} names the running cluster with that tag, and {there}. "
                "Start one, or give the cluster's id (j-…)."
            )
        return found[0]

    def submit(self, launch: Launch) -> str:
        """See `Control`. The token is only known to `find`: two calls are two steps."""
        cluster, artifact = self.cluster(), self._artifact(self.settings)
        step = {
            "Name": f"{launch.name[: 255 - len(launch.token)]} {launch.token}",
            "ActionOnFailure": "CONTINUE",
            "HadoopJarStep": {"Jar": "command-runner.jar", "Args": _command(artifact, launch)},
        }
        added = self._once.add_job_flow_steps(JobFlowId=cluster, Steps=[step])
        return f"{cluster}/{added['StepIds'][0]}"

    def find(self, token: str) -> str | None:
        """See `Control`. Looks through the cluster's newest steps, a thousand at most."""
        cluster = self.cluster()
        pages = self._emr.get_paginator("list_steps").paginate(ClusterId=cluster, PaginationConfig={"MaxItems": _MOST_LISTED})
        steps = (step for page in pages for step in page["Steps"])
        return next((f"{cluster}/{step['Id']}" for step in steps if step["Name"].endswith(f" {token}")), None)

    def status(self, remote_id: str) -> Status:
        """See `Control`."""
        step = self._step(remote_id)
        status = step["Status"]
        state = State.RUNNING if self._may_outlive(step) else STATES[status["State"]]
        details, changed, times = (
            status.get("FailureDetails", {}),
            status.get("StateChangeReason", {}),
            status.get("Timeline", {}),
        )
        said = (details.get("Reason"), details.get("Message"), changed.get("Message"))
        reason = " ".join(dict.fromkeys(part for part in said if part))
        ended = times.get("EndDateTime") if state.ended else None
        return Status(state, reason, self._usage(remote_id, times.get("StartDateTime"), ended), ended)

    def cancel(self, remote_id: str) -> None:
        """See `Control`."""
        cluster, _, step = remote_id.partition("/")
        self._emr.cancel_steps(ClusterId=cluster, StepIds=[step], StepCancellationOption="SEND_INTERRUPT")

    def console(self, remote_id: str) -> str:
        """See `Control`."""
        region, cluster = self.settings.region, remote_id.partition("/")[0]
        return f"https://{region}.console.aws.amazon.com/emr/home?region={region}#/clusterDetails/{cluster}"

    def log_tail(self, remote_id: str, lines: int = 30) -> Log:
        """See `Control`. The cluster copies them to S3 every few minutes: those of the step, which say what YARN made of the job,
        and those of the driver's container. A cluster may keep none."""
        cluster, _, step = remote_id.partition("/")
        where = self._emr.describe_cluster(ClusterId=cluster)["Cluster"].get("LogUri")
        if not where:
            return Log()
        # EMR gives the address with the scheme of its own file system.
        at = f"s3://{where.partition('://')[2].rstrip('/')}/{cluster}"
        # What YARN made of it stands above the trace of the client that ends with it: twice as many.
        of_step = s3_tail(self.settings, f"{at}/steps/{step}", 2 * lines)
        message = self._step(remote_id)["Status"].get("FailureDetails", {}).get("Message", "")
        application = _APPLICATION.search("\n".join([message, *of_step.lines]))
        if application is None:
            return of_step
        of_driver = self._driver_log(f"{at}/containers/{application[0]}", lines)
        return Log((*of_step.lines, *of_driver.lines), of_step.arrived and of_driver.arrived)

    def _driver_log(self, containers: str, lines: int) -> Log:
        """A driver that YARN runs is its application's first container."""
        folders = [name for name in list_folders(containers, self.settings) if name.endswith(_FIRST_CONTAINER)]
        return s3_tail(self.settings, f"{containers}/{folders[0]}", lines) if folders else Log(arrived=False)

    def _step(self, remote_id: str) -> dict[str, Any]:
        cluster, _, step = remote_id.partition("/")
        found: dict[str, Any] = self._emr.describe_step(ClusterId=cluster, StepId=step)["Step"]
        return found

    def _may_outlive(self, step: dict[str, Any]) -> bool:
        """Whether the job of a step that was cancelled may still be at work: it was submitted and has not reported."""
        status, now = step["Status"], datetime.now(UTC)
        times = status.get("Timeline", {})
        if status["State"] != "CANCELLED" or "StartDateTime" not in times or now - times.get("EndDateTime", now) > OUTLIVES:
            return False
        try:
            return not is_there(launches.report(self.settings, step["Name"].rpartition(" ")[2]), self.settings)
        except Failure:
            # Whether it has reported cannot be told now: who asks looks again.
            return True

    def _usage(self, remote_id: str, started: datetime | None, ended: datetime | None) -> dict[str, float]:
        """The step's seconds times the cluster's instances, and no money: the cluster is paid for whatever it does."""
        if started is None or ended is None:
            return {}
        cluster = remote_id.partition("/")[0]
        pages = self._emr.get_paginator("list_instances").paginate(ClusterId=cluster, InstanceStates=["RUNNING"])
        instances = sum(len(page["Instances"]) for page in pages)
        return {"instance_seconds": (ended - started).total_seconds() * max(1, instances)}

    def _live_clusters(self) -> Iterator[str]:
        for page in self._emr.get_paginator("list_clusters").paginate(ClusterStates=list(_LIVE)):
            yield from (cluster["Id"] for cluster in page["Clusters"])

    def _tags(self, cluster: str) -> dict[str, str]:
        described = self._emr.describe_cluster(ClusterId=cluster)["Cluster"]
        return {tag["Key"]: tag.get("Value", "") for tag in described.get("Tags", ())}


def _command(artifact: Artifact, launch: Launch) -> list[str]:
    """`spark-submit`, with the artifact's Python, not the cluster's, in driver and executors."""
    spark = {
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": spark_submit.PYTHON,
        # A step has no tags. YARN's are of ASCII, separated by commas, and at most a hundred characters each.
        "spark.yarn.tags": ",".join(f"{OURS}{name}:{value}"[:100] for name, value in launch.about.items()),
        **spark_submit.settings(launch.workers),
    }
    return [
        "spark-submit",
        *("--deploy-mode", "cluster"),
        *("--name", launch.name),
        *("--archives", spark_submit.archive(artifact.environment)),
        *spark_submit.options(spark),
        artifact.entry,
        *launch.arguments,
    ]

"""The `glue` engine's service: runs of the one Glue job that `retail-lake deploy` makes.

Belongs here: Glue's calls, states and units. Does not: the job's definition (`deploy/glue_job.py`), or how long to wait
and what a failure means (`remote.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from retail_lake.aws import client
from retail_lake.config import EngineName, Settings
from retail_lake.cost.usage import glue_dpu_seconds
from retail_lake.engines import sizing
from retail_lake.engines.control import OURS_AS_ARGUMENT, Launch, Log, State, Status
from retail_lake.engines.logs import cloudwatch_tail

STATES: Final[Mapping[str, State]] = {
    "STARTING": State.WAITING,
    "WAITING": State.WAITING,
    "RUNNING": State.RUNNING,
    "STOPPING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "STOPPED": State.STOPPED,
    "TIMEOUT": State.TIMED_OUT,
    "FAILED": State.FAILED,
    "ERROR": State.FAILED,
    "EXPIRED": State.FAILED,
}
TOKEN: Final = "--retail-lake-token"
"""The argument that a run is known by: Glue has no token of a client's."""
_PAGES: Final = 5
_PAGE: Final = 200
_DPUS: Final[Mapping[str, float]] = {"G.025X": 0.25, "G.1X": 1, "G.2X": 2, "G.4X": 4, "G.8X": 8}


class Glue:
    """See `Control`."""

    name: EngineName = "glue"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def _glue(self) -> Any:
        return client("glue", self.settings)

    @cached_property
    def _once(self) -> Any:
        """For what must not be sent twice: a start whose answer was lost has started."""
        return client("glue", self.settings, attempts=1)

    def submit(self, launch: Launch) -> str:
        """See `Control`. The token is only known to `find`: two calls are two runs."""
        arguments = dict(zip(launch.arguments[::2], launch.arguments[1::2], strict=True))
        size = sizing.glue(launch.workers)
        started = self._once.start_job_run(
            JobName=self.settings.glue_job,
            Arguments={**arguments, **_tags(launch), TOKEN: launch.token},
            # In minutes, and later than our own deadline, which says more of the job.
            Timeout=launch.timeout // 60 + 1,
            WorkerType=size.type,
            NumberOfWorkers=size.number,
        )
        return str(started["JobRunId"])

    def find(self, token: str) -> str | None:
        """See `Control`. Looks through the newest runs, a thousand at most."""
        page: dict[str, str] = {}
        for _ in range(_PAGES):
            found = self._glue.get_job_runs(JobName=self.settings.glue_job, MaxResults=_PAGE, **page)
            for run in found["JobRuns"]:
                if run.get("Arguments", {}).get(TOKEN) == token:
                    return str(run["Id"])
            if not found.get("NextToken"):
                return None
            page = {"NextToken": found["NextToken"]}
        return None

    def status(self, remote_id: str) -> Status:
        """See `Control`."""
        run = self._run(remote_id)
        state = STATES[run["JobRunState"]]
        reason = " ".join(said for key in ("ErrorMessage", "StateDetail") if (said := run.get(key)))
        if run["JobRunState"] == "EXPIRED":
            reason = f"the run waited in the queue until it expired. {reason}".strip()
        dpus = run.get("NumberOfWorkers", 0) * _DPUS.get(run.get("WorkerType", ""), 0) or run.get("MaxCapacity") or 0.0
        used = glue_dpu_seconds(run.get("ExecutionTime") or 0, dpus, run.get("DPUSeconds"))
        return Status(state, reason, {"dpu_seconds": used}, run.get("CompletedOn") if state.ended else None)

    def cancel(self, remote_id: str) -> None:
        """See `Control`. Glue says of a run that has ended that it cannot be stopped; that is no matter."""
        self._glue.batch_stop_job_run(JobName=self.settings.glue_job, JobRunIds=[remote_id])

    def console(self, remote_id: str) -> str:
        """See `Control`."""
        region, job = self.settings.region, quote(self.settings.glue_job, safe="")
        return f"https://{region}.console.aws.amazon.com/gluestudio/home?region={region}#/job/{job}/run/{remote_id}"

    def log_tail(self, remote_id: str, lines: int = 30) -> Log:
        """See `Control`. The driver's two streams are named by the run, and errors count more."""
        group = (self._run(remote_id).get("LogGroupName") or "/aws-glue/jobs").rstrip("/")
        errors = cloudwatch_tail(self.settings, f"{group}/error", remote_id, lines)
        return Log(tuple(errors or cloudwatch_tail(self.settings, f"{group}/output", remote_id, lines)))

    def _run(self, remote_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._glue.get_job_run(JobName=self.settings.glue_job, RunId=remote_id)["JobRun"]
        return found


def _tags(launch: Launch) -> dict[str, str]:
    """What the run is of, as arguments: a run has no tags, and its arguments are shown with it. The settings' own tags, which
    might be called like an argument of the program, are the job's."""
    return {f"{OURS_AS_ARGUMENT}{name}": value for name, value in launch.about.items()}

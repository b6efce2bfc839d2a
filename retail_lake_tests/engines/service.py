"""A service that runs jobs, in memory, as its test orders it to behave; what jobs and launchers hand each other is on a real S3.

Belongs here: what the tests of this room share of remote jobs. Does not: any expectation, or AWS's own wording and
shapes (`aws/`).
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from retail_lake.config import EngineName, Settings
from retail_lake.engines.control import Launch, Log, State, Status
from retail_lake.jobs.description import DayReport, FailureReport, JobDescription, JobReport
from retail_lake.storage import list_files, read_bytes, write_bytes
from retail_lake_tests.s3 import S3Server

DAYS = (date(2017, 1, 1), date(2017, 1, 2))
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "Any")
FULL = ClientError(
    {"Error": {"Code": "ConcurrentRunsExceededException", "Message": "Concurrent runs exceeded for retail"}}, "Start"
)
DENIED = ClientError(
    {"Error": {"Code": "AccessDeniedException", "Message": "User is not authorized to perform: glue:Start"}}, "Start"
)
UNREACHED = EndpointConnectionError(endpoint_url="https://glue.us-east-1.amazonaws.com")
UNANSWERED = ReadTimeoutError(endpoint_url="https://glue.us-east-1.amazonaws.com")


def settings_on(s3: S3Server, home: Path, **more: Any) -> Settings:
    """Settings of a lake and an artifacts location of their own on S3, quick to look and look again."""
    at = f"s3://{s3.bucket}/{uuid.uuid4().hex}"
    given: dict[str, Any] = {
        "home": home,
        "lake_uri": f"{at}/lake",
        "landing_uri": f"{at}/landing",
        "artifacts_uri": f"{at}/artifacts",
        "s3_endpoint": s3.endpoint,
        "poll_seconds": 0.05,
        "threads": 2,
    }
    return Settings(**{**given, **more})


def job_of(settings: Settings, **more: Any) -> JobDescription:
    """A job for two days of silver.sales."""
    given: dict[str, Any] = {
        "job_id": "job-1",
        "run_id": "run-1",
        "table": "silver.sales",
        "days": DAYS,
        "code_version": "1",
        "fingerprints": {str(day): "f" for day in DAYS},
        "first_day": DAYS[0],
        "last_day": DAYS[-1],
        "store_time_zone": "UTC",
        "staging": f"{settings.lake_uri}/silver/sales/data/job-1",
    }
    return JobDescription(**{**given, **more})


def report_of(job: JobDescription) -> JobReport:
    """What a job reports that found nothing wrong."""
    days = tuple(DayReport(day=day, rows_in=3, published=3) for day in job.days)
    return JobReport(job_id=job.job_id, table=job.table, engine="spark", days=days, seconds={"transform": 1.5})


@dataclass
class Act:
    """What a job does once it runs: how it ends after so many looks at it (-1: never), and what it leaves."""

    ends: State = State.SUCCEEDED
    looks: int = 2
    report: JobReport | FailureReport | bytes | None = None
    reports: bool = True
    reason: str = ""
    log: tuple[str, ...] = ()
    log_after: int = 0
    """Looks at its log until that is there."""


@dataclass
class Remote:
    """A job as the service has it."""

    launch: Launch
    act: Act
    looked: int = 0
    state: State = State.WAITING
    cancelled: bool = False


@dataclass
class Service:
    """See `Control`. `act` is what jobs do; `refuse` orders errors of a call, in turn; `lose` those that come after the deed."""

    settings: Settings
    act: Act = field(default_factory=Act)
    name: EngineName = "glue"
    usage: dict[str, float] = field(default_factory=lambda: {"dpu_seconds": 120.0})
    jobs: dict[str, Remote] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    running: threading.Event = field(default_factory=threading.Event)
    ended_at: datetime = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    ignores_cancel: bool = False
    _refusals: dict[str, deque[Exception]] = field(default_factory=dict)
    _losses: dict[str, deque[Exception]] = field(default_factory=dict)

    def refuse(self, call: str, *errors: Exception) -> None:
        """Order errors of the next calls: nothing is done."""
        self._refusals.setdefault(call, deque()).extend(errors)

    def lose(self, call: str, *errors: Exception) -> None:
        """Order errors of the next calls that are carried out and whose answer gets lost."""
        self._losses.setdefault(call, deque()).extend(errors)

    @property
    def only(self) -> Remote:
        """The one job that was launched. Fails if there is not exactly one."""
        (job,) = self.jobs.values()
        return job

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if waiting := self._refusals.get(call):
            raise waiting.popleft()

    def _answer(self, call: str) -> None:
        if waiting := self._losses.get(call):
            raise waiting.popleft()

    def submit(self, launch: Launch) -> str:
        self._called("submit")
        remote_id = f"jr_{len(self.jobs) + 1}"
        self.jobs[remote_id] = Remote(launch, self.act)
        self._answer("submit")
        return remote_id

    def find(self, token: str) -> str | None:
        self._called("find")
        return next((found for found, job in self.jobs.items() if job.launch.token == token), None)

    def status(self, remote_id: str) -> Status:
        self._called("status")
        job = self.jobs[remote_id]
        job.looked += 1
        if job.cancelled:
            job.state = State.STOPPED
        elif not job.state.ended:
            job.state = State.RUNNING
            self.running.set()
            if job.looked > job.act.looks >= 0:
                self._finish(job)
        ended = job.state.ended
        return Status(job.state, job.act.reason if ended else "", self.usage, self.ended_at if ended else None)

    def _finish(self, job: Remote) -> None:
        job.state = job.act.ends
        if not job.act.reports:
            return
        given = dict(zip(job.launch.arguments[::2], job.launch.arguments[1::2], strict=True))
        described = JobDescription.model_validate_json(read_bytes(given["--description"], self.settings))
        report = job.act.report or report_of(described)
        data = report if isinstance(report, bytes) else report.model_dump_json().encode()
        write_bytes(given["--report"], data, self.settings)

    def cancel(self, remote_id: str) -> None:
        self._called("cancel")
        if not self.ignores_cancel:
            self.jobs[remote_id].cancelled = True

    def console(self, remote_id: str) -> str:
        return f"https://console.example/{remote_id}"

    def log_tail(self, remote_id: str, lines: int = 30) -> Log:
        self._called("log_tail")
        act = self.jobs[remote_id].act
        return Log(act.log) if self.calls.count("log_tail") > act.log_after else Log(arrived=False)


def on_s3(settings: Settings, below: str) -> list[str]:
    """The keys below a folder of the artifacts location."""
    return [stored.key for stored in list_files(f"{settings.artifacts_uri}/{below}", settings)]


def ago(seconds: float) -> datetime:
    """So long before now."""
    return datetime.now(UTC) - timedelta(seconds=seconds)

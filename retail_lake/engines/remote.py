"""One job on a service: launched once, followed to its end, never left behind, and on the books whatever comes of it.

Belongs here: the order of the steps that all remote engines share. Does not: any service (`glue.py`, `emr_serverless.py`,
`emr.py`, `awslambda.py`), the records of what is launched (`launches.py`), or what a failure's cause is called (`causes.py`).

What a job did is the object that it leaves at `--report`, and nothing else: a service may call a job a success that never ran,
and a failure one that has reported and then stumbled.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from retail_lake.config import Settings
from retail_lake.contract import Workload
from retail_lake.engines import causes, launches, sizing
from retail_lake.engines.base import Stopped
from retail_lake.engines.control import OURS, Channel, Control, Launch, Quiet, Reporting, State, Status
from retail_lake.engines.last_words import LOG_SECONDS, last_words, of_the_job
from retail_lake.engines.patience import pauses, persist
from retail_lake.engines.routed import NEEDS_SQL
from retail_lake.failure import KINDS, ConfigurationFailure, Failure, TransientFailure
from retail_lake.jobs.description import FailureReport, JobDescription, JobReport
from retail_lake.storage import read_bytes, write_bytes

if TYPE_CHECKING:
    from retail_lake.cost.ledger import Used

SUBMITS = 8
"""Times that a job is submitted before a service without room for it, or without an answer, is a failure."""
LOOKS = 12
"""Times in a row that a service may not answer how a job stands before the job is given up."""
_ANSWER: TypeAdapter[JobReport | FailureReport] = TypeAdapter(JobReport | FailureReport)


class RemoteEngine:
    """See `Engine`. Threads may share one. `channel` hears the jobs; `stop`, once set, ends them; `progress` is told of each.

    A job that is interrupted, by whatever exception, is stopped before the exception goes on.
    """

    def __init__(
        self,
        settings: Settings,
        control: Control,
        channel: Channel | None = None,
        stop: threading.Event | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        self.control = control
        self.channel: Channel = channel or Quiet()
        self.stop = stop or threading.Event()
        self.progress = progress
        self.name: str = control.name

    def heard(self, channel: Channel, stop: threading.Event, progress: Callable[[str], None] | None = None) -> RemoteEngine:
        """The same engine for one run, which hears its jobs, may end them and is told of each."""
        return RemoteEngine(self.settings, self.control, channel, stop, progress or self.progress)

    def run(self, job: JobDescription) -> JobReport:
        """Run one job to its end. Raises a `Failure`, or RuntimeError for a bug, that names the cause; `Stopped` on `stop`."""
        from retail_lake.cost.budget import Budget, estimate

        sizing.check(self.control.name, job.table, job.input_bytes)
        token = secrets.token_hex(12)
        workers = sizing.workers(self.control.name, _workload(job), job.input_bytes, len(job.days))
        budget = Budget(self.settings)
        guess = estimate(self.name, workers, job.input_bytes, self.settings)
        if warning := budget.check(job.run_id, guess, token):
            self.progress(f"{_title(job)}: {warning}")
        used = None
        try:
            with self.channel.open(_title(job), token) as heard:
                launch = self._launch(job, token, workers, heard.arguments)
                report, used = self._follow(job, launch, heard)
        finally:
            budget.settle(token, used)
        return report

    def _launch(self, job: JobDescription, token: str, workers: int, more: tuple[str, ...]) -> Launch:
        folder = launches.folder(self.settings, token)
        spark = self.name not in NEEDS_SQL
        arguments = {
            "--description": f"{folder}/description.json",
            "--engine": "spark" if spark else "local",
            "--session": "cluster" if spark else "local",
            "--report": launches.report(self.settings, token),
            "--cancel": launches.cancel_marker(self.settings, token),
            "--region": self.settings.region,
            "--s3-endpoint": self.settings.s3_endpoint,
        }
        return Launch(
            token=token,
            name=f"retail-lake {_title(job)}",
            arguments=(*(part for pair in arguments.items() if pair[1] for part in pair), *more),
            workers=workers,
            timeout=sizing.timeout(self.control.name, self.settings.job_timeout),
            tags={
                **self.settings.tags,
                f"{OURS}run": job.run_id,
                f"{OURS}table": job.table,
                f"{OURS}days": _span(job),
                f"{OURS}token": token,
            },
        )

    def _follow(self, job: JobDescription, launch: Launch, heard: Reporting) -> tuple[JobReport, Used | None]:
        """Launch, wait, read the answer; the launch is on record all the while."""
        began = time.monotonic()
        deadline = began + launch.timeout
        record = launches.Opened(
            token=launch.token, engine=self.control.name, run_id=job.run_id, table=job.table, days=job.days,
            submitted_at=datetime.now(UTC),
        )  # fmt: skip
        write_bytes(
            f"{launches.folder(self.settings, launch.token)}/description.json", job.model_dump_json().encode(), self.settings
        )
        launches.opened(self.settings, record)
        try:
            remote_id = self._submit(launch)
            record = record.model_copy(update={"remote_id": remote_id})
            launches.opened(self.settings, record)
            submitted = time.monotonic()
            running = _Running(job, launch.token, remote_id, self.control.console(remote_id), heard)
            self.progress(f"{_title(job)}: {remote_id} on {self.name}, {running.console}")
            status, started = self._wait(running, deadline)
        except BaseException:
            self._abandon(record)
            raise
        succeeded = False
        try:
            report = self._answer(running, status)
            succeeded = True
        finally:
            used = self._settle(record, status, succeeded)
        seconds = {**report.seconds, "submit": submitted - began, "queue": started - submitted}
        found = {"engine": self.name, "usage": dict(status.usage), "console": running.console, "seconds": seconds}
        return report.model_copy(update=found), used

    def _submit(self, launch: Launch) -> str:
        """Submit until the service has the job. After an answer that was lost, the job may be there already."""
        asked = False

        def submit() -> str:
            nonlocal asked
            known = self.control.find(launch.token) if asked else None
            asked = True
            return known or self.control.submit(launch)

        what = f"{launch.name}: submitting to {self.name}"
        return persist(submit, what, self._pause, longest=6 * self.settings.poll_seconds, tries=SUBMITS)

    def _wait(self, running: _Running, deadline: float) -> tuple[Status, float]:
        """The status of the job at its end, and when it was first seen to run."""
        longest = self.settings.poll_seconds
        waits, started, before = pauses(longest), 0.0, State.WAITING
        while True:
            status = self._look(running, longest)
            now = time.monotonic()
            if status.state is not before:
                # What has just moved may soon move again.
                started, before, waits = started or now, status.state, pauses(longest)
            if status.state.ended:
                return status, started or now
            if now >= deadline:
                log = self._log(running, within=0)
                raise TransientFailure(self._told(running, causes.TIMED_OUT, f"still {status.state} at its deadline", log))
            self._pause(min(next(waits), max(deadline - now, 0.0)))

    def _look(self, running: _Running, longest: float) -> Status:
        what = f"{_title(running.job)}: looking at {running.remote_id} on {self.name}"
        try:
            return persist(lambda: self.control.status(running.remote_id), what, self._pause, longest=longest, tries=LOOKS)
        except Failure as failure:
            raise type(failure)(f"{failure}\n{running.console}") from failure

    def _answer(self, running: _Running, status: Status) -> JobReport:
        """What the job has reported. Raises what it reported instead, or the cause why there is nothing."""
        job, console = running.job, running.console
        try:
            answer = _ANSWER.validate_json(read_bytes(launches.report(self.settings, running.token), self.settings))
        except FileNotFoundError:
            # One without room has never printed anything, and one that somebody stopped needs no explanation.
            needless = causes.name(status.state, status.reason) in (causes.CAPACITY, causes.STOPPED)
            log = self._log(running, within=0 if needless else LOG_SECONDS)
            cause = causes.name(status.state, status.reason, of_the_job(log))
            raise cause.kind(self._told(running, cause, status.reason, log)) from None
        except ValidationError as error:
            raise ConfigurationFailure(
                f"{_title(job)} on {self.name}: its report is not of this version: {error.errors()[0]['msg']}. What is deployed "
                f"is older or newer than this: run `retail-lake deploy`. {console}"
            ) from None
        if isinstance(answer, JobReport):
            if (answer.job_id, answer.table) != (job.job_id, job.table):
                raise RuntimeError(
                    f"{_title(job)} on {self.name}: the report is of {answer.table}, job {answer.job_id}. {console}"
                )
            return answer
        if answer.kind != "bug":
            raise KINDS[answer.kind](f"{_title(job)} on {self.name}: {answer.message}\n{console}")
        # Spark hands what has happened to an executor, or to S3, to the program as an error like any other.
        named = causes.particular(f"{answer.message}\n{answer.trace}")
        found = named or causes.Cause("job error", RuntimeError, "")
        raise found.kind(self._told(running, found, answer.message, answer.trace.splitlines()[-30:]))

    def _told(self, running: _Running, cause: causes.Cause, reason: str, log: list[str]) -> str:
        """A failure as people read it: what, why, what to do, where to look, the last lines of the log."""
        why = f"{cause.name}: {reason.strip()}" if reason.strip() else cause.name
        tail = ["Last lines of its log:", *(f"  {line}" for line in log)] if log else []
        said = f"{_title(running.job)} on {self.name}: {why}{'' if why.endswith('.') else '.'} {cause.advice}".rstrip()
        return "\n".join([said, running.console, *tail])

    def _log(self, running: _Running, within: float) -> list[str]:
        longest = self.settings.poll_seconds
        return last_words(self.control, running.remote_id, running.heard, self._pause, longest=longest, within=within)

    def _abandon(self, record: launches.Opened) -> None:
        """Stop what is launched; what cannot be stopped now stays on record for the reaper."""
        try:
            status = launches.stop(self.settings, self.control, record)
            if status is None:
                launches.closed(self.settings, record.token)
            elif status.state.ended:
                launches.settle(self.settings, record, status, succeeded=False)
        except Exception as error:
            self.progress(f"{record.table} on {self.name}: {record.remote_id or record.token} could not be stopped: {error}")

    def _settle(self, record: launches.Opened, status: Status, succeeded: bool) -> Used | None:
        """Put the job on the books; where that fails now, its record stays and the reaper does it."""
        try:
            return launches.settle(self.settings, record, status, succeeded=succeeded)
        except Exception as error:
            self.progress(f"{record.table} on {self.name}: what {record.remote_id} used is not on record yet: {error}")
            return None

    def _pause(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Stopped(f"the run was told to stop; its job on {self.name} is stopped first")


@dataclass(frozen=True)
class _Running:
    """A job that its service has, and what is heard of it."""

    job: JobDescription
    token: str
    remote_id: str
    console: str
    heard: Reporting


def _workload(job: JobDescription) -> Workload:
    from retail_lake.tables import TABLES

    return TABLES[job.table].workload


def _title(job: JobDescription) -> str:
    return f"{job.table} {_span(job)}"


def _span(job: JobDescription) -> str:
    if not job.days:
        return "whole"
    return str(job.days[0]) if len(job.days) == 1 else f"{min(job.days)}..{max(job.days)}"

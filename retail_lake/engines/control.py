"""What a service that runs jobs remotely must offer, and what a launch is. The loop around it is `remote.py`.

Belongs here: the vocabulary that the remote engines share. Does not: any service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from retail_lake.config import EngineName

OURS: Final = "retail-lake:"
"""What the tags begin with that say which run, table and days a job is of."""
OURS_AS_ARGUMENT: Final = f"--{OURS.replace(':', '-')}"
"""What their names begin with where a service has no tags and is handed them as arguments."""


@dataclass(frozen=True)
class Launch:
    """One attempt at one job, as handed to a service.

    `token` is this attempt's own: submitting it again finds the job that is already there. `arguments` are the job
    program's (`python -m retail_lake.jobs`). `workers` is a size in the service's own unit (`sizing.py`), `timeout` in
    seconds. `tags` say run, table and days.
    """

    token: str
    name: str
    arguments: tuple[str, ...]
    workers: int
    timeout: int
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def about(self) -> dict[str, str]:
        """What the job is of: its tags without those of the settings, by what comes after `OURS`."""
        return {key.removeprefix(OURS): value for key, value in self.tags.items() if key.startswith(OURS)}


class State(StrEnum):
    """Where a remote job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed out"

    @property
    def ended(self) -> bool:
        """Whether nothing runs any more."""
        return self not in (State.WAITING, State.RUNNING)


@dataclass(frozen=True)
class Status:
    """A remote job as its service sees it. `reason` is the service's own words for a failure; `usage` what it used so
    far, by unit of `cost/usage.py` (`dpu_seconds`, `vcpu_hours`, `gb_hours`, `gb_seconds`, …); `ended_at` (with its zone)
    when it ended, where the service says so."""

    state: State
    reason: str = ""
    usage: Mapping[str, float] = field(default_factory=dict)
    ended_at: datetime | None = None


@dataclass(frozen=True)
class Log:
    """The last lines of a job's output. Without `arrived` more may come: some services copy logs minutes after a job's end."""

    lines: tuple[str, ...] = ()
    arrived: bool = True


class Control(Protocol):
    """A service that runs jobs. Each call raises botocore's errors as they are; `remote.py` knows what they mean."""

    name: EngineName

    def submit(self, launch: Launch) -> str:
        """Start the job and return its remote id; a launch with a token that is known returns the id it has."""
        ...

    def find(self, token: str) -> str | None:
        """The remote id of the job with that token, if it was ever submitted."""
        ...

    def status(self, remote_id: str) -> Status:
        """Where it stands now."""
        ...

    def cancel(self, remote_id: str) -> None:
        """Stop it; one that has ended is no matter."""
        ...

    def console(self, remote_id: str) -> str:
        """The address of the job in the AWS console."""
        ...

    def log_tail(self, remote_id: str, lines: int = 30) -> Log:
        """The last lines that the service has kept by now of the driver's output."""
        ...


class Reporting(Protocol):
    """One open way for a running job to be heard. `arguments` go to the job program after its own."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """What the job program is handed besides its own arguments."""
        ...

    def last_lines(self) -> Sequence[str]:
        """The last lines that the job has printed and that were heard by now."""
        ...


class Channel(Protocol):
    """How jobs are heard while they run: Dagster Pipes in a run (`orchestration/pipes.py`), nothing but the report elsewhere."""

    def open(self, launch_name: str, token: str) -> AbstractContextManager[Reporting]:
        """Listen until the end of the block; what the job says goes where the channel's owner shows it."""
        ...


@dataclass(frozen=True)
class Quiet:
    """A channel that hears nothing: the report is the object that the job leaves."""

    arguments: tuple[str, ...] = ()

    def last_lines(self) -> Sequence[str]:
        """See `Reporting`."""
        return ()

    def open(self, launch_name: str, token: str) -> AbstractContextManager[Reporting]:
        """See `Channel`."""
        from contextlib import nullcontext

        return nullcontext(self)

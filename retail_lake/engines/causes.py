"""Naming why a remote job failed, from what its service says and the last lines of its log.

Belongs here: the causes there are, what each calls for, and how to tell them. Does not: what the job itself has reported,
which needs no guess (`remote.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from retail_lake.aws import failure_of
from retail_lake.config import PREFIX
from retail_lake.engines.control import State
from retail_lake.failure import ConfigurationFailure, Failure, TransientFailure


@dataclass(frozen=True)
class Cause:
    """Why a job failed: its name, the kind of failure that it is (RuntimeError: a bug), and what to do about it."""

    name: str
    kind: type[Failure] | type[RuntimeError]
    advice: str


OUT_OF_MEMORY: Final = Cause(
    "out of memory",
    ConfigurationFailure,
    f"Give a job fewer days at a time (lower {PREFIX}JOB_ROWS), or run the table on an engine with more memory.",
)
KILLED: Final = Cause(
    "driver killed",
    TransientFailure,
    "Its machine was taken away, or its memory ran out: if it happens again, give a job fewer days at a time "
    f"(lower {PREFIX}JOB_ROWS), or run the table on an engine with more memory.",
)
CAPACITY: Final = Cause(
    "capacity",
    TransientFailure,
    f"The service has no room for the job now: try again later, run fewer at once ({PREFIX}JOBS_AT_ONCE), or raise the quota "
    "or the application's maximum capacity.",
)
ACCESS_DENIED: Final = Cause(
    "access denied",
    ConfigurationFailure,
    "Grant it to the role that is named; `retail-lake doctor` checks permissions one by one.",
)
NOT_STARTED: Final = Cause(
    "driver error",
    ConfigurationFailure,
    "The job program did not start: what is deployed is incomplete or of another version. Run `retail-lake deploy`.",
)
DRIVER_ERROR: Final = Cause("driver error", RuntimeError, "The job program ended by an error that it could not report.")
TIMED_OUT: Final = Cause(
    "timed out",
    TransientFailure,
    f"Give it longer ({PREFIX}JOB_TIMEOUT), or fewer days at a time ({PREFIX}JOB_ROWS).",
)
STOPPED: Final = Cause(
    "stopped",
    ConfigurationFailure,
    "Somebody stopped it in the service, not this run: launch it again if that was not meant.",
)
LOST: Final = Cause(
    "lost without a report",
    TransientFailure,
    "The driver, or the machine it was on, went away before it could say why.",
)
NEVER_REPORTED: Final = Cause(
    "never reported",
    ConfigurationFailure,
    "The service calls it a success, but the job left no report: what it started is not this job program, or may not write "
    "below the artifacts location. Run `retail-lake deploy`, then `retail-lake doctor`.",
)

# In this order: the more particular first. What a service says of one cause may contain the words of a later one.
_PARTICULAR: Final = (
    (
        OUT_OF_MEMORY,
        r"OutOfMemory|out of memory|MemoryError\b|Cannot allocate memory|Java heap space|GC overhead limit|signal: killed"
        r"|Container (?:\S+ )?(?:is )?(?:being )?killed (?:by|on)"
        r"|(?:beyond|exceeding|exceeded) (?:the )?(?:physical |memory )+limits?",
    ),
    (
        CAPACITY,
        r"insufficient.{0,20}capacity|no capacity|capacity (?:is )?(?:exceeded|unavailable|limit)"
        r"|exceeded.{0,20}maximum ?capacity"
        r"|MaxCapacity|ResourceNumberLimitExceeded|ConcurrentRunsExceeded|concurrent runs exceeded|TooManyRequests|Rate exceeded"
        r"|ServiceQuotaExceeded|quota exceeded|EC2ThrottledException|exceeds.{0,40}(?:quota|available)"
        r"|could not be allocated|no free addresses|LimitExceededException|Resource unavailable",
    ),
    (ACCESS_DENIED, r"Access ?Denied|not authorized|UnauthorizedOperation|403 Forbidden|Status Code: 403|Forbidden \(Service"),
    # Who kills does not say why.
    (KILLED, r"exit(?:ed)?(?: with)?(?: code| status|Code)?[:= ]+137\b"),
    (
        NOT_STARTED,
        r"ModuleNotFoundError|ImportError|can't open file|ImportModuleError|HandlerNotFound|InvalidEntrypoint"
        r"|No such file or directory.{0,80}python|python.{0,80}No such file or directory|Cannot run program",
    ),
)
_TIMED_OUT: Final = re.compile(r"timed? ?out after|Task timed out|has timed out|exceeded.{0,30}timeout", re.IGNORECASE)
_ERROR: Final = re.compile(
    r"Traceback \(most recent call last\)|exit(?:ed)?(?: with)?(?: code| status|Code)?[:= ]+[1-9]", re.IGNORECASE
)
_PATTERNS: Final = tuple((cause, re.compile(pattern, re.IGNORECASE)) for cause, pattern in _PARTICULAR)


def particular(text: str) -> Cause | None:
    """The cause that a text tells of, if it is one of the particular ones."""
    return next((cause for cause, pattern in _PATTERNS if pattern.search(text)), None)


def name(state: State, reason: str, log: Iterable[str] = ()) -> Cause:
    """Why a job ended without a report. `reason` is the service's own words, which count before those of the log."""
    if state is State.SUCCEEDED:
        return NEVER_REPORTED
    if state is State.TIMED_OUT or _TIMED_OUT.search(reason):
        return TIMED_OUT
    if state is State.STOPPED:
        return STOPPED
    tail = "\n".join(log)
    if found := particular(reason) or particular(tail):
        return found
    return DRIVER_ERROR if _ERROR.search(reason) or _ERROR.search(tail) else LOST


def refusal(error: Exception, what: str) -> Failure:
    """What a service answered instead of doing `what`, with its cause named."""
    failure = failure_of(error, what)
    cause = particular(str(error))
    if cause not in (CAPACITY, ACCESS_DENIED):
        return failure
    assert cause is not None
    return type(failure)(f"{what}: {cause.name}: {error} {cause.advice}")

"""What a check is and what becomes of one: a word, a line, and never a stack trace.

Belongs here: the vocabulary and the order of things. Does not: anything that is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from retail_lake.aws import code_of
from retail_lake.failure import Failure

_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation", "403"}
)
_ABSENT_CODES: Final = frozenset(
    {
        "EntityNotFoundException",
        "NotFoundException",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    }
)
# Some services have no code for it.
_ABSENT: Final = re.compile(r"does(?: not|n't) exist|not found|can't find|\bid '.*' is not valid", re.IGNORECASE)
# Where the name of a request is not that of the permission.
_ACTIONS: Final = {
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
}


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Doubt(Exception):
    """It works, but something about it should be otherwise; the message says what to do."""


@dataclass(frozen=True)
class Check:
    """One thing to look at. `look` returns what it found, or raises `Doubt` or a failure. `service` is the prefix of the
    permissions it needs (`glue`). `after` names a check without which this one says nothing. `absent` is what to say where AWS
    does not know what was asked for: the setting that names it, and what to do.
    """

    name: str
    look: Callable[[], str]
    service: str = ""
    after: str = ""
    absent: str = ""


@dataclass(frozen=True)
class Finding:
    """What became of a check, in one line."""

    name: str
    verdict: Verdict
    says: str


def examine(checks: Iterable[Check]) -> Iterator[Finding]:
    """Each check's finding as it is made; one that goes wrong keeps no other from being made, but for those after it."""
    without: set[str] = set()
    for check in checks:
        finding = _skipped(check) if check.after in without else _look(check)
        if finding.verdict in (Verdict.FAILED, Verdict.SKIPPED):
            without.add(check.name)
        yield finding


def _skipped(check: Check) -> Finding:
    return Finding(check.name, Verdict.SKIPPED, f"not looked at: {check.after} comes first")


def _look(check: Check) -> Finding:
    try:
        return Finding(check.name, Verdict.OK, _line(check.look()))
    except Doubt as doubt:
        return Finding(check.name, Verdict.WARNING, _line(str(doubt)))
    except Exception as error:
        return Finding(check.name, Verdict.FAILED, _line(_worded(error, check)))


def _worded(error: Exception, check: Check) -> str:
    """What is wrong and what to do about it: a missing permission, credentials, the way there, what is absent, in that order."""
    from retail_lake.doctor.advice import advice

    cause = _of_aws(error)
    said = _said(cause or error)
    if cause is not None and (found := _denied(cause, check.service) or advice(cause, check.service)):
        return f"{found} ({said})"
    if check.absent and (code_of(cause or error) in _ABSENT_CODES or _ABSENT.search(said)):
        return f"{check.absent} ({said})"
    if cause is error:
        return f"AWS answers: {said}"
    return str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"


def _of_aws(error: BaseException) -> BaseException | None:
    """The error of AWS's or of botocore's that this one is, or was made from."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, (BotoCoreError, ClientError)):
        return error
    return _of_aws(error.__cause__) if error.__cause__ is not None else None


def _denied(error: BaseException, service: str) -> str:
    """Which permission is missing, if that is what is wrong."""
    if code_of(error) not in _DENIED:
        return ""
    operation = getattr(error, "operation_name", "")
    return f"not allowed: grant {service}:{_ACTIONS.get(operation, operation)} to the caller"


def _said(error: BaseException) -> str:
    """Its own words, without those that botocore puts around AWS's."""
    response = getattr(error, "response", None)
    return str((response or {}).get("Error", {}).get("Message") or error)


def _line(text: str) -> str:
    return " ".join(text.split())

"""What a check is and what becomes of one: a word, a line, and never a stack trace.

Belongs here: the vocabulary and the order of things. Does not: anything that is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from retail_lake.failure import Failure

_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException", "UnauthorizedOperation", "403"}
)
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
    permissions it needs (`glue`). `after` names a check without which this one says nothing.
    """

    name: str
    look: Callable[[], str]
    service: str = ""
    after: str = ""


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
        return Finding(check.name, Verdict.FAILED, _line(_denied(error, check.service) or _worded(error)))


def _denied(error: Exception, service: str) -> str:
    """Which permission is missing, if that is what is wrong."""
    from botocore.exceptions import ClientError

    cause = error if isinstance(error, ClientError) else error.__cause__
    if not isinstance(cause, ClientError) or cause.response.get("Error", {}).get("Code") not in _DENIED:
        return ""
    operation = cause.operation_name
    permission = f"{service}:{_ACTIONS.get(operation, operation)}"
    return f"not allowed: grant {permission} to the caller ({cause.response['Error'].get('Message') or 'access denied'})"


def _worded(error: Exception) -> str:
    from botocore.exceptions import BotoCoreError, ClientError

    from retail_lake.aws import failure_of

    if isinstance(error, (BotoCoreError, ClientError)):
        return str(failure_of(error, "asking AWS"))
    return str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"


def _line(text: str) -> str:
    return " ".join(text.split())

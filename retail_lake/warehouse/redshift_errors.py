"""What an error of Redshift means for who asked: try again, look at the data, or change something.

Belongs here: reading error texts. The Data API gives nothing else: no code, only what the cluster said.
"""

from __future__ import annotations

import re
from typing import Final

from retail_lake.failure import ConfigurationFailure, DataFailure, Failure, TransientFailure


class Overtaken(TransientFailure):
    """Another writer came between looking and writing: look again and decide anew."""


def _says(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_KINDS: Final[tuple[tuple[re.Pattern[str], type[Failure]], ...]] = (
    (
        _says(
            r"\b1023\b",
            "serializable isolation violation",
            "could not serialize access",
            "deadlock detected",
            "concurrent transaction",
            "already exists",
            "could not open relation",
            'duplicate key value violates unique constraint "pg_',
        ),
        Overtaken,
    ),
    (
        _says(
            "permission denied",
            "must be (the )?owner",
            "not authorized",
            "access ?denied",
            "is not associated (to|with) (the )?cluster",
            "does not have .*(privilege|permission)",
            "password authentication failed",
            "(database|schema) .* does not exist",
            "other objects depend on it",
            "disk full",
        ),
        ConfigurationFailure,
    ),
    (
        _says(
            "slow ?down",
            r"status 50\d",
            "internal ?error",
            "timed? ?out",
            "timeout",
            "connection .*(closed|reset|terminated|refused|limit|failed|lost)",
            "terminating connection",
            "closed the connection",
            "database system is (starting|shutting|in recovery)",
            "cancell?ed",
            "cluster .*(restart|resiz|unavailable)",
            "out of memory",
        ),
        TransientFailure,
    ),
    (
        _says(
            "spectrum scan error",
            "incompatible parquet schema",
            "manifest",
            "content.?length",
            "nosuchkey",
            "does not exist in s3",
            "specified key does not exist",
            "number of columns",
            "unmatched number of columns",
            "overflow",
            "out of range",
            "too long",
            "exceeds",
            "invalid (digit|input|value|byte|date|timestamp)",
            "cannot insert a null",
            "load.* error",
        ),
        DataFailure,
    ),
)

BY_ZERO: Final = _says("divi(de|sion) by zero")
"""What a statement that asserts something says when it does not hold."""


def failure_of(error: str, what: str) -> Exception:
    """An error's text as the failure to raise; a plain RuntimeError for what nobody but a developer can act on."""
    for pattern, kind in _KINDS:
        if pattern.search(error):
            return kind(f"{what}: {error}")
    return RuntimeError(f"{what}: {error}")

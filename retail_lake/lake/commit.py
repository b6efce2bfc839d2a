"""Committing against other writers: a failed transaction is made anew from a refreshed table, never reused.

Belongs here: which errors of a catalog or a file system another try may not meet. Does not: what is committed.
"""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

from retail_lake.failure import TransientFailure, of_the_machine, words
from retail_lake.storage import failures

T = TypeVar("T")
ATTEMPTS = 8


def conflicts() -> tuple[type[Exception], ...]:
    """What a catalog raises for another writer in the way, or for a passing trouble of its own."""
    from pyiceberg.exceptions import (
        CommitFailedException,
        CommitStateUnknownException,
        ServiceUnavailableError,
        TooManyRequestsError,
        ValidationException,
    )
    from sqlalchemy.exc import IntegrityError, OperationalError

    return (
        CommitFailedException,
        ValidationException,
        IntegrityError,
        OperationalError,
        CommitStateUnknownException,
        ServiceUnavailableError,
        TooManyRequestsError,
        TransientFailure,
    )


def retried(attempt: Callable[[], T], what: str) -> T:
    """Run `attempt` until it meets no conflict, with backoff and jitter.

    An attempt may have been carried out although it failed: it must look before it acts. Raises `TransientFailure` after
    the last attempt, `ConfigurationFailure` where the file system refuses.
    """
    for number in range(ATTEMPTS):
        try:
            # Of a new day there is nothing to delete, and that is as it should be. The filter stays: filters are the whole
            # process's, and threads that each put back what they had found would undo each other's.
            warnings.filterwarnings("ignore", message="Delete operation did not match any records")
            with failures(what):
                return attempt()
        except conflicts() as error:
            if number == ATTEMPTS - 1:
                away = isinstance(error, TransientFailure) or of_the_machine(error)
                why = "it did not get through" if away else "other writers kept getting in the way"
                raise TransientFailure(f"{what}: {why} ({words(error)}); run it again") from error
            time.sleep(random.uniform(0, 0.1 * 2**number))
    raise AssertionError("unreachable")

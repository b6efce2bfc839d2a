"""Committing against other writers: a failed transaction is made anew from a refreshed table, never reused."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable
from typing import TypeVar

from retail_lake.failure import TransientFailure

T = TypeVar("T")
ATTEMPTS = 8


def retried(attempt: Callable[[], T], what: str) -> T:
    """Run `attempt` until it meets no conflict, with backoff and jitter.

    Raises `TransientFailure` after the last attempt.
    """
    from pyiceberg.exceptions import CommitFailedException, ValidationException
    from sqlalchemy.exc import IntegrityError, OperationalError

    for number in range(ATTEMPTS):
        try:
            with warnings.catch_warnings():
                # Of a new day there is nothing to delete, and that is as it should be.
                warnings.filterwarnings("ignore", message="Delete operation did not match any records")
                return attempt()
        except (CommitFailedException, ValidationException, IntegrityError, OperationalError) as error:
            if number == ATTEMPTS - 1:
                raise TransientFailure(f"{what}: other writers kept getting in the way ({error}); run it again") from error
            time.sleep(random.uniform(0, 0.1 * 2**number))
    raise AssertionError("unreachable")

"""Committing against other writers: a failed transaction is made anew from a refreshed table, never reused."""

from __future__ import annotations

import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from retail_lake.failure import TransientFailure

T = TypeVar("T")
ATTEMPTS = 8


@contextmanager
def nothing_to_delete() -> Iterator[None]:
    """Without pyiceberg's warning about a delete that finds nothing: of a new day, that is as it should be."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Delete operation did not match any records")
        yield


def retried(attempt: Callable[[], T], what: str) -> T:
    """Run `attempt` until it meets no conflict, with backoff and jitter.

    Raises `TransientFailure` after the last attempt.
    """
    from pyiceberg.exceptions import CommitFailedException, ValidationException
    from sqlalchemy.exc import OperationalError

    for number in range(ATTEMPTS):
        try:
            with nothing_to_delete():
                return attempt()
        except (CommitFailedException, ValidationException, OperationalError) as error:
            if number == ATTEMPTS - 1:
                raise TransientFailure(f"{what}: other writers kept getting in the way ({error}); run it again") from error
            time.sleep(random.uniform(0, 0.1 * 2**number))
    raise AssertionError("unreachable")

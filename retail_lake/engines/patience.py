"""Asking a service again: how often, and how long to wait in between.

Belongs here: backoff, jitter and bounds. Does not: what is asked, or what an answer means.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TypeVar

from retail_lake.engines.causes import refusal
from retail_lake.failure import TransientFailure

T = TypeVar("T")
_STEPS = 16


def pauses(longest: float) -> Iterator[float]:
    """Seconds to wait, doubling up to `longest`, each shortened at random by up to half: callers drift apart."""
    pause = longest / _STEPS
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, longest)


def persist(call: Callable[[], T], what: str, pause: Callable[[float], object], *, longest: float, tries: int) -> T:
    """What the call answers, through at most `tries - 1` refusals that another try may not meet.

    Throttling, want of capacity and network faults are such; `pause` waits so many seconds between two tries, and may raise.
    Raises the last refusal as a `Failure` that names its cause.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    waits = pauses(longest)
    for left in reversed(range(tries)):
        try:
            return call()
        except (BotoCoreError, ClientError) as error:
            failure = refusal(error, what)
            if not left or not isinstance(failure, TransientFailure):
                raise failure from error
        pause(next(waits))
    raise AssertionError("tries must be at least 1")

"""The last lines of a job's log, for a failure to show, and for its cause to be named by.

Belongs here: how long they are waited for, and what there is instead. Does not: reading a service's log (`logs.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from retail_lake.engines.control import Control, Reporting
from retail_lake.engines.patience import pauses

LOG_SECONDS: Final = 360.0
"""How long after a job's end its log may arrive: EMR copies logs every five minutes."""
UNREADABLE: Final = "(the log cannot be read"


def last_words(
    control: Control, remote_id: str, heard: Reporting, pause: Callable[[float], object], *, longest: float, within: float
) -> list[str]:
    """What the service has kept of the job's output, waited for `within` so many seconds, `longest` between two looks.

    What is not there by then is made up for by what was heard of the job while it ran. `pause` may raise.
    """
    waits, until = pauses(longest), time.monotonic() + within
    while True:
        try:
            log = control.log_tail(remote_id)
        except Exception as error:
            # A log that cannot be read must not hide what it was to explain; nor is it worth waiting for.
            return [*heard.last_lines(), f"{UNREADABLE}: {error})"]
        if log.arrived or time.monotonic() >= until:
            return list(log.lines) if log.arrived and log.lines else [*heard.last_lines(), *log.lines]
        pause(next(waits))


def of_the_job(lines: list[str]) -> list[str]:
    """Of the last words, those that are the job's: why its log cannot be read is not why it failed."""
    return [line for line in lines if not line.startswith(UNREADABLE)]

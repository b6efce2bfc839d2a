"""A job that is told to stop while it works, wherever it runs: by an object that it looks for.

Belongs here: looking, and ending. Does not: who tells it (`engines/launches.py`).

A service's own cancelling does not reach every job: killing the process that submitted one to YARN leaves it running, and
Lambda has no such call. The program ends by `os._exit`: interrupting DuckDB's query, or Spark's, would leave readers and writers
of files in other threads going, and what is running then may not even be a query. What it has staged nobody reads.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from retail_lake.jobs.description import FailureReport
from retail_lake.storage import read_bytes, write_bytes

if TYPE_CHECKING:
    from retail_lake.config import Settings

LOOK_SECONDS: Final = 2.0
STATUS: Final = 5
"""Exit status of a program that was told to stop."""
WHY: Final = "stopped: it was told to"


@contextmanager
def ends_when_told(marker: str, report: str, settings: Settings) -> Iterator[None]:
    """End the process, with a report that says why, when the object `marker` appears during the block; "" never does."""
    if not marker:
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(marker, report, settings, over), name="cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()


def _watch(marker: str, report: str, settings: Settings, over: threading.Event) -> None:
    while not _told(marker, settings):
        if over.wait(LOOK_SECONDS):
            return
    with suppress(Exception):
        # Whoever told it to stop waits for no report; one that reads it should not have to guess.
        if report != "-":
            write_bytes(report, FailureReport(kind="transient", message=WHY).model_dump_json().encode(), settings)
    with suppress(Exception):
        sys.stderr.write(f"{WHY}\n")
        sys.stderr.flush()
    os._exit(STATUS)


def _told(marker: str, settings: Settings) -> bool:
    try:
        read_bytes(marker, settings)
    except Exception:
        # Not there, or not to be seen now: the work counts for more than a look.
        return False
    return True

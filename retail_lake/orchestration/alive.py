"""Whether a run still goes on: Dagster's word for it, and for a run of the command line that its process is there.

Belongs here: telling the quick from the dead. Does not: what becomes of a dead run's jobs (`reaper.py`) or slots (`pools.py`).

A code server notices when a run's process dies. Nobody watches a process that a person started, so that its run says which
one it is, by host and process id; from another host nothing is known of it, and then it counts as alive.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import dagster as dg

PROCESS_TAG: Final = "retail-lake/process"


def process_tag() -> dict[str, str]:
    """The tag of a run of this process."""
    return {PROCESS_TAG: f"{socket.gethostname()}:{os.getpid()}"}


def goes_on(instance: dg.DagsterInstance, run_id: str) -> bool | None:
    """Whether a run still goes on; None of one that this instance does not know."""
    run = instance.get_run_by_id(run_id)
    return None if run is None else not is_over(run)


def is_over(run: dg.DagsterRun) -> bool:
    """Whether nothing of the run goes on any more: it has ended, or its process has."""
    return run.is_finished or process_is_gone(run)


def process_is_gone(run: dg.DagsterRun) -> bool:
    """Whether the run was of a process of this host that is there no more."""
    host, _, process = run.tags.get(PROCESS_TAG, "").rpartition(":")
    if host != socket.gethostname() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # somebody else's, but there
    return False

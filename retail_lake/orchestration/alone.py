"""One at a time: a lock between the processes of a machine and the threads of each, which a killed holder leaves free.

Belongs here: the lock. Does not: what it is for.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(lock_file: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock until the end of the block. Without `wait`, somebody else may have it: then what is given is False."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    # Each has opened the file for itself, which is what the system tells threads apart by.
    with lock_file.open("w") as lock:
        yield _taken(lock.fileno(), wait)


def _taken(lock: int, wait: bool) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True

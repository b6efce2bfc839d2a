"""A process that believes in another time: Python's clocks moved by so many seconds, the machine's left alone.

Belongs here: moving the clocks of this process. Does not: which process's, and by how much (`kinds/moved_clock.py`).
"""

from __future__ import annotations

import ctypes
import gc
import time
from datetime import UTC, datetime, tzinfo
from typing import Any


def move(seconds: float) -> None:
    """From now on, this process's clocks are fast by so many seconds, or slow. Clocks that only measure spans stay right."""
    true_time, true_time_ns = time.time, time.time_ns
    time.time = lambda: true_time() + seconds
    time.time_ns = lambda: true_time_ns() + int(seconds * 1_000_000_000)

    def now(cls: Any, tz: tzinfo | None = None) -> Any:
        return cls.fromtimestamp(time.time(), tz)

    def utcnow(cls: Any) -> Any:
        return cls.fromtimestamp(time.time(), UTC).replace(tzinfo=None)

    # The type is C's and does not take attributes, but its dictionary is a dictionary.
    (its,) = gc.get_referents(datetime.__dict__)
    its["now"], its["utcnow"] = classmethod(now), classmethod(utcnow)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime))

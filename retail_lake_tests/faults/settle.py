"""After the faults: everything is started again, and run until nothing changes.

Belongs here: that. Does not: what should have come of it (`judge.py`).
"""

from __future__ import annotations

from datetime import date
from typing import Final

from retail_lake_tests.faults.world import World

RUNS: Final = 6
"""More than ever needed: a run that finds nothing to do ends it."""


class NeverSettles(AssertionError):
    """It was run again and again, and still there was something to do."""


def settle(world: World, first: date, last: date) -> int:
    """Run until a run finds nothing to do; returns how many it took."""
    for number in range(1, RUNS + 1):
        ended = world.start(first, last).end()
        if ended.well and not ended.built:
            return number
    raise NeverSettles(f"after {RUNS} runs: {ended.built} tables built, {ended.problems or 'no problems'}\n{world.said()}")

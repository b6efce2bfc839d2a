"""The reaper, which Dagster's daemon lets look every minute: here it looks when it is told to, in a process of its own.

Belongs here: letting it look until no launch is open. Does not: what it does (`retail_lake/orchestration/reaper.py`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from retail_lake_tests.faults import judge
from retail_lake_tests.faults.run import beside

if TYPE_CHECKING:
    from retail_lake_tests.faults.world import World

LIMIT: Final = 400
"""Seconds; a launch that never reached its service is given up after three hundred."""
_PAUSE: Final = 2.0


def reap(world: World) -> int:
    """Let it look until nothing is left of killed runs, if anything was; returns of how many launches there was something."""
    until, found = time.monotonic() + LIMIT, judge.open_launches(world.settings)
    left = found
    while left and time.monotonic() < until:
        beside(world.environment, world.folder / "runs.log", _look).join()
        if left := judge.open_launches(world.settings):
            time.sleep(_PAUSE)
    return len(found)


def _look() -> None:
    import dagster as dg

    from retail_lake.config import REMOTE, load_settings
    from retail_lake.orchestration.instance import open_instance
    from retail_lake.orchestration.reaper import reaper
    from retail_lake.orchestration.resources import default_resources

    settings = load_settings()
    with open_instance(settings) as instance:
        resources: dict[str, Any] = {n: its for n, its in default_resources(settings).items() if n in REMOTE}
        told = reaper(settings).evaluate_tick(dg.build_sensor_context(instance=instance, resources=resources))
        print(f"{time.time():.2f} the reaper: {told.skip_message}", flush=True)

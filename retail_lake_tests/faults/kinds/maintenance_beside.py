"""Maintenance goes on beside a run, rewriting files that the run reads and replaces, until it is killed with SIGKILL."""

from __future__ import annotations

import time
from multiprocessing.context import ForkServerProcess

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run, beside


class MaintenanceBeside(Fault):
    """See the module."""

    name = "maintenance beside, killed (SIGKILL)"
    lasts = (2.0, 8.0)

    def __init__(self) -> None:
        self._process: ForkServerProcess | None = None

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Start it."""
        self._process = beside(scene.world.environment, scene.world.folder / "runs.log", _look_after)
        assert self._process.pid
        scene.world.groups.add(self._process.pid)

    def heal(self, scene: Scene) -> None:
        """Kill it, unless it failed: then that is told."""
        assert self._process
        if self._process.exitcode is not None:
            scene.world.failed.append(f"maintenance ended by itself: {scene.world.said()[-800:]}")
        self._process.kill()
        self._process.join()


def _look_after() -> None:
    """Make every day one file again, however many it has, then do all that is done every night; and once more."""
    from retail_lake.config import load_settings
    from retail_lake.failure import TransientFailure
    from retail_lake.lake.compaction import compact
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.upkeep import keep
    from retail_lake.tables import TABLES

    while True:
        lake = Lake(load_settings())
        for table in TABLES.values():
            try:
                if done := compact(lake, table, at_least=1):
                    print(f"{time.time():.2f} maintenance: {table.full_name}, {len(done)} days rewritten", flush=True)
            except TransientFailure as failure:
                print(f"{time.time():.2f} maintenance: {failure}", flush=True)
        if wrong := [each.failed for each in keep(lake) if each.failed and each.kind != "transient"]:
            raise SystemExit("\n".join(wrong))

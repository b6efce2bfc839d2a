"""A backfill of days that overlap, beside the run that builds them already."""

from __future__ import annotations

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run


class RunBeside(Fault):
    """See the module. It builds everything again, whether it has changed or not."""

    name = "overlapping backfill"

    def __init__(self) -> None:
        self._other: Run | None = None

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Start it."""
        self._other = scene.world.start(scene.first, scene.last, force=True)

    def heal(self, scene: Scene) -> None:
        """Let it end."""
        assert self._other
        self._other.end()

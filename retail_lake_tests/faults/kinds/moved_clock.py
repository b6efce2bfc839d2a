"""The clock of the machine that a run is on is wrong."""

from __future__ import annotations

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run

_HOURS = 3600.0
# S3 refuses a request that is more than fifteen minutes off.
_S3_MINUTES = 10 * 60.0


class _ClockMoved(Fault):
    before = True
    way = 1

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Move it, for the runs that start from now on."""
        most = _S3_MINUTES if scene.world.s3 else 40 * 24 * _HOURS
        scene.world.clock = self.way * scene.chance.uniform(most / 40, most)

    def heal(self, scene: Scene) -> None:
        """Set it right."""
        scene.world.clock = 0


class ClockBack(_ClockMoved):
    """It is slow, by an hour or by weeks."""

    name = "clock slow"
    way = -1


class ClockForward(_ClockMoved):
    """It is fast, by an hour or by weeks."""

    name = "clock fast"

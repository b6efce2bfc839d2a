"""The S3 server is killed with SIGKILL, and started again some seconds later."""

from __future__ import annotations

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run


class S3Killed(Fault):
    """See the module."""

    name = "S3 server killed (SIGKILL)"
    lasts = (0.5, 4.0)
    needs_s3 = True

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Kill it."""
        assert scene.world.s3
        scene.world.s3.kill()

    def heal(self, scene: Scene) -> None:
        """Start it."""
        assert scene.world.s3
        scene.world.s3.restart()

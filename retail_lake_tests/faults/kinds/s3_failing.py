"""Of the calls to S3, one in twenty fails: refused, answered too late, not answered, or broken off in the middle."""

from __future__ import annotations

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run


class S3Failing(Fault):
    """See the module."""

    name = "5 % of S3 calls failing"
    before = True
    needs_s3 = True

    def inject(self, scene: Scene, run: Run | None) -> None:
        """From now on."""
        assert scene.world.s3
        scene.world.s3.chances.share = 0.05

    def heal(self, scene: Scene) -> None:
        """No more."""
        assert scene.world.s3
        scene.world.s3.chances.share = 0.0

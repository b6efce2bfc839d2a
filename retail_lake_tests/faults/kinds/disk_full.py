"""The disk is full, all but a little, in the middle of a run; later somebody makes room."""

from __future__ import annotations

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run


class DiskFull(Fault):
    """See the module. Lake, catalog, warehouse and Dagster's own events are all on it."""

    name = "disk full"
    lasts = (1.0, 5.0)
    needs_disk = True

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Leave room for a page, or for a file or two."""
        assert scene.world.disk
        scene.world.disk.fill(int(10 ** scene.chance.uniform(3, 5.5)))

    def heal(self, scene: Scene) -> None:
        """Make room."""
        assert scene.world.disk
        scene.world.disk.empty()

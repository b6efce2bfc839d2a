"""Files that are there arrive once more, the same bytes at another time, in any order, while a run reads them."""

from __future__ import annotations

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run


class ArrivalsRepeated(Fault):
    """See the module."""

    name = "arrivals repeated, out of order"

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Bring some of them again."""
        keys = scene.served.arriving(scene.served.first, scene.last)
        again = scene.chance.sample(keys, max(1, len(keys) // 3))
        scene.served.deliver(scene.world, scene.served.order(again, scene.chance))

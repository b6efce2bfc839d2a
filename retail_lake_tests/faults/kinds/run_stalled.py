"""A run's process stands still for a while, and another run overtakes it; then it goes on as if nothing had been."""

from __future__ import annotations

import signal

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run


class RunStalled(Fault):
    """See the module. The other run may have to wait for what the first one holds: it is not waited for while that stands."""

    name = "run stalled and overtaken"
    lasts = (2.0, 6.0)

    def __init__(self) -> None:
        self._stalled: Run | None = None
        self._other: Run | None = None

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Stop it, and start another."""
        assert run
        self._stalled = run
        run.signal(signal.SIGSTOP)
        self._other = scene.world.start(scene.first, scene.last)

    def heal(self, scene: Scene) -> None:
        """Let it go on, and both end."""
        assert self._stalled and self._other
        self._stalled.signal(signal.SIGCONT)
        self._other.end()

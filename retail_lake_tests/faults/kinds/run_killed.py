"""A run's process is killed with SIGKILL, jobs, commits, loads and all."""

from __future__ import annotations

import signal

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run


class RunKilled(Fault):
    """See the module."""

    name = "run killed (SIGKILL)"

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Kill it."""
        assert run
        run.signal(signal.SIGKILL)

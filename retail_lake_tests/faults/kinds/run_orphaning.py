"""A run's process is killed with SIGKILL while a remote job of it is at work, which goes on with nobody waiting for it."""

from __future__ import annotations

import signal

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.kinds.job_killed import SECONDS
from retail_lake_tests.faults.run import Run


class RunOrphaning(Fault):
    """See the module. The next run does not wait for the orphan either."""

    name = "run killed, its remote job goes on"
    needs_aws = True

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Kill the run."""
        assert run and scene.world.aws
        scene.world.aws.job(run, scene.chance.uniform(0, SECONDS))
        run.signal(signal.SIGKILL)

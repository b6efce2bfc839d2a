"""The process of a remote job is killed with SIGKILL, in the middle of it; the run that waits for it goes on."""

from __future__ import annotations

from typing import Final

from retail_lake_tests.faults.fault import Fault, Scene
from retail_lake_tests.faults.run import Run

SECONDS: Final = 4.0
"""For how long, at most, it has been at work by then: few jobs take longer."""


class JobKilled(Fault):
    """See the module."""

    name = "remote job killed (SIGKILL)"
    needs_aws = True

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Kill one."""
        assert run and scene.world.aws
        job = scene.world.aws.job(run, scene.chance.uniform(0, SECONDS))
        assert job.process
        job.process.kill()

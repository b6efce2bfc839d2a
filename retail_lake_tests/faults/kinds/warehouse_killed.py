"""PostgreSQL, the warehouse's server, is killed with SIGKILL in the middle of a load, and started again some seconds later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from retail_lake_tests.faults.fault import Fault, Scene, TooLate
from retail_lake_tests.faults.run import Run

_STATEMENTS: Final = 14
"""What a load has of them, with its commit."""
_LOOK: Final = 0.05


class WarehouseKilled(Fault):
    """See the module."""

    name = "PostgreSQL killed (SIGKILL)"
    lasts = (0.5, 4.0)
    needs_aws = True

    def inject(self, scene: Scene, run: Run | None) -> None:
        """Kill it before any statement of a load but the first."""
        from retail_lake_tests.aws.redshift_runs import Fault as Moment

        assert run and scene.world.aws
        redshift = scene.world.aws.redshift
        held = redshift.fault(Moment(at=scene.chance.randint(2, _STATEMENTS), hold=True, where=_is_load))
        while not held.reached.wait(_LOOK):
            if not run.wait(0):
                held.times = 0
                raise TooLate
        redshift.server().kill()
        held.released.set()

    def heal(self, scene: Scene) -> None:
        """Start it."""
        assert scene.world.aws
        scene.world.aws.redshift.server().start()


def _is_load(sqls: Sequence[str]) -> bool:
    from retail_lake_tests.aws.redshift_sql import verb

    return any(verb(sql) == "COPY" for sql in sqls)

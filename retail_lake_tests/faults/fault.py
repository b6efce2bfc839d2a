"""What a fault is: something that happens to a world while a run goes on in it, and then is over.

Belongs here: the shape of a fault, and how a run is disturbed by some. Does not: any kind of fault (`kinds/`).
"""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from datetime import date

    from retail_lake_tests.faults.arriving import Served
    from retail_lake_tests.faults.run import Ended, Run
    from retail_lake_tests.faults.world import World


@dataclass
class Scene:
    """Where a fault happens: the world, what has arrived in it and on which days, and the chance that decides."""

    world: World
    served: Served
    first: date
    last: date
    chance: random.Random


class TooLate(Exception):
    """The run ended before there was anything that the fault could have happened to."""


class Fault(ABC):
    """One kind of fault. An object of it happens once."""

    name: ClassVar[str]
    lasts: ClassVar[tuple[float, float]] = (0, 0)
    """Seconds from `inject` to `heal`, at least and at most, unless the run ends before."""
    before: ClassVar[bool] = False
    """Whether it is there before the run starts, and until it has ended."""
    needs_s3: ClassVar[bool] = False
    needs_disk: ClassVar[bool] = False
    needs_aws: ClassVar[bool] = False

    @abstractmethod
    def inject(self, scene: Scene, run: Run | None) -> None:
        """Let it happen, to this run where there is one. May raise `TooLate`."""

    def heal(self, scene: Scene) -> None:  # noqa: B027 (most have nothing to undo)
        """Undo it; whatever it broke stays broken."""

    @classmethod
    def possible(cls, world: World) -> bool:
        """Whether that world has what it takes. On AWS, where a run takes a minute, only what can happen nowhere else."""
        if cls.needs_aws != (world.aws is not None):
            return False
        return (not cls.needs_s3 or world.s3 is not None) and (not cls.needs_disk or world.disk is not None)


@dataclass(frozen=True)
class Moment:
    """When a fault happens: so many seconds after so many tables were begun."""

    tables: int
    seconds: float


def disturb(scene: Scene, faults: Sequence[tuple[Fault, Moment]], *, force: bool) -> tuple[Ended, list[Fault]]:
    """Run every table for the scene's days while these faults happen; returns the run's end and the faults that came in time."""
    happened: list[Fault] = []
    for fault, _ in faults:
        if fault.before:
            fault.inject(scene, None)
            happened.append(fault)
    run = scene.world.start(scene.first, scene.last, force=force)
    sudden = [
        threading.Thread(target=_happen, args=(scene, run, fault, moment, happened))
        for fault, moment in faults
        if not fault.before
    ]
    for thread in sudden:
        thread.start()
    for thread in sudden:
        thread.join()
    ended = run.end()
    for fault, _ in faults:
        if fault.before:
            fault.heal(scene)
    return ended, happened


def _happen(scene: Scene, run: Run, fault: Fault, moment: Moment, happened: list[Fault]) -> None:
    if not (run.begun(moment.tables) and run.wait(moment.seconds)):
        return
    try:
        fault.inject(scene, run)
    except TooLate:
        return
    happened.append(fault)
    run.wait(scene.chance.uniform(*fault.lasts))
    fault.heal(scene)

"""A round: a world from its first arrivals to its last, with every fault that is possible in it, and the verdict.

Belongs here: the order of things, drawn from a seed. Does not: what a fault is, or what is right.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from retail_lake.contract import Layer
from retail_lake.tables import TABLES
from retail_lake_tests.faults import judge, world
from retail_lake_tests.faults.arriving import Served
from retail_lake_tests.faults.fault import Fault, Moment, Scene, disturb
from retail_lake_tests.faults.kinds import KINDS
from retail_lake_tests.faults.reader import Reader
from retail_lake_tests.faults.reaping import reap
from retail_lake_tests.faults.settle import settle
from retail_lake_tests.faults.state import State, differences, take
from retail_lake_tests.faults.world import World
from retail_lake_tests.lake.chain import upstream

Say = Callable[[str], None]
TRIES: Final = 4
"""How often a fault that came too late for its run is tried again."""
LOCAL: Final = "local"
_WORLDS: Final[Mapping[str, Callable[[Path, date, random.Random], World]]] = {
    LOCAL: lambda folder, first, chance: world.local(folder / "world", first),
    "s3": world.on_s3,
    "aws": lambda folder, first, chance: world.on_aws(folder, first),
}
"""How the world of each place is made that a round can be played in."""


@dataclass
class Outcome:
    """What a round counted. Everything but the first five should be empty; `injected` has the kinds that never happened too."""

    injected: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    reads: int = 0
    orphans: int = 0
    unanswered: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong_reads: list[str] = field(default_factory=list)
    unpublished: list[str] = field(default_factory=list)
    launches: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """All that should not be, in words."""
        kinds = ("different", "lost", "wrong_reads", "unpublished", "launches", "left", "failed")
        return [f"{kind.replace('_', ' ')}: {what}" for kind in kinds for what in getattr(self, kind)]


@dataclass(frozen=True)
class Story:
    """What arrives, the last day of each stage of it, and what is built (None: everything).

    `states` gives the states that an undisturbed lake is in, nothing at first and then one after each stage. It may have to be
    waited for.
    """

    served: Served
    stages: tuple[date, ...]
    tables: list[str] | None
    states: Callable[[], Sequence[State]]


@contextmanager
def undisturbed(served: Served, folder: Path, stages: Sequence[int], tables: Sequence[str] = ()) -> Iterator[Story]:
    """The story of a lake that nothing happens to, which is built meanwhile; a stage is a number of days that have arrived.

    `tables` stand for themselves, all they are built from, and their copies in the warehouse; none for everything there is.
    """
    ends = tuple(served.first + timedelta(days=days - 1) for days in stages)
    wanted = with_inputs(tables) if tables else None
    with ThreadPoolExecutor(1) as beside:
        states = beside.submit(_build, served, folder, ends, wanted)
        yield Story(served, ends, wanted, states.result)


def _build(served: Served, folder: Path, stages: Sequence[date], tables: list[str] | None) -> list[State]:
    place = World(folder, served.first)
    place.tables = tables
    states = [State({}, frozenset())]
    try:
        since = served.first
        for end in stages:
            served.deliver(place, served.arriving(since, end))
            ended = place.start(served.first, end).end()
            assert ended.well, f"an undisturbed run failed: {ended.problems}\n{place.said()}"
            states.append(take(place.settings))
            since = end + timedelta(days=1)
    finally:
        place.close()
    return states


def with_inputs(tables: Sequence[str]) -> list[str]:
    """These tables, all they are built from, and the warehouse's copies of what is gold."""
    wanted = {name for table in tables for name in upstream(table) if name in TABLES}
    gold = [t for n, t in TABLES.items() if n in wanted and t.layer is Layer.GOLD]
    return [*(name for name in TABLES if name in wanted), *(f"warehouse.{t.name}" for t in gold)]


def play(
    story: Story,
    folder: Path,
    seed: int,
    *,
    on: str,
    each: int = 1,
    calm: int = 0,
    kinds: Sequence[type[Fault]] = KINDS,
    say: Say,
) -> Outcome:
    """Play a round in a place of `_WORLDS`, in which each possible kind of fault happens `each` times in every stage, but for
    the first `calm` ones."""
    chance, outcome = random.Random(seed), Outcome()
    came: list[tuple[list[str], State]] = []
    with _world(folder, story, chance, on) as place, closing(Reader(place.reading, seed, folder / "reader.log")) as reader:
        outcome.injected.update({kind.name: 0 for kind in kinds if kind.possible(place)})
        since = story.served.first
        for stage, end in enumerate(story.stages):
            scene = Scene(place, story.served, story.served.first, end, chance)
            story.served.deliver(place, story.served.order(story.served.arriving(since, end), chance))
            drawn = _drawn(kinds, place, each, chance) if stage >= calm else []
            happened = [name for faults in drawn for name in _happen(scene, faults, say)]
            if stage >= calm:
                say(f"settled after {settle(place, scene.first, end)} runs")
                if reaped := reap(place):
                    say(f"{reaped} launches of killed runs were left to the reaper")
            else:
                assert place.start(scene.first, end).end().well, place.said()
            came.append((happened, take(place.settings)))
            outcome.lost += judge.lost_rows(place.settings, story.served, end)
            outcome.unpublished += judge.unpublished(place.settings, came[-1][1])
            since = end + timedelta(days=1)
        seen = reader.seen()
        outcome.orphans, changed = judge.orphans(place.settings, came[-1][1])
        outcome.unpublished += changed
        outcome.launches += judge.open_launches(place.settings)
        outcome.left += place.left()
        outcome.failed += place.failed
    states = story.states()
    for (happened, found), expected in zip(came, states[1:], strict=True):
        outcome.injected.update(happened)
        differ = differences(expected, found)
        outcome.different += differ
        outcome.survived.update([] if differ else happened)
    outcome.reads, outcome.unanswered = seen.reads, seen.unavailable
    outcome.wrong_reads = judge.wrong_reads(seen, states)
    # A server that was killed does not answer; a file always does.
    outcome.wrong_reads += seen.unavailable if on == LOCAL else []
    return outcome


def _drawn(kinds: Sequence[type[Fault]], place: World, each: int, chance: random.Random) -> list[list[type[Fault]]]:
    """The faults of a stage, run by run: sudden ones one at a time, and with some of them one that is there all the while."""
    possible = [kind for kind in kinds if kind.possible(place) for _ in range(each)]
    chance.shuffle(possible)
    runs = [[kind] for kind in possible if not kind.before]
    for number, kind in enumerate(kind for kind in possible if kind.before):
        if number < len(runs):
            runs[number].append(kind)
        else:
            runs.append([kind])
    return runs


def _happen(scene: Scene, kinds: Sequence[type[Fault]], say: Say) -> list[str]:
    """Run with faults of these kinds; the names of those that happened."""
    most = len([n for n in scene.world.tables or TABLES if n in TABLES])
    named: list[str] = []
    waiting = [*kinds]
    for number in range(TRIES):
        # Early moments more often: there must be something to do yet. The last ones are those of the warehouse.
        moment = Moment(min(most, int(scene.chance.expovariate(4 / most))), scene.chance.uniform(0, 0.5))
        force = number > 0 or scene.chance.random() < 0.5
        ended, happened = disturb(scene, [(kind(), moment) for kind in waiting], force=force)
        named += [fault.name for fault in happened]
        waiting = [kind for kind in waiting if kind.name not in named]
        said = f"the run ended with {ended.code}: {ended.problems.splitlines()[0][:150] if ended.problems else 'nothing wrong'}"
        when = f"{moment.seconds:.2f} s after {moment.tables} tables{', forced' if force else ''}"
        say(f"{' and '.join(f.name for f in happened) or 'nothing in time'}, {when}; {said}")
        if not waiting:
            break
    return named


@contextmanager
def _world(folder: Path, story: Story, chance: random.Random, on: str) -> Iterator[World]:
    folder.mkdir(parents=True)
    place = _WORLDS[on](folder, story.served.first, chance)
    place.tables = story.tables
    try:
        yield place
    finally:
        place.close()
        if place.s3:
            place.s3.close()
        if place.aws:
            place.aws.close()

"""A round in which nobody starts a run: files land, and the daemon's sensors do the rest, while it is killed now and then.

Belongs here: that round. Does not: rounds of runs that somebody starts (`rounds.py`), or what is right (`judge.py`).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date, timedelta
from functools import partial
from math import ceil
from pathlib import Path
from typing import Final

from retail_lake.arrivals.queue import standing
from retail_lake.config import PREFIX
from retail_lake.contract import Layer
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import survey
from retail_lake.tables import TABLES
from retail_lake.warehouse import open_warehouse
from retail_lake_tests.faults import judge
from retail_lake_tests.faults.cloud import Cloud
from retail_lake_tests.faults.dagster import DAEMON_NAME, WEBSERVER_NAME, Dagster
from retail_lake_tests.faults.processes import Process
from retail_lake_tests.faults.reader import Reader
from retail_lake_tests.faults.rounds import Outcome, Say, Story
from retail_lake_tests.faults.settle import NeverSettles
from retail_lake_tests.faults.state import differences, take
from retail_lake_tests.faults.world import World

KILLS: Final = ("daemon killed (SIGKILL)", "webserver killed (SIGKILL)", "Dagster run killed (SIGKILL)")
"""What happens in every such round."""
LIMIT: Final = 1200
"""Seconds within which sensors must have brought everything up to date: they look every half minute, and a run whose
process died is found within two."""
SETTLE: Final = {f"{PREFIX}SETTLE_SECONDS": "2"}


def play(story: Story, folder: Path, seed: int, *, on_aws: bool = False, each: int = 1, say: Say) -> Outcome:
    """Play it: the days of the story arrive bit by bit, and on the way daemon, webserver and runs are killed, `each` times.

    On a local path what arrives is found by listing, on AWS a queue announces it. A run that is to be killed has to be there:
    where none comes, something more arrives, or once more.
    """
    chance, outcome = random.Random(seed), Outcome()
    folder.mkdir(parents=True)
    aws = Cloud(folder / "aws", folder / "world" / "home", announcing=True) if on_aws else None
    place = World(folder / "world", story.served.first, aws=aws, more=SETTLE)
    last = story.stages[-1]
    try:
        with closing(Reader(place.reading, seed, folder / "reader.log")) as reader:
            with closing(Dagster(place)) as dagster:
                keys = story.served.arriving(story.served.first, last)
                coming = deque(story.served.order(keys, chance))

                def bring() -> None:
                    story.served.deliver(place, [coming.popleft() if coming else chance.choice(keys)])

                acts = [act for act in zip(KILLS, _kills(dagster, chance, bring), strict=True) for _ in range(each)]
                chance.shuffle(acts)
                for left, (name, act) in zip(range(len(acts), 0, -1), acts, strict=True):
                    # Between two kills some files arrive, and the sensors have time for a look or two.
                    for _ in range(ceil(len(coming) / left)):
                        bring()
                    time.sleep(chance.uniform(0, 60))
                    act()
                    say(name)
                    outcome.injected[name] += 1
                    time.sleep(chance.uniform(0, 10))
                    dagster.restart()
                say("everything has arrived")
                _settle(place, dagster, story.served.first, last, say)
            seen = reader.seen()
        found = take(place.settings)
        # A day that nothing arrived for is not on record here: nobody asked for it.
        outcome.different = [d for d in differences(story.states()[-1], found) if "on record" not in d]
        outcome.survived = +outcome.injected if not outcome.different else outcome.survived
        outcome.lost = judge.lost_rows(place.settings, story.served, last)
        outcome.unpublished = judge.unpublished(place.settings, found)
        outcome.reads, outcome.unanswered = seen.reads, seen.unavailable
        outcome.wrong_reads = judge.wrong_reads(seen, None) + judge.made_up(seen, found) + seen.unavailable
        outcome.orphans, changed = judge.orphans(place.settings, found)
        outcome.unpublished += changed
        outcome.launches = judge.open_launches(place.settings)
        outcome.left = _left(place)
    finally:
        for each in place.groups:
            with suppress(ProcessLookupError):
                os.killpg(each, signal.SIGKILL)
        place.close()
        if aws:
            aws.close()
    return outcome


def _kills(dagster: Dagster, chance: random.Random, bring: Callable[[], None]) -> list[Callable[[], None]]:
    """What does as `KILLS` say, in their order; each returns once it has happened."""
    dead: set[str] = set()

    def run() -> None:
        # At any moment of it; where that was too late, at an earlier one of the next.
        until, longest = time.monotonic() + LIMIT, 10.0
        while time.monotonic() < until:
            if going := _in_flight(dagster):
                time.sleep(chance.uniform(0, longest))
                longest /= 2
                with suppress(ProcessLookupError):
                    os.kill(going.pid, signal.SIGKILL)
                    # What is on record as done has only been on its way out.
                    if killed := dagster.unfinished() - dead:
                        dead.update(killed)
                        return
            else:
                bring()
        raise AssertionError(f"in {LIMIT} s there was no run that could be killed")

    return [partial(dagster.kill, DAEMON_NAME), partial(dagster.kill, WEBSERVER_NAME), run]


def _in_flight(dagster: Dagster) -> Process | None:
    """A run that goes on, or will in so long as sensors need for a look or two."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if going := dagster.runs():
            return going[0]
        time.sleep(0.2)
    return None


def _settle(place: World, dagster: Dagster, first: date, last: date, say: Say) -> None:
    """Wait until there is nothing left to do, though nobody asks for anything."""
    lake, warehouse = Lake(place.settings), open_warehouse(place.settings)
    days = [first + timedelta(days=i) for i in range((last - first).days + 1)]
    started, behind = time.monotonic(), ["everything"]
    while behind and time.monotonic() - started < LIMIT:
        time.sleep(5)
        behind = [name for name, table in TABLES.items() if not _current(lake, name, days)]
        if not behind:
            gold = [t for t in TABLES.values() if t.layer is Layer.GOLD and t.full_name in lake.publications_by_day()]
            behind = [f"warehouse.{t.name}" for t in gold if warehouse.pending(t, days, lake)]
        behind = behind or judge.open_launches(place.settings)
        behind = behind or (["the queue"] if (queue := standing(place.settings)) and queue.waiting else [])
    if behind:
        raise NeverSettles(f"after {LIMIT} s these are not up to date: {', '.join(behind)}\n{dagster.told()}")
    say(f"settled {time.monotonic() - started:.0f} s after the last arrival")


def _current(lake: Lake, name: str, days: list[date]) -> bool:
    """Whether a table is what its inputs say; days that no arrival touched need not be there."""
    known = lake.publications_by_day().get(name, {})
    now = survey(lake, TABLES[name], days)
    if TABLES[name].layer is Layer.BRONZE:
        return all(day in known or not (now.found and day and now.found.files.get(day)) for day in now.todo)
    return not now.todo


def _left(place: World) -> list[str]:
    """What is there once Dagster's own helpers had the time to notice that nobody needs them."""
    until = time.monotonic() + 90
    while (left := place.left()) and time.monotonic() < until:
        time.sleep(1)
    return left

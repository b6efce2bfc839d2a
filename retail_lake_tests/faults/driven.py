"""A round in which nobody starts a run: files land, and the daemon's sensors do the rest, while it is killed now and then.

Belongs here: that round. Does not: rounds of runs that somebody starts (`rounds.py`), or what is right (`judge.py`).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import date, timedelta
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
from retail_lake_tests.faults.reader import Reader
from retail_lake_tests.faults.rounds import Outcome, Say, Story
from retail_lake_tests.faults.settle import NeverSettles
from retail_lake_tests.faults.state import differences, take
from retail_lake_tests.faults.world import World

LIMIT: Final = 1200
"""Seconds within which sensors must have brought everything up to date: they look every half minute, and a run whose
process died is found within two."""
SETTLE: Final = {f"{PREFIX}SETTLE_SECONDS": "2"}


def play(story: Story, folder: Path, seed: int, *, on_aws: bool = False, each: int = 1, say: Say) -> Outcome:
    """Play it: the days of the story arrive bit by bit, and on the way daemon, webserver and runs are killed, `each` times.

    On a local path what arrives is found by listing, on AWS a queue announces it.
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
                acts = [act for act in _kills(dagster, chance) for _ in range(each)]
                chance.shuffle(acts)
                coming = story.served.order(keys, chance)
                for number, (name, act) in enumerate(acts):
                    # Between two kills some files arrive, and the sensors have time for a look or two.
                    story.served.deliver(place, coming[number :: len(acts)])
                    time.sleep(chance.uniform(0, 60))
                    if act():
                        say(name)
                        outcome.injected[name] += 1
                    time.sleep(chance.uniform(0, 10))
                    dagster.restart()
                dagster.restart()
                say("everything has arrived")
                _settle(place, story.served.first, last, say)
            seen = reader.seen()
        found = take(place.settings)
        # A day that nothing arrived for is not on record here: nobody asked for it.
        outcome.different = [d for d in differences(story.states()[-1], found) if "on record" not in d]
        outcome.survived = +outcome.injected if not outcome.different else outcome.survived
        outcome.lost = judge.lost_rows(place.settings, story.served, last)
        outcome.unpublished = judge.unpublished(place.settings, found)
        outcome.reads, outcome.wrong_reads = seen.reads, judge.wrong_reads(seen, None) + seen.unavailable
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


def _kills(dagster: Dagster, chance: random.Random) -> list[tuple[str, Callable[[], bool]]]:
    def server(name: str) -> Callable[[], bool]:
        def kill() -> bool:
            dagster.kill(name)
            return True

        return kill

    def run() -> bool:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if going := dagster.runs():
                time.sleep(chance.uniform(0, 10))
                with suppress(ProcessLookupError):
                    os.kill(going[0].pid, signal.SIGKILL)
                    return True
            time.sleep(0.2)
        return False

    return [
        ("daemon killed (SIGKILL)", server(DAEMON_NAME)),
        ("webserver killed (SIGKILL)", server(WEBSERVER_NAME)),
        ("Dagster run killed (SIGKILL)", run),
    ]


def _settle(place: World, first: date, last: date, say: Say) -> None:
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
        raise NeverSettles(
            f"after {LIMIT} s these are not up to date: {', '.join(behind)}; logs of the servers in {place.folder}"
        )
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

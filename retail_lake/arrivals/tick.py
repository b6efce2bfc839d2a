"""One look at what arrived and what waits, in bounded steps: take in, confirm, judge, ask. No Dagster in here.

Belongs here: the order of these steps and how much of each a look does. Does not: runs and asset events
(`orchestration/arrivals.py`), which come in as functions.

Everything that counts is in the book. The cursor only says where the last look stopped: without it the next one starts over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from retail_lake.arrivals import queue
from retail_lake.arrivals.book import Book, Day
from retail_lake.arrivals.completeness import Completeness
from retail_lake.arrivals.due import Built, Due, Held, completeness, judge_days, quiet_days, requests
from retail_lake.arrivals.event import Version
from retail_lake.arrivals.intake import Intake
from retail_lake.arrivals.listing import FOLDERS, Lister, lister_of, look
from retail_lake.arrivals.waiting import Request, load, save
from retail_lake.config import Settings
from retail_lake.contract import Landing, Table

DRAINING: Final = 25.0
TAKING: Final = 40.0
"""Seconds from a look's beginning after which it receives no more messages, and after which it lists no more folders: the next
one does. Dagster gives a tick 60, and then lets go of it; the rest is for what is to be done with what came."""
DAYS: Final = 500
REQUESTS: Final = 10
"""Waiting days that a look opens, and requests that are under way at a time."""
_AGAIN: Final = 4
"""Older folders of a dataset that a look lists again once it has listed all."""
_EMPTIED: Final = timedelta(minutes=5)
"""How old the record of the empty queue may become."""


class Cursor(BaseModel):
    """Where the last look stopped: the dataset and the waiting day it came to, each dataset's older folders, and how far days
    on which nothing came were thought of."""

    model_config = ConfigDict(extra="ignore")

    dataset: str = ""
    day: str = ""
    turn: dict[str, str] = Field(default_factory=dict)
    quiet: dict[str, date] = Field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What came to a day since that was last told: keys with their newest versions, and whether the day is complete."""

    landing: Landing
    day: date
    files: Mapping[str, Version]
    completeness: Completeness


@dataclass
class Looked:
    """What a look came to: runs to ask for, days that wait, and in words what else there was."""

    cursor: Cursor
    requests: list[Request] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass
class Tick:
    """One look. `has_run` tells whether a request's key has become a run, `tell` makes an asset event, `built` whether a day is
    published as it should be."""

    settings: Settings
    tables: Sequence[Table]
    now: Callable[[], datetime]
    has_run: Callable[[str], bool]
    tell: Callable[[Told], None]
    built: Callable[[], Built]
    lister: Lister | None = None
    seconds: Callable[[], float] = time.monotonic

    def look(self, cursor: Cursor) -> Looked:
        """Take in what arrived, then say what is to be asked for. A second look that finds nothing new says the same again,
        until what it asked for has become a run."""
        looked, began = Looked(cursor), self.seconds()
        # One for all: what a look takes in settles together, however long it takes.
        self._moment = self.now()
        waiting = load(self.settings)
        feeds: dict[str, list[Table]] = {}
        for table in self.tables:
            if table.landing:
                feeds.setdefault(f"{table.landing.system}/{table.landing.dataset}", []).append(table)
        landings = [tables[0].landing for tables in feeds.values() if tables[0].landing]
        intake = Intake.of(self.settings, landings, waiting, lambda: self._moment)
        before = waiting.model_dump_json()
        if self.settings.arrival_queue:
            self._drain(intake, looked, lambda: self.seconds() - began < DRAINING)
        self._list(intake, looked, lambda: self.seconds() - began < TAKING)
        self._confirm(intake, {table.full_name for table in self.tables})
        self._think_of_quiet_days(intake, looked.cursor)
        self._judge(intake, feeds, looked)
        if waiting.model_dump_json() != before:
            save(self.settings, waiting)
        looked.requests = list(waiting.requests)
        taken = intake.taken
        looked.said.insert(0, f"{taken.new:,} new files" + (f", {taken.known:,} known ones" if taken.known else ""))
        if taken.strange:
            looked.said.append(f"{taken.strange:,} files are of no dataset that a table reads, as {', '.join(taken.strangers)}")
        return looked

    def _drain(self, intake: Intake, looked: Looked, goes_on: Callable[[], bool]) -> None:
        drained = queue.drain(self.settings, intake.take, goes_on)
        said = f"{drained.messages:,} messages"
        if drained.elsewhere:
            said += f", {drained.elsewhere:,} announcements of other places"
        looked.said.append(said)
        if drained.unreadable:
            looked.said.append(f"{drained.unreadable:,} messages cannot be read and are left: {'; '.join(drained.problems)}")
        last, now = intake.waiting.emptied, self._moment
        if drained.emptied and (last is None or abs(now - last) >= _EMPTIED):
            intake.waiting.emptied = now

    def _list(self, intake: Intake, looked: Looked, goes_on: Callable[[], bool]) -> None:
        cursor = looked.cursor
        # What a queue announces need not be listed at once, but once in a while.
        newest = 0 if self.settings.arrival_queue else self.settings.arrival_overlap_days
        lister = self.lister or lister_of(self.settings)
        keys = 0
        for dataset in _after(cursor.dataset, intake.books):
            book = intake.books[dataset]
            reach = intake.waiting.reach.get(dataset)
            folders = FOLDERS if reach is None or not reach.whole else _AGAIN
            turn = cursor.turn.get(dataset, "")
            found = look(book, lister, self.settings, newest=newest, turn=turn, folders=folders, goes_on=goes_on)
            intake.take(found.arrivals)
            keys += found.keys
            cursor.dataset, cursor.turn[dataset] = dataset, found.turn
            if found.whole and dataset in intake.waiting.reach:
                intake.waiting.reach[dataset].whole = True
            if not goes_on():
                break
        looked.said.append(f"{keys:,} keys listed")

    def _confirm(self, intake: Intake, tables: set[str]) -> None:
        """Put on record that what was requested has become a run: from then on the same content is not asked for again."""
        waiting, first, last = intake.waiting, self.settings.first_day, self.settings.last_day
        for request in list(waiting.requests):
            known = tables.issuperset(request.tables) and first <= request.first <= request.last <= last
            if known and not self.has_run(request.key):
                continue
            if known:
                _write_asked(intake, ((*_dataset_and_day(name), digest) for name, digest in request.digests.items()))
            waiting.requests.remove(request)

    def _think_of_quiet_days(self, intake: Intake, cursor: Cursor) -> None:
        for dataset in intake.books:
            days = quiet_days(self.settings, intake.waiting, dataset, cursor.quiet.get(dataset), self._moment)
            if days:
                # They are judged as any other: most of them are known not to be quiet at all.
                intake.waiting.open(dataset, days)
                save(self.settings, intake.waiting)
                cursor.quiet[dataset] = days[-1]

    def _judge(self, intake: Intake, feeds: Mapping[str, Sequence[Table]], looked: Looked) -> None:
        waiting, cursor = intake.waiting, looked.cursor
        names = sorted(f"{dataset}/{day}" for dataset, days in waiting.days.items() if dataset in feeds for day in days)
        chosen = _after(cursor.day, names)[:DAYS]
        cursor.day = chosen[-1] if len(chosen) < len(names) else ""
        built: Built | None = None
        wanted: dict[str, dict[date, str]] = {}
        for dataset, tables in feeds.items():
            days = [day for at, day in map(_dataset_and_day, chosen) if at == dataset]
            if not days:
                continue
            book = intake.books[dataset]
            found = book.days(days)
            self._tell(book, found)
            in_request = {
                day: digest
                for request in waiting.requests
                for at, day, digest in [(*_dataset_and_day(n), d) for n, d in request.digests.items()]
                if at == dataset
            }
            built = built or _once(self.built)
            due = judge_days(self.settings, book, found, tables, in_request, self._moment, built)
            self._close(intake, due)
            looked.held += due.held
            wanted |= due.days
        reads = {table.full_name: dataset for dataset, tables in feeds.items() for table in tables}
        waiting.requests += requests(wanted, reads)[: max(0, REQUESTS - len(waiting.requests))]

    def _tell(self, book: Book, days: dict[date, Day]) -> None:
        """Make asset events of what came to these days, those of the lake, and put down that it is told."""
        told: dict[date, Day] = {}
        for day, found in days.items():
            if found.untold and day <= self.settings.last_day:
                files = {key: found.versions[key][-1] for key in found.untold if found.versions.get(key)}
                judged = completeness(self.settings, book, day, found, self._moment)
                self.tell(Told(book.landing, day, files, judged))
                found.untold = []
                told[day] = found
        book.write_days(told)

    def _close(self, intake: Intake, due: Due) -> None:
        _write_asked(intake, due.asked)
        for dataset, day, _ in due.asked:
            intake.waiting.close(dataset, day)


def _write_asked(intake: Intake, asked: Iterable[tuple[str, date, str]]) -> None:
    by_dataset: dict[str, dict[date, str]] = {}
    for dataset, day, digest in asked:
        by_dataset.setdefault(dataset, {})[day] = digest
    for dataset, digests in by_dataset.items():
        if dataset not in intake.books:
            continue
        days = intake.books[dataset].days(digests)
        changed = {day: found for day, found in days.items() if found.asked != digests[day]}
        for day, found in changed.items():
            found.asked = digests[day]
        intake.books[dataset].write_days(changed)


def _once(make: Callable[[], Built]) -> Built:
    """Open the lake when something is due, and only then."""
    made: list[Built] = []

    def built(table: Table, days: Mapping[date, Day], *, surely: bool = False) -> set[date]:
        if not made:
            made.append(make())
        return made[0](table, days, surely=surely)

    return built


def _after(last: str, names: Iterable[str]) -> list[str]:
    """Names in order, those after the last one first."""
    ordered = sorted(names)
    return [n for n in ordered if n > last] + [n for n in ordered if n <= last]


def _dataset_and_day(name: str) -> tuple[str, date]:
    dataset, _, day = name.rpartition("/")
    return dataset, date.fromisoformat(day)

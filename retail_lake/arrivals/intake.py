"""Taking arrivals in: from keys to datasets and days, into the book, once per object version.

Belongs here: which days a new version touches, and the order of writing. Does not: where arrivals come from (`queue.py`,
`listing.py`), or when a day may start (`due.py`).

What waits is written first, then the days, then the newest versions of parts: whoever is killed in between and takes the same
arrivals in again ends with the same book.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final

from retail_lake.arrivals.book import Book, Newest
from retail_lake.arrivals.event import Arrival
from retail_lake.arrivals.waiting import Waiting, save
from retail_lake.config import Settings
from retail_lake.contract import Landing
from retail_lake.sources.landing import Place, is_input, place

_STRANGE_KEPT: Final = 5


@dataclass
class Taken:
    """What became of arrivals: new versions, ones that were seen before, keys that belong to no dataset (a few by name)."""

    new: int = 0
    known: int = 0
    strange: int = 0
    strangers: list[str] = field(default_factory=list)


@dataclass
class Intake:
    """The books of all datasets, by `system/dataset`, and what waits."""

    settings: Settings
    books: Mapping[str, Book]
    waiting: Waiting
    now: Callable[[], datetime]
    taken: Taken = field(default_factory=Taken)

    @classmethod
    def of(cls, settings: Settings, landings: Iterable[Landing], waiting: Waiting, now: Callable[[], datetime]) -> Intake:
        """An intake for these datasets."""
        return cls(settings, {f"{x.system}/{x.dataset}": Book(settings, x) for x in landings}, waiting, now)

    def take(self, arrivals: Iterable[Arrival]) -> None:
        """Put arrivals on record. When this returns, they are."""
        by_dataset: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in arrivals:
            dataset, key = _split(arrival.key)
            if dataset not in self.books:
                self.taken.strange += 1
                if len(self.taken.strangers) < _STRANGE_KEPT:
                    self.taken.strangers.append(arrival.key)
            elif is_input(self.books[dataset].landing, key):
                by_dataset[dataset].append(Arrival(key, arrival.version))
        for dataset, found in by_dataset.items():
            self._take(dataset, found)

    def _take(self, dataset: str, arrivals: list[Arrival]) -> None:
        book, first_day = self.books[dataset], self.settings.first_day
        placed = [(arrival, place(book.landing, arrival.key, first_day)) for arrival in arrivals]
        newest, touched = self._corrections(book, placed)
        days = book.days({p.day for _, p in placed} | {*touched})
        before = {day: found.digest(book.landing) for day, found in days.items()}
        changed: set[date] = set()
        for arrival, at in placed:
            if days[at.day].add(arrival.key, arrival.version):
                self.taken.new += 1
                changed.add(at.day)
            else:
                self.taken.known += 1
        for day, keys in touched.items():
            if not keys.items() <= days[day].others.items():
                days[day].others |= keys
                changed.add(day)
        now = self.now()
        for day in changed:
            found = days[day]
            if found.since is None or found.asked == before[day]:
                found.since = now
            found.last = now
        if changed:
            self.waiting.reached(dataset, {p.day for _, p in placed})
            self.waiting.open(dataset, changed)
            save(self.settings, self.waiting)
            book.write_days({day: days[day] for day in changed})
        if newest:
            book.write_newest(newest)

    def _corrections(
        self, book: Book, placed: list[tuple[Arrival, Place]]
    ) -> tuple[dict[str, Newest], dict[date, dict[str, date]]]:
        """The parts of which a newer version came, and the days that this touches besides its own: the one that loses the
        version before, or the ones that expected the part."""
        known = book.newest(at.part for _, at in placed if at.part)
        newer: dict[str, Newest] = {}
        touched: dict[date, dict[str, date]] = defaultdict(dict)
        for arrival, at in placed:
            if not at.part:
                continue
            number, came, key = at.version
            this, last = Newest(number=number, arrival=came, key=key, day=at.day), known.get(at.part)
            if last is not None and this.order <= last.order:
                continue
            for day in _expecting(book.landing, at.part) if last is None else [last.day]:
                if day != at.day and day >= self.settings.first_day:
                    touched[day][arrival.key] = at.day
            known[at.part] = newer[at.part] = this
        return newer, touched


def _split(key: str) -> tuple[str, str]:
    """A key below the landing location as its dataset and its key below that."""
    system, _, rest = key.partition("/")
    dataset, _, below = rest.partition("/")
    return f"{system}/{dataset}", below


def _expecting(landing: Landing, part: str) -> Iterator[date]:
    """The days that expect that part."""
    for template in landing.expected:
        before, daily, after = template.partition("{day}")
        found = re.fullmatch(re.escape(before) + r"(\d{8})" + re.escape(after), part) if daily else None
        if found:
            try:
                yield datetime.strptime(found[1], "%Y%m%d").date()  # noqa: DTZ007 (a day, and no moment)
            except ValueError:
                continue

"""Which days of which bronze tables are due: something new came, it has settled, the day may start, and nobody asked for it yet.

Belongs here: that decision, and the runs that follow from it. Does not: asking for them (`orchestration/arrivals.py`). A day
that was built since its files came, by a backfill or from the command line, is not asked for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from retail_lake.arrivals.book import Book, Day
from retail_lake.arrivals.completeness import Completeness, end_of, expected, judge
from retail_lake.arrivals.waiting import Request, Waiting
from retail_lake.config import Settings
from retail_lake.contract import Table

if TYPE_CHECKING:
    from retail_lake.lake.lake import Lake

LONGEST: Final = 31
"""Days that one run is asked for at most."""
_PATIENCE: Final = 10
"""Settling times after which a day is asked for although more keeps coming."""


class Built(Protocol):
    """Tells which days of a table are published as what lies in landing makes them."""

    def __call__(self, table: Table, days: Mapping[date, Day], *, surely: bool = False) -> set[date]:
        """Which of these are. Unless `surely`, one that was published before its files came is taken for one that is not."""


class Held(NamedTuple):
    """A day that waits, and why."""

    dataset: str
    day: date
    why: str


@dataclass
class Due:
    """What was decided: `days` by table with the digest that is asked for, and the days that wait on. `asked` are the days of
    the books that need no run, with the digest that they have."""

    days: dict[str, dict[date, str]] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    asked: list[tuple[str, date, str]] = field(default_factory=list)


def quiet_days(settings: Settings, waiting: Waiting, dataset: str, after: date | None, now: datetime) -> list[date]:
    """The days after `after` on which a dataset may have brought nothing: they are over, it had begun by then, and time has
    moved on, because something of that day or a later one is there."""
    reach = waiting.reach.get(dataset)
    if reach is None or not reach.whole:
        return []
    newest = max(r.last for r in waiting.reach.values())
    day = max(reach.first, settings.first_day, after + timedelta(days=1) if after else date.min)
    found = []
    while day <= min(newest, settings.last_day) and end_of(day, settings.zone) <= now:
        found.append(day)
        day += timedelta(days=1)
    return found


def judge_days(
    settings: Settings,
    book: Book,
    days: Mapping[date, Day],
    tables: Sequence[Table],
    in_request: Mapping[date, str],
    now: datetime,
    built: Built,
) -> Due:
    """Decide about these days of one dataset, which feeds these tables. `in_request` has the digests that are being asked
    for already."""
    due, dataset = Due(), f"{book.landing.system}/{book.landing.dataset}"
    parts = book.newest(part for day in days for part in expected(book.landing, day))
    others = book.days({other for found in days.values() for other in found.others.values()} - days.keys())
    every = {**others, **days}
    digests = {day: found.digest(book.landing) for day, found in every.items()}
    going = {day for day, found in every.items() if digests[day] in (found.asked, in_request.get(day))}
    ready: dict[date, Day] = {}
    for day, found in sorted(days.items()):
        if found.asked == digests[day]:
            due.asked.append((dataset, day, digests[day]))
        elif day in going:
            continue
        elif why := _why_not(settings, book, day, found, parts, now):
            due.held.append(Held(dataset, day, why))
        else:
            ready[day] = found
    due.held += _not_alone(dataset, ready, {d: every[d] for d in going}, tables, built)
    there = {table.full_name: built(table, ready) for table in tables} if ready else {}
    for day in ready:
        wanting = [table.full_name for table in tables if day not in there[table.full_name]]
        for name in wanting:
            due.days.setdefault(name, {})[day] = digests[day]
        if not wanting:
            due.asked.append((dataset, day, digests[day]))
    return due


def _not_alone(
    dataset: str, ready: dict[date, Day], going: Mapping[date, Day], tables: Sequence[Table], built: Built
) -> list[Held]:
    """Take out of `ready` the days that must not be built yet: a correction takes rows out of one day and brings them with
    another, which is to be built in the same run or before, or readers would miss them in between."""
    held: list[Held] = []
    brought = {d: going[d] for found in ready.values() for d in found.others.values() if d in going and d not in ready}
    done = set.intersection(*(built(table, brought, surely=True) for table in tables)) if brought else set()
    while True:
        spans = {day: span for span in _ranges(ready, LONGEST) for day in ready if span[0] <= day <= span[1]}
        waits = {
            day: late
            for day, found in ready.items()
            if (late := sorted({d for d in found.others.values() if d not in done and spans.get(d) != spans[day]}))
        }
        if not waits:
            return held
        for day, late in waits.items():
            held.append(Held(dataset, day, f"waits for {', '.join(map(str, late))}, which brings part of it"))
            del ready[day]


def completeness(settings: Settings, book: Book, day: date, found: Day, now: datetime) -> Completeness:
    """Whether a day may start, and what of it is missing."""
    parts = book.newest(expected(book.landing, day))
    return judge(book.landing, day, [*found.versions, *found.others], parts, now, settings.zone)


def requests(days: Mapping[str, Mapping[date, str]], datasets: Mapping[str, str], *, longest: int = LONGEST) -> list[Request]:
    """Runs for exactly these tables and days: one for each range without gaps, of all tables that are due in just that range.
    `datasets` has what each table reads."""
    by_range: dict[tuple[date, date], list[str]] = {}
    for name, wanted in sorted(days.items()):
        for span in _ranges(wanted, longest):
            by_range.setdefault(span, []).append(name)
    found = []
    for (first, last), names in sorted(by_range.items()):
        content = [
            (name, str(day), digest) for name in names for day, digest in sorted(days[name].items()) if first <= day <= last
        ]
        key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:20]
        digests = {f"{datasets[name]}/{day}": digest for name, day, digest in content}
        found.append(Request(key=f"arrivals-{key}", tables=tuple(names), first=first, last=last, digests=digests))
    return found


def as_published(lake: Lake) -> Built:
    """Days are built if the lake says so: by what it would build them from now. It lists the landing only for days that were
    published after their files came: in the course of things there are none."""
    from retail_lake.lake.plan import survey

    def built(table: Table, days: Mapping[date, Day], *, surely: bool = False) -> set[date]:
        known = lake.publications_by_day().get(table.full_name, {})
        nothing = {day for day, found in days.items() if day in known and not found.versions and not found.others}
        rest = [day for day in days if day in known and day not in nothing]
        later = [day for day in rest if surely or _came(days[day]) < known[day].published_at]
        return nothing | {day for day in survey(lake, table, later).unchanged if day} if later else nothing

    return built


def _came(found: Day) -> datetime:
    """When the last of a day's files was written."""
    written = (versions[-1].written.replace(tzinfo=UTC) for versions in found.versions.values())
    return max(written, default=datetime.min.replace(tzinfo=UTC))


def _why_not(settings: Settings, book: Book, day: date, found: Day, parts: Collection[str], now: datetime) -> str:
    """Why a day is not to start now, or nothing."""
    if day > settings.last_day:
        return f"is after the lake's last day, {settings.last_day}"
    if (left := _unsettled(found, now, timedelta(seconds=settings.settle_seconds))) is not None:
        return f"settles for {left.total_seconds():.0f} s more"
    judged = judge(book.landing, day, [*found.versions, *found.others], parts, now, settings.zone)
    return "" if judged.may_start else judged.said


def _unsettled(found: Day, now: datetime, settle: timedelta) -> timedelta | None:
    """How long a day settles yet; None if it has. A clock that was put back does not make it wait for long."""
    if found.last is None or found.since is None:
        return None
    quiet, waited = now - found.last, now - found.since
    if quiet >= settle or waited >= _PATIENCE * settle or quiet < -settle:
        return None
    return settle - quiet


def _ranges(days: Iterable[date], longest: int) -> list[tuple[date, date]]:
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == timedelta(days=1) and (day - found[-1][0]).days < longest:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found

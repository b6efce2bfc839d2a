"""Days into runs: one for each range of days, within a month, for which the same assets are wanted.

Belongs here: that cut, and the tags by which Dagster knows a run's days. Does not: which days are wanted.

A run of a range is one process and one job where a run for each day would be many. A month at most: so much is lost with a
run that dies, and a long history shows its progress. The months are the calendar's, so that which days come into one run is
known before all of them are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta
from typing import NamedTuple, TypeVar

from retail_lake.orchestration.run import PARTITION, RANGE_END, RANGE_START

T = TypeVar("T")


class Range(NamedTuple):
    """Days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def tags(self) -> dict[str, str]:
        """What says so on a run."""
        if self.first == self.last:
            return {PARTITION: self.first.isoformat()}
        return {RANGE_START: self.first.isoformat(), RANGE_END: self.last.isoformat()}

    @property
    def days(self) -> list[date]:
        """Every one of them."""
        return [self.first + timedelta(days=i) for i in range((self.last - self.first).days + 1)]


def range_of(tags: Mapping[str, str]) -> Range | None:
    """The days that a run's tags say; None for a run without days."""
    if PARTITION in tags:
        return Range(date.fromisoformat(tags[PARTITION]), date.fromisoformat(tags[PARTITION]))
    if RANGE_START in tags and RANGE_END in tags:
        return Range(date.fromisoformat(tags[RANGE_START]), date.fromisoformat(tags[RANGE_END]))
    return None


def ranges(wanted: Mapping[T, Collection[date]]) -> Iterator[tuple[frozenset[T], Range]]:
    """Cut what is wanted, by asset, into ranges of days that want the same assets, in the order of the days."""
    by_day: dict[date, set[T]] = {}
    for key, days in wanted.items():
        for day in days:
            by_day.setdefault(day, set()).add(key)
    found: list[tuple[frozenset[T], Range]] = []
    for day in sorted(by_day):
        keys = frozenset(by_day[day])
        before, span = found[-1] if found else (None, None)
        if span and before == keys and day - span.last == timedelta(days=1) and day.month == span.last.month:
            found[-1] = (keys, Range(span.first, day))
        else:
            found.append((keys, Range(day, day)))
    yield from found

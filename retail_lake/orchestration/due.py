"""What is due: the days whose inputs have changed since they were built, but for those that had better wait. No Dagster in here.

Belongs here: which days of which tables to ask for now, as a question of what is published and what is under way. Does not:
finding that out (`outlook.py`), asking for them (`touched_days.py`, `automation.py`), or which days are stale (`lake/plan.py`).

It goes by what is, and not by what has happened: whatever was missed, killed or lost, the next look finds it. A day waits
while anything that it is built from, at however many removes, is itself under way or due, so that it is built once and from
the end of it; and a little longer if that makes one run of several. Nobody waits for a day that was asked for in vain: with
the same inputs it is not asked for again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Final

from retail_lake.contract import Layer, Table

if TYPE_CHECKING:
    from retail_lake.orchestration.graph import Graph

Day = date | None
"""A day of a table that has days, or None for the whole of one that has none."""
Fingerprints = Mapping[Day, str]
Running = Mapping[str, Collection[Day]]
"""The days under way, by full name of the table."""
_MARK: Final = 8
"""How much of a fingerprint tells it from the next one of the same day."""


@dataclass(frozen=True)
class Due:
    """What is due at one moment. `changed` are the days that can be built and whose inputs are not those that they were
    built from, `published` those that readers see; `running` are under way, and `asked` were asked for, by whoever it was.
    """

    graph: Graph
    changed: Mapping[str, Fingerprints]
    published: Mapping[str, Fingerprints]
    running: Running = field(default_factory=dict)
    asked: Mapping[str, Fingerprints] = field(default_factory=dict)

    def ready(self, table: Table, requested: Mapping[str, Collection[Day]]) -> dict[Day, str]:
        """The days to ask for now, given what is `requested` already in this look, with their fingerprints. A day of which
        an input is requested follows it into the same run; its fingerprint is not known yet, and empty."""
        found = dict(self.changed.get(table.full_name, {}))
        for source in self.graph.sources(table):
            if source.day and table.day and source.full_name not in table.whole:
                found |= {day: "" for day in requested.get(source.full_name, ()) if day not in found}
        running = self.running.get(table.full_name, ())
        return {d: f for d, f in found.items() if d not in running and self._is_ready(table, d, requested)}

    @cached_property
    def unsettled(self) -> dict[str, frozenset[Day]]:
        """The days that will be, or may be, others before long: under way, due, or built from such."""
        found: dict[str, frozenset[Day]] = {}
        for name, table in self.graph.tables.items():
            running, asked = {*self.running.get(name, ())}, self.asked.get(name, {})
            own = {d for d, f in self.changed.get(name, {}).items() if not same(asked.get(d), f) and self._has_inputs(table, d)}
            reached = (self._built_from(table, source, found[source.full_name]) for source in self.graph.sources(table))
            found[name] = frozenset(running | own).union(*reached)
        return found

    def _is_ready(self, table: Table, day: Day, requested: Mapping[str, Collection[Day]]) -> bool:
        if not self._has_inputs(table, day, requested) or self._has_company(table, day):
            return False
        for source in self.graph.sources(table):
            together = _same_run(day, requested.get(source.full_name, ()))
            if self._reads(table, source, day, self.unsettled[source.full_name]) - together:
                return False
        return True

    def _has_company(self, table: Table, day: Day) -> bool:
        """Whether others are about to be ready with which it makes one run instead of several: the silver tables of a day
        whose arrivals are being read, and the dimensions."""
        if table.layer is Layer.SILVER:
            return any(day in days for name, days in self.running.items() if name.startswith(f"{Layer.BRONZE}."))
        return day is None and any(self.unsettled[name] for name in self._seen_by_dimensions)

    @cached_property
    def _seen_by_dimensions(self) -> frozenset[str]:
        tables = self.graph.tables.values()
        return frozenset(s.full_name for t in tables if t.day is None for s in self.graph.sources(t))

    def _has_inputs(self, table: Table, day: Day, requested: Mapping[str, Collection[Day]] | None = None) -> bool:
        """Whether all that it is built from is there, or will be in the same run. Which arrivals a silver day is built from
        is `lake/plan.py`'s to say."""
        sources = self.graph.sources(table)
        if not sources:
            return any(self.published.values())  # not the first thing in an empty lake
        for source in sources:
            there = self.published.get(source.full_name, {})
            together = _same_run(day, (requested or {}).get(source.full_name, ()))
            if source.layer is Layer.BRONZE:
                continue
            if not (there or together) if self._is_whole(table, source) else not (day in there or day in together):
                return False
        return True

    def _reads(self, table: Table, source: Table, day: Day, among: frozenset[Day]) -> frozenset[Day]:
        """Which of these days of the source a day is built from."""
        if day is None or self._is_whole(table, source):
            return among
        window = 1 if source.layer is Layer.BRONZE else table.window
        return among & {day - timedelta(days=i) for i in range(window)}

    def _built_from(self, table: Table, source: Table, days: frozenset[Day]) -> set[Day]:
        """The days of the table that are built from any of these of the source."""
        if not days:
            return set()
        if table.day is None:
            return {None}
        if self._is_whole(table, source):
            return {*self.graph.settings.days}
        window = 1 if source.layer is Layer.BRONZE else table.window
        return {day + timedelta(days=i) for day in days if day for i in range(window)}

    @staticmethod
    def _is_whole(table: Table, source: Table) -> bool:
        return table.day is None or source.day is None or source.full_name in table.whole


def same(asked: str | None, fingerprint: str) -> bool:
    """Whether that fingerprint was asked for."""
    return bool(asked) and asked == fingerprint[:_MARK]


def remembered(before: Fingerprints, due: Fingerprints, requested: Collection[Day]) -> dict[Day, str]:
    """What was asked for, to keep in a cursor: of the days that are due still, so that it does not grow with history."""
    return {d: f[:_MARK] for d, f in due.items() if d in requested or same(before.get(d), f)}


def to_text(asked: Fingerprints) -> str:
    """As a cursor's text."""
    return json.dumps({str(day or ""): mark for day, mark in asked.items()})


def from_text(text: str | None) -> dict[Day, str]:
    """From a cursor's text; nothing from one that is not ours."""
    try:
        return {date.fromisoformat(day) if day else None: str(mark) for day, mark in json.loads(text or "{}").items()}
    except (ValueError, AttributeError):
        return {}


def _same_run(day: Day, requested: Collection[Day]) -> frozenset[Day]:
    """Those of the requested days that are built in one run with this one: runs are ranges within a month (`ranges.py`)."""
    if day not in requested:
        return frozenset()
    together = {day}
    for step in (-1, 1):
        other = day
        while day and other and (other := other + timedelta(days=step)) in requested and other.month == day.month:
            together.add(other)
    return frozenset(together)

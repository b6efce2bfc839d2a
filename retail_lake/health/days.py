"""How each table's days are: published, incomplete, stale, blocked or missing.

Belongs here: the states and finding them. Does not: drawing them (`picture.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import survey
from retail_lake.lake.publications import Publication

LONGEST: Final = 366
"""How many days, the latest ones, are looked at."""


class State(StrEnum):
    """How a day is, the worst last."""

    PUBLISHED = "published"
    INCOMPLETE = "incomplete"
    STALE = "stale"
    MISSING = "missing"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class TableDays:
    """One table's days; None stands for the whole of an unpartitioned one. Rows are what readers see."""

    table: Table
    states: Mapping[date | None, State]
    rows: Mapping[date | None, int]
    quarantined: Mapping[date | None, int]

    def of(self, state: State) -> list[date | None]:
        """The days that are so, in order."""
        return sorted((d for d, s in self.states.items() if s is state), key=lambda d: d or date.min)


def shown_days(settings: Settings, now: datetime) -> list[date]:
    """The days to look at: up to yesterday in the stores' time zone, or to the end of a lake that has ended."""
    last = min(settings.last_day, now.astimezone(settings.zone).date() - timedelta(days=1))
    first = max(settings.first_day, last - timedelta(days=LONGEST - 1))
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def overview(lake: Lake, tables: Iterable[Table], days: Sequence[date]) -> list[TableDays]:
    """Every table's days, in the order of the tables."""
    known = lake.publications_by_day()
    return [_of_table(lake, table, known.get(table.full_name, {}), days) for table in tables]


def _of_table(lake: Lake, table: Table, known: Mapping[date | None, Publication], days: Sequence[date]) -> TableDays:
    wanted: list[date | None] = list(days) if table.day else [None]
    stale = set(survey(lake, table, days).todo) if known else set()
    there = {day: known[day] for day in wanted if day in known}
    return TableDays(
        table,
        {day: _state(known.get(day), day in stale) for day in wanted},
        {day: p.rows for day, p in there.items() if p.visible},
        {day: p.quarantined for day, p in there.items()},
    )


def _state(publication: Publication | None, stale: bool) -> State:
    if publication is not None and publication.status == "blocked":
        return State.BLOCKED
    if publication is None or not publication.visible:
        return State.MISSING
    if stale:
        return State.STALE
    return State.INCOMPLETE if publication.status == "incomplete" else State.PUBLISHED

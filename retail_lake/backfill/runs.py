"""A backfill's days into runs: one for each range of days for which the same tables are to be built.

Belongs here: that cut. Does not: which days (`plan.py`). A run's jobs are cut to size once more, by rows (`lake/plan.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from retail_lake.backfill.plan import WAREHOUSE, Plan
from retail_lake.tables import TABLES, inputs

LONGEST: Final = 366
"""Days of one run at most: a publish takes memory by its files, and so much is repeated when a run dies."""


@dataclass(frozen=True)
class Run:
    """Tables to build, in order, for every day from first to last; unpartitioned ones are built whole."""

    tables: tuple[str, ...]
    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it is of."""
        return (self.last - self.first).days + 1


def runs(plan: Plan, otherwise: date) -> list[Run]:
    """The runs of a plan, the earliest days first. `otherwise` is the day of a run that is of unpartitioned tables only.

    An unpartitioned table is built in every run that builds what it reads, and at least in the first.
    """
    by_day: dict[date, set[str]] = {}
    for name, days in plan.work.items():
        for day in days:
            if day:
                by_day.setdefault(day, set()).add(name)
    found: list[tuple[set[str], date, date]] = []
    for day, names in sorted(by_day.items()):
        last = found[-1] if found else None
        if last and last[0] == names and day - last[2] == timedelta(days=1) and (day - last[1]).days < LONGEST:
            found[-1] = (names, last[1], day)
        else:
            found.append((names, day, day))
    whole = [name for name, days in plan.work.items() if None in days]
    if not found and whole:
        found = [(set(), otherwise, otherwise)]
    made = []
    for number, (names, first, until) in enumerate(found):
        wanted = set(names)
        for name in whole:
            if number == 0 or _reads(name, wanted, plan.work):
                wanted.add(name)
        made.append(Run(tuple(n for n in plan.work if n in wanted), first, until))
    return made


def _reads(name: str, wanted: set[str], work: Mapping[str, object]) -> bool:
    if name.startswith(WAREHOUSE):
        return f"gold.{name.removeprefix(WAREHOUSE)}" in wanted
    return any(source in wanted for source in inputs(TABLES[name]) if source in work)

"""What a backfill will take, from what its tables took before: seconds by rows and runs, US dollars by days.

Belongs here: the sums. Does not: where past times are kept (`orchestration/past_runs.py`) or past costs (`cost/ledger.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from retail_lake.backfill.plan import WAREHOUSE, Plan

if TYPE_CHECKING:
    from retail_lake.cost.ledger import Used
    from retail_lake.lake.publications import Publication


@dataclass(frozen=True)
class Sample:
    """What one run took for a table: so many days (1 for an unpartitioned table), rows that went in, and seconds."""

    days: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """What a table's days will take: rows, seconds (None: it was never built before) and dollars (None: nothing is known)."""

    rows: int
    seconds: float | None
    dollars: float | None


def estimate(
    plan: Plan,
    known: Mapping[str, Mapping[date | None, Publication]],
    samples: Mapping[str, Sequence[Sample]],
    used: Iterable[Used],
    free: Iterable[str],
) -> dict[str, Estimate]:
    """By table. `samples` are past runs by table, `used` the ledger's attempts, `free` the tables that cost nothing here."""
    dollars = _dollars_per_day(used)
    nothing = {*free}
    found = {}
    for name, days in plan.work.items():
        lake_name = f"gold.{name.removeprefix(WAREHOUSE)}" if name.startswith(WAREHOUSE) else name
        rows = _rows(list(days), known.get(lake_name, {}), loaded=name.startswith(WAREHOUSE))
        cost = 0.0 if name in nothing else dollars[name] * len(days) if name in dollars else None
        found[name] = Estimate(rows, seconds(len(days), rows, samples.get(name, ())), cost)
    return found


def seconds(days: int, rows: int, samples: Sequence[Sample]) -> float | None:
    """Seconds for so many days and rows: a fixed part and one by rows, both from the past; None if there is none.

    The line of least squares through the past runs, where they differ enough to draw one; else in proportion.
    """
    if not samples:
        return None
    mean_rows = sum(s.rows for s in samples) / len(samples)
    mean = sum(s.seconds for s in samples) / len(samples)
    spread = sum((s.rows - mean_rows) ** 2 for s in samples)
    if spread and rows:
        slope = sum((s.rows - mean_rows) * (s.seconds - mean) for s in samples) / spread
        fixed = mean - slope * mean_rows
        if slope >= 0 and fixed >= 0:
            return fixed + slope * rows
    if mean_rows and rows:
        return mean * rows / mean_rows
    return mean * days / (sum(s.days for s in samples) / len(samples))


def _rows(days: Sequence[date | None], published: Mapping[date | None, Publication], *, loaded: bool) -> int:
    """The rows that go in, as they were before; of a day that never was, as on the others."""
    before = {d: p.rows if loaded else p.rows_in for d, p in published.items() if p.visible}
    typical = sum(before.values()) / len(before) if before else 0
    return round(sum(before.get(day, typical) for day in days))


def _dollars_per_day(used: Iterable[Used]) -> dict[str, float]:
    """What a day of a table cost, attempts that failed included; of an unpartitioned table, an attempt that succeeded."""
    spent: dict[str, float] = {}
    days: dict[str, int] = {}
    for attempt in used:
        spent[attempt.table] = spent.get(attempt.table, 0.0) + attempt.dollars
        days[attempt.table] = days.get(attempt.table, 0) + (max(1, attempt.days) if attempt.succeeded else 0)
    return {name: dollars / days[name] for name, dollars in spent.items() if days[name]}

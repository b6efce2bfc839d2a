"""Which tables are later than their contracts promise.

Belongs here: the promise against what is published. Does not: Dagster's own policy (`orchestration/freshness.py`), which knows
when a table was last materialized and not which day that was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import survey
from retail_lake.lake.publications import Publication


@dataclass(frozen=True)
class Late:
    """A table that is late since `since`: `missing` are the days that should be in it, oldest first (none: changes of what it
    reads), `due` is the newest day that should be, `newest` the newest one that is."""

    table: Table
    missing: tuple[date, ...]
    due: date | None
    newest: date | None
    since: datetime


def late(lake: Lake, tables: Iterable[Table], now: datetime) -> list[Late]:
    """The tables that are late. A lake to which nothing was ever published is not, nor a day after the lake's last."""
    known = lake.publications_by_day()
    promised = [t for t in tables if t.fresh_within is not None] if known else []
    found = (_late_day(lake.settings, t, known, now) if t.day else _late_change(lake, t, known, now) for t in promised)
    return [each for each in found if each]


def deadline(settings: Settings, day: date, within: timedelta) -> datetime:
    """When a business day has to be there (UTC): that long after its end in the stores' time zone."""
    end = datetime.combine(day + timedelta(days=1), time.min, settings.zone)
    return end.astimezone(UTC) + within


def _late_day(
    settings: Settings, table: Table, known: Mapping[str, Mapping[date | None, Publication]], now: datetime
) -> Late | None:
    within = table.fresh_within or timedelta()
    due = min((now - within).astimezone(settings.zone).date() - timedelta(days=1), settings.last_day)
    published = known.get(table.full_name, {})
    visible = {d for d, p in published.items() if d and p.visible}
    # A blocked day is a matter of its own, and what waits for it is late. A day on which nothing came is published without rows.
    there = visible | {d for d, p in published.items() if p.status == "blocked"}
    # What was never promised is no gap: the days before the first that readers ever saw.
    first = max(min(visible, default=due), settings.first_day)
    days = (first + timedelta(days=n) for n in range((due - first).days + 1))
    if not (missing := tuple(day for day in days if day not in there)):
        return None
    return Late(table, missing, due, max(visible, default=None), deadline(settings, missing[0], within))


def _late_change(lake: Lake, table: Table, known: Mapping[str, Mapping[date | None, Publication]], now: datetime) -> Late | None:
    from retail_lake.tables import inputs

    within = table.fresh_within or timedelta()
    mine = known.get(table.full_name, {}).get(None)
    seen = mine.published_at if mine else datetime.min.replace(tzinfo=UTC)
    read = [p for name in inputs(table) for p in known.get(name, {}).values() if p.visible and p.published_at > seen]
    since = min((p.published_at for p in read), default=None)
    if since is None or since + within > now or not survey(lake, table, []).todo:
        return None
    return Late(table, (), None, None, since + within)

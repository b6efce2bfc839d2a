"""Whether a day may start: what a dataset's contract waits for, what of it is missing, and until when.

Belongs here: that rule. Does not: whether anything changed, or settled (`due.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from retail_lake.contract import Landing
from retail_lake.sources.landing import is_marker

_QUIET: Final = timedelta(hours=1)
"""How long after its end a day counts as one on which nothing came, where the contract says nothing."""


class Completeness(NamedTuple):
    """Whether a day may start, and what is missing; `until` is when it starts without that, if ever."""

    may_start: bool
    missing: tuple[str, ...] = ()
    until: datetime | None = None

    @property
    def said(self) -> str:
        """In words."""
        missing = f"without {', '.join(self.missing)}" if self.missing else "complete"
        if self.may_start:
            return missing
        return f"waits for {', '.join(self.missing) or 'its time'}" + (
            f" until {self.until:%Y-%m-%d %H:%M %Z}" if self.until else ""
        )


def judge(
    landing: Landing, day: date, keys: Collection[str], parts: Collection[str], now: datetime, zone: ZoneInfo
) -> Completeness:
    """Judge a day by the keys in its folder and the parts that have arrived on whatever day."""
    missing = [part for part in expected(landing, day) if part not in parts]
    if landing.marker and not any(is_marker(landing, key) for key in keys):
        missing.append(landing.marker)
    waits = bool(landing.expected or landing.marker)
    until = None
    if landing.start_after is not None:
        until = end_of(day, zone) + landing.start_after
    elif not waits and not keys:
        until = end_of(day, zone) + _QUIET
    there = not missing if waits else until is None
    return Completeness(there or (until is not None and now >= until), tuple(missing), until)


def expected(landing: Landing, day: date) -> list[str]:
    """The parts that a day expects."""
    return [part.format(day=f"{day:%Y%m%d}") for part in landing.expected]


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The moment at which a day ends in the stores' time zone."""
    return datetime.combine(day + timedelta(days=1), time.min, zone)

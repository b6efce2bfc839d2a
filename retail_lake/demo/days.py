"""The days of the demo: which there are, and how store time and UTC meet.

Belongs here: calendar arithmetic. Does not: what happens on a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

FIRST_DAY: Final = date(2017, 1, 1)
LAST_SALE_DAY: Final = date(2017, 12, 31)
LAST_DAY: Final = date(2018, 1, 10)  # a basket of the last sale day that comes ten days late
MAX_LATENESS: Final = 10
STORE_TIME_ZONE: Final = "America/New_York"


def days(first: date, last: date) -> Iterator[date]:
    """Every day from first to last, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def index(day: date) -> int:
    """Days since the first day."""
    return (day - FIRST_DAY).days


def compact(day: date) -> str:
    """`YYYYMMDD`, as file names have it."""
    return f"{day:%Y%m%d}"


def store_time(day: date, second: int) -> datetime:
    """The UTC moment, without zone, of that second of the day on the stores' clock."""
    local = datetime.combine(day, time(), ZoneInfo(STORE_TIME_ZONE)) + timedelta(seconds=second)
    return local.astimezone(UTC).replace(tzinfo=None)


def promotion_week_start(week: int) -> date:
    """First day of a promotion week: week 1 is the Sunday the year begins with, the others start on Mondays."""
    return FIRST_DAY if week == 1 else FIRST_DAY + timedelta(days=1 + 7 * (week - 2))


def promotion_week(day: date) -> int:
    """The promotion week the day lies in."""
    return (index(day) + 6) // 7 + 1

"""When each till file comes, and what happens to it on the way.

Belongs here: the fate of every store group's file of every day, from the seed alone. Does not: the files' content (`till.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from retail_lake.demo.chance import draw
from retail_lake.demo.days import FIRST_DAY, LAST_DAY, days, index

GROUPS: Final = (1, 2, 3, 4)


class Spoil(StrEnum):
    """How a till file's first version goes wrong; the kinds take turns."""

    TRUNCATED = "truncated"
    EMPTY = "empty"
    MISSING_COLUMN = "missing_column"
    EXTRA_COLUMN = "extra_column"
    WRONG_ENCODING = "wrong_encoding"
    RETRANSMITTED = "retransmitted"


@dataclass(frozen=True)
class Fate:
    """What becomes of the till file of `group` and `day`.

    Sound, unless `spoil` or `late` is set. `delay` is in days: of the correction, of the late file, of the second copy.
    """

    day: date
    group: int
    spoil: Spoil | None = None
    late: bool = False
    delay: int = 0

    @property
    def readable_on(self) -> date:
        """The arrival day of the first version that can be read."""
        return self.day if self.spoil is Spoil.RETRANSMITTED else self.settled_on

    @property
    def settled_on(self) -> date:
        """The day on which the last version, or the second copy of a retransmitted file, arrives."""
        return self.day + timedelta(days=self.delay)


def fates(seed: int, first: date = FIRST_DAY, last: date = LAST_DAY) -> list[Fate]:
    """The fate of every file of the days, in order of day and group."""
    return [fate(seed, day, group) for day in days(first, last) for group in GROUPS]


def fate(seed: int, day: date, group: int) -> Fate:
    """The fate of one file. Every second day has one spoiled file, every thirtieth day one that comes late."""
    left = (LAST_DAY - day).days  # what should come later than the last day comes on it
    turn, odd = divmod(index(day), 2)
    if group != GROUPS[draw(seed, "till file", day) % len(GROUPS)]:
        return Fate(day, group)
    if odd:
        spoil = list(Spoil)[turn % len(Spoil)]
        if spoil is Spoil.RETRANSMITTED:
            return Fate(day, group, spoil, delay=1) if left else Fate(day, group)
        # The kind and the delay take turns of different length, so that each kind meets each delay.
        return Fate(day, group, spoil, delay=min((turn + turn // len(Spoil)) % 3, left))
    if turn % 15 == 10 and left:
        return Fate(day, group, late=True, delay=min(1 + turn % 2, left))
    return Fate(day, group)

"""Chance that is the same everywhere: a draw depends on the seed and on what it is drawn for, on nothing else.

Belongs here: draws in Python and the same draws in DuckDB. Does not: what is decided by them.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")
SIDES: Final = 2**32


def draw(seed: int, *scope: object) -> int:
    """A number in [0, 2^32) for the scope, e.g. `draw(2017, "late", basket_id)`."""
    text = "|".join(str(part) for part in (seed, *scope))
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:8], 16)


def chance(seed: int, probability: float, *scope: object) -> bool:
    """Whether the draw of the scope is among the `probability` share that is hit."""
    return draw(seed, *scope) < probability * SIDES


def draw_sql(seed: int, scope: str, *columns: str) -> str:
    """A DuckDB expression of `draw(seed, scope, <values of the columns>)`."""
    return f"('0x' || left(md5(concat_ws('|', '{seed}', '{scope}', {', '.join(columns)})), 8))::BIGINT"


class Dice:
    """A sequence of draws for one scope, where the number of draws is not known before."""

    def __init__(self, seed: int, *scope: object) -> None:
        # Of `random.Random`, only `random()` after seeding with a string is promised to stay the same for ever.
        self._next = random.Random("|".join(str(part) for part in (seed, *scope))).random

    def below(self, sides: int) -> int:
        """A number in [0, sides)."""
        return int(self._next() * sides)

    def chance(self, probability: float) -> bool:
        """True in that share of the throws."""
        return self._next() < probability

    def choice(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[self.below(len(items))]

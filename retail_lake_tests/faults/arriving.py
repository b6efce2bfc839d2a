"""What arrives: some demo days, served once, and brought to a landing area day by day, in any order and more than once.

Belongs here: which files come on which day, and what their source says they hold. Does not: where a landing is (`world.py`).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from retail_lake_tests.flow.pilot import FIRST, arrival

if TYPE_CHECKING:
    import pandas as pd


class Landing(Protocol):
    """A place where files arrive, each whole or not at all."""

    def put(self, key: str, content: bytes) -> None:
        """Land a file, over the one that has its key."""
        ...


class Served:
    """So many demo days, in a folder; `but` leaves out datasets (`system/dataset`)."""

    def __init__(self, folder: Path, days: int, but: Collection[str] = ()) -> None:
        from retail_lake.demo.serve import serve

        self.folder, self.first, self.last = folder / "landing", FIRST, FIRST + timedelta(days=days - 1)
        serve(self.folder, folder / "ledger", self.first, days)
        found = sorted(p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*.*"))
        self.keys = [key for key in found if not key.startswith(tuple(f"{dataset}/" for dataset in but))]

    def arriving(self, first: date, last: date) -> list[str]:
        """The keys that come on these days."""
        return [key for key in self.keys if first <= arrival(key) <= last]

    def order(self, keys: Collection[str], chance: random.Random) -> list[str]:
        """These keys as they may come: out of order, and some of them twice."""
        wanted = [*keys, *chance.sample(sorted(keys), len(keys) // 5)]
        chance.shuffle(wanted)
        return wanted

    def deliver(self, landing: Landing, keys: Iterable[str]) -> None:
        """Bring these files."""
        for key in keys:
            landing.put(key, (self.folder / key).read_bytes())

    def sold(self, last: date) -> pd.DataFrame:
        """The basket lines that have arrived by then, as the untouched source has them."""
        from retail_lake_tests.flow.truth import sold

        return sold(last)

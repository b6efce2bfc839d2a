"""What waits: days with something new that nobody asked a run for, and requests that have not become runs yet.

One small object, `<lake>/ops/arrivals/waiting.json`, so that a look need not open the book of every day. Belongs here: that
object. Does not: why a day waits (`due.py`). Only the arrival sensor writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from retail_lake.arrivals.book import FOLDER
from retail_lake.config import Settings
from retail_lake.storage import list_files, read_bytes, write_bytes

_NAME: Final = "waiting.json"
_DAY: Final = re.compile(r"(?P<dataset>[^/]+/[^/]+)/(?P<day>\d{4}-\d{2}-\d{2})\.json")


class Request(BaseModel):
    """A run to ask for: these tables, by full name, for every day from `first` to `last`. `key` tells it from any other
    content; `digests` has what is asked for, by `system/dataset/day`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    tables: tuple[str, ...]
    first: date
    last: date
    digests: dict[str, str]


class Reach(BaseModel):
    """The first and the last day on which anything of a dataset was seen. `whole` says that every folder was looked at."""

    model_config = ConfigDict(extra="ignore")

    first: date
    last: date
    whole: bool = False


class Waiting(BaseModel):
    """What waits, by `system/dataset`. `emptied` is when the queue was last found empty."""

    model_config = ConfigDict(extra="ignore")

    days: dict[str, set[date]] = Field(default_factory=dict)
    requests: list[Request] = Field(default_factory=list)
    reach: dict[str, Reach] = Field(default_factory=dict)
    emptied: AwareDatetime | None = None

    def open(self, dataset: str, days: Iterable[date]) -> bool:
        """Have these days wait; returns whether any did not yet."""
        known = self.days.setdefault(dataset, set())
        before = len(known)
        known.update(days)
        return len(known) > before

    def close(self, dataset: str, day: date) -> None:
        """Have a day wait no more."""
        self.days.get(dataset, set()).discard(day)

    def reached(self, dataset: str, days: Iterable[date]) -> None:
        """Know that something of these days was seen."""
        for day in days:
            known = self.reach.setdefault(dataset, Reach(first=day, last=day))
            known.first, known.last = min(known.first, day), max(known.last, day)


def load(settings: Settings) -> Waiting:
    """What waits. Where that cannot be read, every day of the book does, until it is looked at."""
    try:
        return Waiting.model_validate_json(read_bytes(_uri(settings), settings))
    except (FileNotFoundError, ValidationError):
        found = Waiting()
    for stored in list_files(f"{settings.lake_uri}/{FOLDER}", settings):
        if match := _DAY.fullmatch(stored.key):
            day = date.fromisoformat(match["day"])
            found.open(match["dataset"], [day])
            found.reached(match["dataset"], [day])
    return found


def save(settings: Settings, waiting: Waiting) -> None:
    """Write what waits."""
    write_bytes(_uri(settings), waiting.model_dump_json(exclude_defaults=True).encode(), settings)


def _uri(settings: Settings) -> str:
    return f"{settings.lake_uri}/{FOLDER}/{_NAME}"

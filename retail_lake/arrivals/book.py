"""The book of arrivals: which object versions were seen, by dataset and arrival day, in the lake.

`<lake>/ops/arrivals/<system>/<dataset>/<arrival day>.json` has a day, and beside it `parts/` the newest version of every part, so
that a correction is known to touch the day it corrects. Belongs here: those records. Does not: putting arrivals into them
(`intake.py`), or what they mean for a run (`due.py`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Final, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from retail_lake.arrivals.event import Version
from retail_lake.config import Settings
from retail_lake.contract import Landing
from retail_lake.sources.landing import is_marker
from retail_lake.storage import read_bytes, write_bytes

FOLDER: Final = "ops/arrivals"
_VERSIONS_KEPT: Final = 20
_SHARDS: Final = 64
_AT_ONCE: Final = 16
_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")
_R = TypeVar("_R")
_M = TypeVar("_M", bound=BaseModel)


class Day(BaseModel):
    """What was seen of one arrival day. Keys are below the dataset's folder.

    `versions` are by key, the newest last. `others` are keys of other days that change what is input to this one, with those
    days: newer versions of its files, or parts that it expected. `since` is when the first of what nobody asked a run for was
    seen, `last` when the last was. `untold` keys have no asset event yet. `asked` is the digest that a run was asked for.
    """

    model_config = ConfigDict(extra="ignore")

    versions: dict[str, list[Version]] = Field(default_factory=dict)
    others: dict[str, date] = Field(default_factory=dict)
    since: AwareDatetime | None = None
    last: AwareDatetime | None = None
    untold: list[str] = Field(default_factory=list)
    asked: str = ""

    def knows(self, key: str, version: Version) -> bool:
        """Whether that version of that key was seen."""
        return any(version.is_same(known) for known in self.versions.get(key, ()))

    def add(self, key: str, version: Version) -> bool:
        """Put a version on record; returns whether it was new."""
        known = self.versions.setdefault(key, [])
        if any(version.is_same(other) for other in known):
            return False
        place = len(known)
        # What is listed is what is there, however long ago its upload began.
        while place and not version.listed and version.is_older(known[place - 1]):
            place -= 1
        known.insert(place, version)
        del known[:-_VERSIONS_KEPT]
        self.untold.append(key)
        return True

    def digest(self, landing: Landing) -> str:
        """What the day's content is known by: the newest version of each key, and what other days change about it."""
        newest = [(key, found[-1].identity) for key, found in self.versions.items() if not is_marker(landing, key)]
        told = json.dumps([sorted(newest), sorted(self.others)])
        return hashlib.sha256(told.encode()).hexdigest()[:20]


class Newest(BaseModel):
    """The newest version of a part: its number, the arrival day of its key (as `sources/landing.py` compares them), that
    key, and the day of the lake that it is input to."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    number: int
    arrival: date
    key: str
    day: date

    @property
    def order(self) -> tuple[int, date, str]:
        """Versions compare by this."""
        return self.number, self.arrival, self.key


class _Shard(BaseModel):
    parts: dict[str, Newest] = Field(default_factory=dict)


class Book:
    """The book of one dataset."""

    def __init__(self, settings: Settings, landing: Landing) -> None:
        self._settings, self.landing = settings, landing
        self._at = f"{settings.lake_uri}/{FOLDER}/{landing.system}/{landing.dataset}"

    def days(self, days: Iterable[date]) -> dict[date, Day]:
        """The records of these days; of one on which nothing was seen, an empty one."""
        wanted = sorted(set(days))
        return dict(zip(wanted, in_parallel(lambda d: self._read(f"{d}.json", Day), wanted), strict=True))

    def write_days(self, days: Mapping[date, Day]) -> None:
        """Replace the records of these days."""
        in_parallel(lambda d: self._write(f"{d}.json", days[d]), list(days))

    def newest(self, parts: Iterable[str]) -> dict[str, Newest]:
        """The newest version of each of these parts that has one."""
        wanted = {*parts}
        shards = in_parallel(lambda shard: self._read(shard, _Shard), sorted({_shard(part) for part in wanted}))
        return {part: found for shard in shards for part, found in shard.parts.items() if part in wanted}

    def write_newest(self, newest: Mapping[str, Newest]) -> None:
        """Put the newest versions of parts on record."""
        by_shard: dict[str, dict[str, Newest]] = {}
        for part, found in newest.items():
            by_shard.setdefault(_shard(part), {})[part] = found

        def write(shard: str) -> None:
            known = self._read(shard, _Shard)
            self._write(shard, _Shard(parts={**known.parts, **by_shard[shard]}))

        in_parallel(write, sorted(by_shard))

    def _read(self, name: str, model: type[_M]) -> _M:
        return read_object(self._settings, f"{self._at}/{name}", model)

    def _write(self, name: str, model: BaseModel) -> None:
        write_bytes(f"{self._at}/{name}", model.model_dump_json(exclude_defaults=True).encode(), self._settings)


def read_object(settings: Settings, uri: str, model: type[_M]) -> _M:
    """An object of the book; an empty one where there is none. One that cannot be read is named in the log and counts as
    none: listing finds again what it had."""
    try:
        return model.model_validate_json(read_bytes(uri, settings))
    except FileNotFoundError:
        return model()
    except ValidationError as error:
        _log.warning("%s is not a record of arrivals and is written anew: %s", uri, error.errors()[0]["msg"])
        return model()


def in_parallel(work: Callable[[_T], _R], items: list[_T]) -> list[_R]:
    """Work on all of them, several at a time, in order."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(work, items))


def _shard(part: str) -> str:
    return f"parts/{int(hashlib.sha256(part.encode()).hexdigest()[:4], 16) % _SHARDS:02d}.json"

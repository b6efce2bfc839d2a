"""What lies in landing and was not seen yet, by listing it: the way to know where no queue tells, a check on the queue where
one does.

Every look lists the newest day folders and whatever lies in none, and then some older folders in turn, so that after some
looks every folder was listed. Belongs here: that walk. Does not: the book (`book.py`).

A key is new if the book does not have it, or has it with another ETag, size or moment: nothing hangs on the order in which files
came, or on clocks. Memory is bounded by the largest folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final, NamedTuple, Protocol

from retail_lake.arrivals.book import Book, in_parallel
from retail_lake.arrivals.event import Arrival, Version
from retail_lake.arrivals.s3_listing import OnS3
from retail_lake.config import Settings
from retail_lake.sources.landing import is_input, place
from retail_lake.storage import Stored, list_files, list_level

FOLDERS: Final = 100
KEYS: Final = 50_000
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_YEAR: Final = re.compile(r"\d{4}")
_TWO: Final = re.compile(r"\d{2}")


class Lister(Protocol):
    """What can list folders of the landing. Keys are below the folder; hidden ones are among them."""

    def below(self, folder: str) -> list[Stored]:
        """Every file below a folder."""

    def level(self, folder: str) -> tuple[list[Stored], list[str]]:
        """The files right in a folder, and the names of the folders there."""


class InFolder:
    """The landing in a folder, by the storage's own listing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def below(self, folder: str) -> list[Stored]:
        return list_files(f"{self._settings.landing_uri}/{folder}", self._settings, hidden=True)

    def level(self, folder: str) -> tuple[list[Stored], list[str]]:
        return list_level(f"{self._settings.landing_uri}/{folder}", self._settings)


def lister_of(settings: Settings) -> Lister:
    """Whoever lists the landing of these settings."""
    return OnS3(settings) if settings.landing_uri.startswith("s3://") else InFolder(settings)


class Look(NamedTuple):
    """What a look found: versions that were not seen yet, and how many keys it listed. `turn` is the older folder that it
    came to last, `whole` whether the last of them."""

    arrivals: list[Arrival]
    keys: int
    turn: str
    whole: bool


def look(
    book: Book,
    lister: Lister,
    settings: Settings,
    *,
    newest: int,
    turn: str = "",
    folders: int = FOLDERS,
    keys: int = KEYS,
    goes_on: Callable[[], bool] = lambda: True,
) -> Look:
    """Look at one dataset: its `newest` day folders, what is in none, and the older ones that come after `turn`, until
    there were `folders` of them or they had `keys` keys, or for as long as it `goes_on`, but one in any case."""
    root = f"{book.landing.system}/{book.landing.dataset}"
    tree = _tree(lister, root)
    split = max(0, len(tree.days) - newest)
    older, always = tree.days[:split], [*tree.others, *tree.days[split:]]
    arrivals: list[Arrival] = []
    seen = 0
    for found in (tree.files, *in_parallel(lambda folder: _below(lister, root, folder), always)):
        seen += len(found)
        arrivals += _new(book, root, found, settings)
    listed = came_to = 0
    pending = [folder for folder in older if _in_order(folder) > turn] or older
    for folder in pending[:folders]:
        if listed >= keys or (came_to and not goes_on()):
            break
        found = _below(lister, root, folder)
        listed += len(found)
        came_to += 1
        arrivals += _new(book, root, found, settings)
    whole = came_to == len(pending)
    return Look(arrivals, seen + listed, "" if whole else _in_order(pending[came_to - 1]), whole)


def _below(lister: Lister, root: str, folder: str) -> list[Stored]:
    return [stored._replace(key=f"{folder}/{stored.key}") for stored in lister.below(f"{root}/{folder}")]


def _new(book: Book, root: str, found: list[Stored], settings: Settings) -> Iterator[Arrival]:
    """The versions among the listed ones that are not in the book."""
    by_day: dict[date, list[Stored]] = {}
    for stored in found:
        if is_input(book.landing, stored.key):
            by_day.setdefault(place(book.landing, stored.key, settings.first_day).day, []).append(stored)
    days = book.days(by_day)
    for day, here in by_day.items():
        for stored in here:
            version = Version(size=stored.size, written=stored.modified, etag=stored.etag, listed=True)
            if not days[day].knows(stored.key, version):
                yield Arrival(f"{root}/{stored.key}", version)


class _Tree(NamedTuple):
    """A dataset's folders of days, in their order, its folders of no day, and the files that are in none of them."""

    days: list[str]
    others: list[str]
    files: list[Stored]


def _tree(lister: Lister, root: str) -> _Tree:
    """Both kinds of date have their folders: `2017-01-02`, and `2017/01/02`."""
    files, names = lister.level(root)
    days = [name for name in names if _DAY.fullmatch(name)]
    others = [name for name in names if not (_DAY.fullmatch(name) or _YEAR.fullmatch(name))]
    dated = [name for name in names if _YEAR.fullmatch(name)]
    for _ in ("months", "days"):
        inner: list[str] = []
        for folder, (here, found) in zip(dated, in_parallel(lambda f: lister.level(f"{root}/{f}"), dated), strict=True):
            files += [stored._replace(key=f"{folder}/{stored.key}") for stored in here]
            inner += [f"{folder}/{name}" for name in found if _TWO.fullmatch(name)]
            others += [f"{folder}/{name}" for name in found if not _TWO.fullmatch(name)]
        dated = inner
    return _Tree(sorted(days + dated, key=_in_order), others, files)


def _in_order(folder: str) -> str:
    return folder.replace("/", "-")

"""A reader that never rests: in a process of its own it reads gold, by all clients in turn, and notes every change it sees.

With pyiceberg it goes through every state that a table was in since it looked last: none is too short to be seen.

Belongs here: reading on and on. Does not: whether what was seen is right (`judge.py`).
"""

from __future__ import annotations

import multiprocessing
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from retail_lake_tests.faults.clients import GOLD, PYICEBERG, Busy, Clients, Read
from retail_lake_tests.faults.digest import Content
from retail_lake_tests.faults.run import become, forks

PAUSE: Final = 0.05
"""Seconds between two reads: it shares the machine with what it watches."""
_GONE: Final = re.compile(
    r"no such (file|key)|not[ _]found|nosuchkey|no_such_key|no files found|does not exist|\bhttp 404\b", re.IGNORECASE
)
"""How clients word that a file is not there: words, because names of files and ports have all kinds of digits."""


@dataclass(frozen=True)
class Version:
    """What a day was seen to hold (None: it was there and is no more), and the jobs' folders that its rows lay in."""

    content: Content | None
    folders: frozenset[str] = frozenset()


@dataclass
class Seen:
    """What a reader saw: `histories` has each client's versions of each table and day, in the order they came.

    `missing` are files that a snapshot showed and that were not there; `unavailable` are reads that nobody answered.
    """

    reads: int = 0
    unavailable: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    histories: dict[tuple[str, str, str], list[Version]] = field(default_factory=dict)

    def note(self, client: str, name: str, read: Read) -> None:
        """Add a read."""
        self.reads += 1
        before = {day for held, table, day in self.histories if (held, table) == (client, name)}
        for day in before | set(read.days):
            version = Version(read.days.get(day), read.folders.get(day, frozenset()))
            history = self.histories.setdefault((client, name, day), [])
            if not history or history[-1] != version:
                history.append(version)

    @contextmanager
    def asking(self, what: str) -> Iterator[None]:
        """A read that may have no answer, or none that a client understands."""
        try:
            yield
        except Busy:
            pass
        except Exception as error:  # a client's own, of which there is no end
            (self.missing if is_gone(error) else self.unavailable).append(f"{what}: {type(error).__name__}: {error}")


class Reader:
    """A reader at work, until it is asked what it saw."""

    def __init__(self, environment: Mapping[str, str], seed: int, log: Path) -> None:
        self._ask, asked = multiprocessing.Pipe()
        # A daemon: it does not outlive whoever started it.
        self._process = forks().Process(target=_work, args=(dict(environment), seed, log, asked), daemon=True)
        self._process.start()
        asked.close()

    def seen(self) -> Seen:
        """End it. Raises EOFError if it died."""
        self._ask.send("enough")
        seen: Seen = self._ask.recv()
        self._process.join()
        return seen

    def close(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()
        self._process.join()


def is_gone(error: Exception) -> bool:
    """Whether a client says that a file is not there, and not that nobody answers."""
    return isinstance(error, FileNotFoundError) or _GONE.search(str(error)) is not None


def _work(environment: dict[str, str], seed: int, log: Path, asked: Connection) -> None:
    become(environment, log)
    from retail_lake.config import load_settings

    clients, chance, seen = Clients(load_settings()), random.Random(seed), Seen()
    last: dict[str, str] = {}

    def gold() -> list[str]:
        with seen.asking("the catalog"):
            return [n for n in clients.names() if n in GOLD]
        return []

    def look(client: str, name: str) -> None:
        with seen.asking(f"{client}, {name}"):
            if client == PYICEBERG:
                for location, read in clients.versions(name, last.get(name, "")):
                    last[name] = location
                    seen.note(client, name, read)
            else:
                seen.note(client, name, clients.by_name[client](name))

    while not asked.poll(PAUSE):
        client = chance.choice([PYICEBERG, *clients.by_name])
        if there := gold():
            look(client, chance.choice(there))
    # What another client saw last is among what pyiceberg goes through now, at the latest.
    for name in gold():
        look(PYICEBERG, name)
    asked.send(seen)

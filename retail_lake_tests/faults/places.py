"""Where rounds can be played, and which of those places share a process and an undisturbed run.

Belongs here: what sets the places apart. Does not: a round in any of them (`rounds.py`, `driven.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from retail_lake_tests.faults import cloud


class Place(NamedTuple):
    """A place, in words; whether it is on AWS, and whether it is Dagster's daemon that starts the runs there."""

    words: str
    on_aws: bool = False
    driven: bool = False

    def tables(self, told: Sequence[str]) -> tuple[str, ...]:
        """What is built there with all it is built from, if somebody asks for these; none for everything, as sensors do."""
        if self.driven:
            return ()
        return (*told,) or (cloud.TABLES if self.on_aws else ())


PLACES: Final = {
    "local": Place("on a local path"),
    "s3": Place("on S3"),
    "aws": Place("on AWS", on_aws=True),
    "daemon": Place("on a local path, driven by Dagster's daemon", driven=True),
    "daemon-aws": Place("on AWS, driven by Dagster's daemon and a queue", on_aws=True, driven=True),
}
USUAL: Final = ("local", "s3", "daemon")
"""Those that a laptop is done with in minutes; on AWS every run takes one."""


class Part(NamedTuple):
    """Places that build the same tables in the same kind of process.

    PostgreSQL, which stands for Redshift, wants another user than root, and where a process may mount a small disk there is none.
    """

    tables: tuple[str, ...]
    on_aws: bool
    places: tuple[str, ...]


def parts(places: Sequence[str], told: Sequence[str]) -> list[Part]:
    """These places, in as few parts as can be, if somebody asks for these tables."""
    kinds = [(PLACES[name].tables(told), PLACES[name].on_aws) for name in places]
    return [Part(*kind, tuple(n for n, k in zip(places, kinds, strict=True) if k == kind)) for kind in dict.fromkeys(kinds)]

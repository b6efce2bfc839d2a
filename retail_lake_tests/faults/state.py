"""Everything a lake and its warehouse hold, as something that can be held against another's.

Belongs here: taking it and comparing. Does not: what it ought to be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from retail_lake.config import Settings
from retail_lake.lake.lake import PUBLICATIONS, Lake
from retail_lake_tests.faults.clients import GOLD, Busy, Clients
from retail_lake_tests.faults.digest import Content, Days

WAREHOUSE: Final = "warehouse."
_RECORDED: Final = ("table", "day", "status", "rows_in", "rows", "quarantined", "duplicates", "checks_passed", "checks_failed")
"""What a repetition does not change of a publication: not which job it was, and when, and on which landed files' times."""


@dataclass(frozen=True)
class State:
    """The content of every table by day, quarantine and warehouse included, and what is on record of each day."""

    tables: dict[str, Days]
    records: frozenset[tuple[Any, ...]]
    folders: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict, compare=False)
    """The jobs' folders that each day's rows lie in."""

    def content(self, name: str, day: str) -> Content | None:
        """What a day of a table holds, if anything."""
        return self.tables.get(name, {}).get(day)


def take(settings: Settings) -> State:
    """What is there now."""
    clients, lake = Clients(settings), Lake(settings)
    read = {name: clients.with_pyiceberg(name) for name in clients.names() if name != PUBLICATIONS}
    # A table that was made and never filled is as good as none.
    tables = {name: found.days for name, found in read.items() if found.days}
    for name in GOLD:
        try:
            tables[WAREHOUSE + name.partition(".")[2]] = clients.in_warehouse(name).days
        except Busy:
            continue
    records = frozenset(tuple(getattr(p, name) for name in _RECORDED) for p in lake.publications())
    return State(tables, records, {name: found.folders for name, found in read.items()})


def differences(expected: State, found: State) -> list[str]:
    """In words, what is not the same."""
    told = []
    for name in sorted({*expected.tables, *found.tables}):
        ours, theirs = expected.tables.get(name, {}), found.tables.get(name, {})
        for day in sorted({*ours, *theirs}):
            if ours.get(day) != theirs.get(day):
                told.append(f"{name} {day}: {theirs.get(day)} instead of {ours.get(day)}")
    for record in sorted(expected.records - found.records, key=repr):
        told.append(f"not on record: {dict(zip(_RECORDED, map(str, record), strict=True))}")
    for record in sorted(found.records - expected.records, key=repr):
        told.append(f"on record: {dict(zip(_RECORDED, map(str, record), strict=True))}")
    return told

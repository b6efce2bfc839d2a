"""Lakes to look into: demo days delivered to a folder, tables built from them in order, rows read back.

Belongs here: what the tests of this room share. Does not: any expectation.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.demo import ledger
from retail_lake.demo.delivery import Defect
from retail_lake.engines.base import Engine
from retail_lake.engines.local import LocalEngine
from retail_lake.lake.lake import Lake, quarantine_name
from retail_lake.materialize import DayOutcome, TableOutcome, materialize
from retail_lake.tables import TABLES

FIRST = date(2017, 1, 1)
SERVED = 6
Outcomes = dict[str, TableOutcome]


def days(number: int, start: date = FIRST) -> list[date]:
    """So many days from start."""
    return [start + timedelta(days=i) for i in range(number)]


LAST = days(SERVED)[-1]


def arrival(key: str) -> date:
    """The day a key's folder names; the first day where it names none."""
    found = re.search(r"/(\d{4})[-/](\d{2})[-/](\d{2})/", key)
    return date(*map(int, found.groups())) if found else FIRST


class Pilot:
    """A lake in a folder of its own, its landing area, and what was served to it."""

    def __init__(self, folder: Path, served: Path) -> None:
        self.folder, self._served = folder, served
        self.settings = Settings(home=folder, first_day=FIRST, last_day=date(2017, 1, 31), threads=2)
        self.lake = Lake(self.settings)
        self.engine: Engine = LocalEngine(self.settings)
        self.landing = folder / "landing"

    def deliver(self, last: date, *datasets: str, but: Collection[str] = ()) -> None:
        """Bring what arrives by then, of all datasets (`system/dataset`) or of those named.

        It lands as it was served, time stamps included, so that two lakes have the same input.
        """
        for path in sorted((self._served / "landing").rglob("*.*")):
            key = path.relative_to(self._served / "landing").as_posix()
            dataset = "/".join(key.split("/")[:2])
            target = self.landing / key
            if arrival(key) <= last and dataset not in but and dataset in (datasets or (dataset,)) and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)

    def landed(self, pattern: str) -> list[str]:
        """Keys of the landed files that a glob pattern finds, in order."""
        return sorted(p.relative_to(self.landing).as_posix() for p in self.landing.glob(pattern))

    def put(self, key: str, content: bytes) -> None:
        """Land a file."""
        target = self.landing / key
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    def build(self, wanted: Sequence[date], *names: str, run_id: str = "run") -> Outcomes:
        """Build those days of all tables, or of those named, in order; whatever is as it should be is left alone."""
        return {
            name: materialize(self.lake, self.engine, table, wanted, run_id=run_id)
            for name, table in TABLES.items()
            if name in (names or (name,))
        }

    def rows(self, name: str) -> pa.Table:
        """What a reader of the table sees, by pyiceberg alone."""
        stored = self.lake.stored(name)
        assert stored is not None, f"{name} was never published"
        return stored.scan().to_arrow()

    def frame(self, name: str) -> pd.DataFrame:
        """The same as a data frame."""
        return self.rows(name).to_pandas()

    def quarantine(self, name: str) -> list[dict[str, Any]]:
        """What the table refused, by file and position."""
        stored = self.lake.stored(quarantine_name(TABLES[name]))
        found = stored.scan().to_arrow().to_pylist() if stored else []
        return sorted(found, key=lambda row: (row["source_file"], row["position"] or 0))

    def snapshots(self) -> dict[str, int]:
        """The current snapshot of every table in the catalog, quarantine and ledger included."""
        catalog = self.lake.catalog
        names = [".".join(n) for (space,) in catalog.list_namespaces() for n in catalog.list_tables(space)]
        return {n: s.snapshot_id for n in names if (s := catalog.load_table(n).current_snapshot())}

    def defects(self, dataset: str, by: date = LAST) -> list[Defect]:
        """The ledger's entries of a dataset for what has arrived by then and was not replaced since."""
        entries = [d for day, found in ledger.read(self._served / "ledger").items() if day <= by for d in found]
        return [d for d in entries if d.file.startswith(f"{dataset}/") and not (d.corrected_on and d.corrected_on <= by)]


def statuses(outcome: TableOutcome) -> dict[date | None, str]:
    """The status of each day."""
    return {d.day: d.status for d in outcome.days}


def day_of(outcome: TableOutcome, day: date) -> DayOutcome:
    """What became of one day."""
    (found,) = (d for d in outcome.days if d.day == day)
    return found


def differences(one: Pilot, other: Pilot, tables: Iterable[Table]) -> dict[str, tuple[int, int]]:
    """Tables whose rows are not the same in both lakes, with how many rows only the one and only the other has.

    When a file was landed tells of the delivery, not of the data, and is left out.
    """
    found = {}
    for table in tables:
        ours, theirs = (
            p.rows(table.full_name).drop_columns([c for c in ("_ingested_at",) if table.landing]) for p in (one, other)
        )
        connection = duckdb.connect()
        connection.register("ours", ours)
        connection.register("theirs", theirs)
        counted = [
            connection.execute(f"SELECT count(*) FROM (FROM {a} EXCEPT ALL FROM {b})").fetchall()[0][0]
            for a, b in (("ours", "theirs"), ("theirs", "ours"))
        ]
        if any(counted):
            found[table.full_name] = (counted[0], counted[1])
    return found


MakePilot = Callable[[], Pilot]

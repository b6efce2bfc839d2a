"""A landing folder, a clock, and looks at it with everything real but Dagster: which runs there are is a set of keys.

Belongs here: putting files and announcing them, looking. Does not: any expectation.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from retail_lake.arrivals.book import Book, Day
from retail_lake.arrivals.intake import Intake
from retail_lake.arrivals.listing import Lister
from retail_lake.arrivals.tick import Cursor, Looked, Tick, Told
from retail_lake.arrivals.waiting import Request, load
from retail_lake.config import Settings
from retail_lake.contract import Column, Landing, Layer, Table
from retail_lake.storage import write_bytes

TILLS = Landing(
    system="tills",
    dataset="lines",
    pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/lines_(?P<part>g\d_\d{8})_v(?P<version>\d+)\.csv",
    reader="csv_files",
    expected=("g1_{day}", "g2_{day}"),
    start_after=timedelta(hours=6),
)
PRODUCTS = Landing(
    system="erp",
    dataset="products",
    pattern=r"(?:(?P<arrival>\d{4}/\d{2}/\d{2})/)?(?P<part>LOAD\d|\d{8}-\d)\.csv",
    reader="dms_csv",
)
ORDERS = Landing(
    system="shop",
    dataset="orders",
    pattern=r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>orders-\d+)\.csv",
    reader="csv_files",
    marker="_SUCCESS",
)
DAY_1, DAY_2, DAY_3, DAY_4 = (date(2017, 1, n) for n in (1, 2, 3, 4))
NOON = datetime(2017, 1, 2, 17, tzinfo=UTC)
"""Noon of the second day in New York."""


def table(landing: Landing, name: str = "") -> Table:
    """A bronze table of one column that reads that dataset."""
    return Table(
        name=name or landing.dataset,
        layer=Layer.BRONZE,
        description="Records.",
        grain="record",
        columns=(Column("line", "string", "The line."),),
        landing=landing,
    )


def settings_of(home: Path, **more: Any) -> Settings:
    return Settings(**{"home": home, "first_day": DAY_1, "last_day": date(2017, 1, 31), "settle_seconds": 60, **more})


@dataclass
class World:
    """A lake with these tables. `clock` is what looks take for now; `runs` are the requests that have become runs; `built` are
    days that are published as landing makes them. `lister` stands for the landing where it is given, and `seconds` is what a
    look measures itself by."""

    settings: Settings
    tables: list[Table]
    clock: datetime = NOON
    cursor: Cursor = field(default_factory=Cursor)
    runs: set[str] = field(default_factory=set)
    told: list[Told] = field(default_factory=list)
    built: set[tuple[str, date]] = field(default_factory=set)
    lister: Lister | None = None
    seconds: Callable[[], float] = time.monotonic

    def put(self, key: str, content: str = "x", *, at: datetime | None = None) -> None:
        """Have a file lie in landing, on a local path written at that moment."""
        uri = f"{self.settings.landing_uri}/{key}"
        write_bytes(uri, content.encode(), self.settings)
        if not uri.startswith("s3://"):
            moment = (at or self.clock).timestamp()
            os.utime(uri, (moment, moment))

    def look(self, later: float = 0) -> Looked:
        """Look, so many seconds later."""
        self.clock += timedelta(seconds=later)
        looked = self.tick().look(self.cursor)
        # A cursor comes back as text.
        self.cursor = Cursor.model_validate_json(looked.cursor.model_dump_json())
        return looked

    def tick(self) -> Tick:
        """What looks."""
        has_run, tell = self.runs.__contains__, self.told.append
        return Tick(self.settings, self.tables, lambda: self.clock, has_run, tell, lambda: self._built, self.lister, self.seconds)

    def run(self, requests: Iterable[Request]) -> None:
        """Have these requests become runs."""
        self.runs |= {request.key for request in requests}

    def _built(self, table: Table, days: Mapping[date, Day], *, surely: bool = False) -> set[date]:
        return {day for day in days if (table.full_name, day) in self.built}

    def intake(self) -> Intake:
        """What takes arrivals in."""
        landings = [t.landing for t in self.tables if t.landing]
        return Intake.of(self.settings, landings, load(self.settings), lambda: self.clock)

    def day(self, landing: Landing, day: date) -> Day:
        """What the book has of a day."""
        return Book(self.settings, landing).days([day])[day]


def asked(looked: Looked) -> list[tuple[tuple[str, ...], date, date]]:
    """The tables and ranges that a look asks for."""
    return [(request.tables, request.first, request.last) for request in looked.requests]


def held(looked: Looked) -> dict[tuple[str, date], str]:
    """Why days wait."""
    return {(each.dataset, each.day): each.why for each in looked.held}


def record(
    key: str, *, bucket: str = "landing", version: str = "", etag: str = "e1", sequencer: str = "", size: int = 1,
    at: str = "2017-01-02T17:00:00.000Z", name: str = "ObjectCreated:Put",
) -> dict[str, Any]:  # fmt: skip
    """One record of S3's own message; the key is as S3 writes it there."""
    thing = {"key": key, "size": size, "eTag": etag, "sequencer": sequencer, **({"versionId": version} if version else {})}
    return {"eventSource": "aws:s3", "eventName": name, "eventTime": at, "s3": {"bucket": {"name": bucket}, "object": thing}}


def message(*records: Mapping[str, Any]) -> str:
    """S3's own message with these records."""
    return json.dumps({"Records": records})

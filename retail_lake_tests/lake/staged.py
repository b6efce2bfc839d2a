"""Staged jobs written by hand, so that a test chooses every row, every input and the order of the publishers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retail_lake.arrow_types import arrow_schema
from retail_lake.config import Settings
from retail_lake.contract import Column, Landing, Layer, Table
from retail_lake.jobs.description import (
    DayReport,
    FileProblem,
    JobDescription,
    JobReport,
    PinnedInput,
    RuleVerdict,
    StagedFile,
)
from retail_lake.lake.lake import QUARANTINE_COLUMNS, Lake, quarantine_name

DAYS = [date(2017, 1, 1) + timedelta(days=i) for i in range(5)]
INPUT = "silver.given"

SHELF = Table(
    name="shelf",
    layer=Layer.GOLD,
    description="What stood on the shelf on a day.",
    grain="item and day",
    day="day",
    columns=(
        Column("day", "date", "The day."),
        Column("item", "bigint", "The item."),
        Column("price", "decimal(10,2)", "Its price in dollars."),
    ),
    sql="SELECT * FROM silver.given",
)
DIM = Table(
    name="dim_item",
    layer=Layer.GOLD,
    description="Items.",
    grain="item",
    columns=(Column("item", "bigint", "The item."), Column("price", "decimal(10,2)", "Its price in dollars.")),
    sql="SELECT * FROM silver.given",
)
ARRIVALS = Table(
    name="arrivals",
    layer=Layer.BRONZE,
    description="Arrivals.",
    grain="line",
    columns=(Column("item", "string", "The item."),),
    landing=Landing("tills", "arrivals", "(?P<arrival>.*)/(?P<part>.*)", "csv_files"),
)
TABLES = {t.full_name: t for t in (SHELF, DIM, ARRIVALS)}


def open_lake(home: Path) -> Lake:
    """A lake of its own over one home: as another process would open it."""
    return Lake(Settings(home=home, first_day=DAYS[0], last_day=DAYS[-1]))


def write(rows: Sequence[Mapping[str, Any]], columns: Iterable[Column], path: Path) -> str:
    """Rows as one Parquet file; returns its URI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(r) for r in rows], arrow_schema(columns)), path)
    return f"file://{path}"


def staged(
    lake: Lake,
    table: Table,
    rows: Mapping[date | None, Sequence[Mapping[str, Any]]],
    *,
    sequence: int = 1,
    refused: Mapping[date, int] | None = None,
    blocked: Iterable[date | None] = (),
    incomplete: Iterable[date | None] = (),
    changed: tuple[date, date] | None = None,
    listed_at: datetime | None = None,
    previous: PinnedInput | None = None,
) -> tuple[JobDescription, JobReport]:
    """A job of these days, run: rows staged by day, `refused` records in quarantine, and its report.

    `sequence` is that of the input's pinned snapshot; a bronze job has `listed_at` instead.
    """
    job_id = uuid.uuid4().hex[:20]
    place = f"{lake.data_location(table.full_name)}/data/{job_id}-{uuid.uuid4().hex[:8]}"
    folder = Path(place.removeprefix("file://"))
    days = tuple(d for d in rows if d)
    job = JobDescription(
        job_id=job_id,
        run_id=f"run-{sequence}",
        table=table.full_name,
        days=days,
        code_version=table.code_version,
        fingerprints={str(d or "whole"): f"{job_id[:8]}-{d}" for d in rows},
        inputs=() if listed_at else (PinnedInput(table=INPUT, snapshot_id=sequence, sequence=sequence, files=()),),
        previous=previous,
        listed_at=listed_at,
        first_day=DAYS[0],
        last_day=DAYS[-1],
        store_time_zone="UTC",
        staging=place,
    )
    refused = refused or {}
    files = [
        StagedFile(uri=write(some, table.columns, folder / f"rows/{table.day}={day}/1.parquet"), day=day, rows=len(some))
        for day, some in rows.items()
        if some or day is None
    ]
    bad = [
        StagedFile(
            uri=write(
                [{"_day": day, "rules": "item__not_be_null", "job_id": job_id, "position": i} for i in range(count)],
                QUARANTINE_COLUMNS,
                folder / f"quarantine/_day={day}/1.parquet",
            ),
            day=day,
            rows=count,
        )
        for day, count in refused.items()
    ]
    reports = [
        DayReport(
            day=day,
            rows_in=len(some) + refused.get(day, 0) if day else len(some),
            published=len(some),
            quarantined=refused.get(day, 0) if day else 0,
            verdicts=(RuleVerdict(rule="item__not_be_null", success=day not in set(blocked), severity="critical"),),
            problems=(FileProblem(key="a.csv", arrival_day=day or DAYS[0], rule="missing", problem="is missing"),)
            if day in set(incomplete)
            else (),
        )
        for day, some in rows.items()
    ]
    report = JobReport(
        job_id=job_id,
        table=table.full_name,
        engine="by hand",
        days=tuple(reports),
        staged=tuple(files),
        quarantine=tuple(bad),
        changed=changed,
    )
    return job, report


def items(day: date | None, *numbers: int) -> list[dict[str, Any]]:
    """Rows of a day with these item numbers."""
    return [({"day": day} if day else {}) | {"item": n} for n in numbers]


def meanwhile(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, act: Callable[[], object]) -> None:
    """Act once, just after the next call of that function."""
    original = getattr(owner, name)

    def wrapper(*args: object, **kwargs: object) -> object:
        result = original(*args, **kwargs)
        monkeypatch.setattr(owner, name, original)
        act()
        return result

    monkeypatch.setattr(owner, name, wrapper)


def at(seconds: int) -> datetime:
    """A moment to list the landing at."""
    return datetime(2017, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)


def visible(lake: Lake, table: Table) -> dict[date | None, list[Any]]:
    """What readers see: item numbers by day, sorted."""
    return _by_day(lake, table.full_name, table.day, "item")


def quarantined(lake: Lake, table: Table) -> dict[date | None, list[Any]]:
    """The jobs whose refused records are in quarantine, by day, one entry a record."""
    return _by_day(lake, quarantine_name(table), "_day", "job_id")


def _by_day(lake: Lake, name: str, day: str | None, column: str) -> dict[date | None, list[Any]]:
    stored = lake.stored(name)
    seen: dict[date | None, list[Any]] = {}
    for row in stored.scan().to_arrow().to_pylist() if stored else ():
        seen.setdefault(row[day] if day else None, []).append(row[column])
    return {d: sorted(some) for d, some in seen.items()}

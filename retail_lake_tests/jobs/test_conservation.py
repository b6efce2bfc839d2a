"""Rows in are rows published, quarantined and counted as duplicates; where staging changes that, the day is not published."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.contract import expect
from retail_lake.engines.local import LocalEngine
from retail_lake.jobs.description import DayReport
from retail_lake.lake.lake import Lake
from retail_lake.materialize import materialize
from retail_lake.tables import TABLES
from retail_lake_tests.jobs.leaky import LeakyEngine
from retail_lake_tests.jobs.lines import DAYS, job_of, known, line, settings, silver

FIRST, SECOND, _ = DAYS
TILLS = TABLES["bronze.till_lines"]


def counts(day: DayReport) -> tuple[int, int, int, int]:
    return day.rows_in, day.published, day.quarantined, day.duplicates


# Of the first day one row without an amount and one that repeats another's key; two without their key are no duplicates.
ROWS = [
    line(FIRST, 1),
    line(FIRST, 2, amount=None),
    line(FIRST, 3, basket=1),
    line(FIRST, 4, basket=None),
    line(FIRST, 5, basket=None),
    line(SECOND, 1),
]
SILVER = silver(expect.column_values_to_not_be_null("amount", mostly=0.5))
SOUND = {FIRST: (5, 3, 1, 1), SECOND: (1, 1, 0, 0), DAYS[2]: (0, 0, 0, 0)}


def test_silver_counts_what_became_of_every_row(tmp_path: Path) -> None:
    with known(SILVER):
        report = LocalEngine(settings(tmp_path)).run(job_of(tmp_path, SILVER, ROWS))
    assert {day.day: counts(day) for day in report.days} == SOUND
    assert [(day.conserved, day.blocked) for day in report.days] == [(True, False)] * 3


@pytest.mark.parametrize(
    ("folder", "instead", "first"),
    [
        ("rows", "SELECT * FROM {} WHERE _position <> 4", (5, 2, 1, 1)),
        # The one that is kept of a repeated key.
        ("rows", "SELECT * FROM {} WHERE _position <> 1 OR day <> DATE '2017-01-01'", (5, 2, 1, 1)),
        ("rows", "SELECT * FROM {0} UNION ALL SELECT * FROM {0} WHERE _position = 4", (5, 4, 1, 1)),
        ("quarantine", "SELECT * FROM {} WHERE position <> 2", (5, 3, 0, 1)),
    ],
    ids=["a row lost", "a repeated row lost", "a row twice", "a refused row lost"],
)
def test_silver_misses_a_row_that_staging_lost(
    tmp_path: Path, folder: str, instead: str, first: tuple[int, int, int, int]
) -> None:
    with known(SILVER):
        report = LeakyEngine(settings(tmp_path), folder, instead).run(job_of(tmp_path, SILVER, ROWS))
    assert {day.day: counts(day) for day in report.days} == {**SOUND, FIRST: first}
    assert [(day.conserved, day.blocked) for day in report.days] == [(False, True), (True, False), (True, False)]


def landed(folder: Path, day: date, group: int, version: int, lines: list[str]) -> None:
    """A till file as tills write it."""
    path = folder / "landing" / "tills" / "till_lines" / str(day) / f"till-lines_g{group}_{day:%Y%m%d}_v{version}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ",".join(c.name for c in TILLS.columns if not c.name.startswith("_"))
    path.write_text("\n".join([header, *lines, f"#lines={len(lines)}", ""]))


@pytest.fixture
def tills(tmp_path: Path) -> Settings:
    """Two days of tills: files that were sent again, one that cannot be read, lines with too few fields, and days in between."""
    for day in (FIRST, SECOND):
        good = [f"292,{n},7,8,1,2.50,0.00,0.00,0.00,{day}T15:00:00Z" for n in range(4)]
        landed(tmp_path, day, 1, 1, good)
        landed(tmp_path, day, 1, 2, good[:3])
        landed(tmp_path, day, 2, 1, [*good, "292,1,7", "too,short"])
        landed(tmp_path, day, 3, 1, good)
    spoiled = tmp_path / "landing" / "tills" / "till_lines" / str(FIRST) / f"till-lines_g3_{FIRST:%Y%m%d}_v1.csv"
    spoiled.write_text(spoiled.read_text().replace("#lines=4", "#lines=5"))
    return settings(tmp_path)


def test_bronze_counts_what_its_readers_read(tills: Settings) -> None:
    outcome = materialize(Lake(tills), LocalEngine(tills), TILLS, [FIRST, SECOND], run_id="sound")
    found = {d.day: d.report for d in outcome.days if d.report}
    # The three of the newer version, four and two refused, and what could be read of the third file.
    assert {day: counts(report) for day, report in found.items()} == {FIRST: (9, 7, 2, 0), SECOND: (13, 11, 2, 0)}
    assert {day: len(report.problems) for day, report in found.items()} == {FIRST: 2, SECOND: 1}
    assert all(report.conserved and report.incomplete for report in found.values())


@pytest.mark.parametrize(
    ("folder", "instead"),
    [
        ("rows", "SELECT * FROM {} WHERE (_position, _arrival_day) <> (2, DATE '2017-01-01')"),
        ("quarantine", "SELECT * FROM {} WHERE (position, _day) <> (6, DATE '2017-01-01') OR position IS NULL"),
    ],
    ids=["rows", "refused records"],
)
def test_bronze_misses_a_row_that_staging_lost_and_the_day_stays_as_it_was(tills: Settings, folder: str, instead: str) -> None:
    lake = Lake(tills)
    materialize(lake, LocalEngine(tills), TILLS, [FIRST, SECOND], run_id="sound")
    before = _rows(lake)
    outcome = materialize(lake, LeakyEngine(tills, folder, instead), TILLS, [FIRST, SECOND], run_id="leaky", force=True)
    first, second = outcome.days
    assert (first.status, second.status) == ("blocked", "incomplete")
    assert first.report and second.report
    assert not first.report.conserved and second.report.conserved
    assert _rows(lake) == before


def _rows(lake: Lake) -> list[tuple[object, ...]]:
    stored = lake.stored(TILLS.full_name)
    assert stored
    return sorted((tuple(row.values()) for row in stored.scan().to_arrow().to_pylist()), key=repr)

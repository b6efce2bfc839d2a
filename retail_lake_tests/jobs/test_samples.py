"""The rows that are shown of a broken rule are of the days on which it failed, however many others tolerate."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from retail_lake.contract import expect
from retail_lake.engines.local import LocalEngine
from retail_lake.jobs.description import JobReport
from retail_lake.jobs.samples import merged
from retail_lake.quality.masking import MASK
from retail_lake_tests.jobs.lines import DAYS, job_of, known, line, settings, silver

FIRST, SECOND, THIRD = DAYS
TABLE = silver(expect.column_values_to_not_be_null("amount", mostly=0.75))
RULE = TABLE.rules[0].name


def of_day(day: date, broken: int, sound: int) -> list[dict[str, object]]:
    return [line(day, place, amount=None if place <= broken else 1) for place in range(1, broken + sound + 1)]


def run(folder: Path, rows: list[dict[str, object]], *days: date) -> JobReport:
    with known(TABLE):
        return LocalEngine(settings(folder)).run(job_of(folder, TABLE, rows, days))


def shown(sample: list[dict[str, str | None]]) -> list[tuple[str | None, str | None]]:
    return [(row["day"], row["_position"]) for row in sample]


def test_a_failed_day_is_shown_before_one_that_tolerates_its_violators(tmp_path: Path) -> None:
    report = run(tmp_path, [*of_day(FIRST, 7, 40), *of_day(THIRD, 2, 1)], *DAYS)
    assert [day.blocked for day in report.days] == [False, False, True]
    assert shown(report.samples[RULE])[:2] == [(str(THIRD), "1"), (str(THIRD), "2")]
    assert shown(report.samples[RULE])[2:] == [(str(FIRST), place) for place in "123"]
    assert {row["basket"] for row in report.samples[RULE]} == {MASK}


def test_every_failed_day_is_shown(tmp_path: Path) -> None:
    report = run(tmp_path, [*of_day(FIRST, 7, 1), *of_day(SECOND, 7, 40), *of_day(THIRD, 7, 1)], *DAYS)
    assert [day.blocked for day in report.days] == [True, False, True]
    first, third = str(FIRST), str(THIRD)
    assert shown(report.samples[RULE]) == [(first, "1"), (third, "1"), (first, "2"), (third, "2"), (first, "3")]


@pytest.mark.parametrize("failed_first", [True, False])
def test_of_several_jobs_those_in_which_the_rule_failed_are_shown_first(tmp_path: Path, failed_first: bool) -> None:
    tolerating, failing = run(tmp_path, of_day(FIRST, 7, 40), FIRST), run(tmp_path, of_day(THIRD, 2, 1), THIRD)
    found = shown(merged([failing, tolerating] if failed_first else [tolerating, failing])[RULE])
    assert found == [(str(THIRD), "1"), (str(THIRD), "2"), *((str(FIRST), place) for place in "123")]


def test_of_several_jobs_in_which_it_failed_each_is_shown(tmp_path: Path) -> None:
    jobs = [run(tmp_path, of_day(day, 7, 1), day) for day in DAYS]
    assert {day for day, _ in shown(merged(jobs)[RULE])} == {str(day) for day in DAYS}

"""Expectations that no grouped query measures are judged all the same: by Great Expectations itself, on a day's staged rows."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retail_lake.contract import expect
from retail_lake.engines.base import Engine
from retail_lake.engines.local import LocalEngine
from retail_lake.engines.spark import SparkEngine
from retail_lake.quality.supported import is_grouped
from retail_lake_tests.jobs.lines import DAYS, job_of, known, line, settings, silver

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FIRST, SECOND, EMPTY = DAYS
# Of the store's day only: five hours behind UTC, so that what is sold by night in UTC is the day before's.
OF_THE_DAY = "business_day(at) = day"
RULES = (
    expect.column_median_to_be_between("amount", min_value=2, max_value=4),
    expect.column_median_to_be_between("amount", max_value=4, row_condition=OF_THE_DAY, severity="warning"),
    expect.column_sum_to_be_between("amount", max_value=9, row_condition=OF_THE_DAY, severity="warning"),
    expect.column_values_to_be_increasing("at", mostly=0.5, severity="warning"),
    expect.column_most_common_value_to_be_in_set("product", value_set=["bread"]),
    expect.column_to_exist("product", column_index=3, severity="warning"),
)
NIGHT = datetime(2017, 1, 1, 3)
ROWS = [
    *(line(FIRST, place, amount=amount) for place, amount in enumerate((1, 2, 6), 1)),
    line(FIRST, 4, amount=99, at=NIGHT),
    line(FIRST, 5, amount=None, at=datetime(9999, 12, 31)),
    *(line(SECOND, place, amount=amount, product="salt") for place, amount in enumerate((5, 6, 7), 1)),
]


@pytest.fixture(params=["local", "spark"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    if request.param == "local":
        return LocalEngine(settings(tmp_path))
    spark: SparkSession = request.getfixturevalue("spark")
    return SparkEngine(settings(tmp_path), lambda: spark)


def test_a_table_with_such_rules_is_judged_day_by_day(engine: Engine, tmp_path: Path) -> None:
    with known(silver(*RULES)) as table:
        report = engine.run(job_of(tmp_path, table, ROWS))
    assert [is_grouped(r) for r in RULES] == [False, False, True, False, False, False]
    found = {day.day: {v.rule: v for v in day.verdicts} for day in report.days}
    assert {day: [verdicts[r.name].success for r in RULES] for day, verdicts in found.items()} == {
        # With the line of the night the median is 4, without it 2, and the sum 9.
        FIRST: [True, True, True, True, True, True],
        SECOND: [False, False, False, True, False, True],
        EMPTY: [False, False, True, True, False, True],
    }
    median, of_the_day, *_ = (found[FIRST][r.name] for r in RULES)
    assert (median.observed, of_the_day.observed) == ("4", "2")
    assert [day.blocked for day in report.days] == [False, True, True]
    assert [[v.rule for v in day.verdicts] for day in report.days] == [[r.name for r in table.rules]] * len(DAYS)

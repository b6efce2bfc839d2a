"""Ranges cut into jobs by their input rows: how they are cut, and that the tables come out as from one job."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retail_lake.contract import Layer
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import cut
from retail_lake.tables import TABLES
from retail_lake_tests.lake.chain import CHAIN, DAYS, build, contents, records, settings

DATES = st.dates(date(2017, 1, 1), date(2017, 3, 1))


@given(st.lists(DATES, unique=True).map(sorted), st.dictionaries(DATES, st.integers(0, 30)), st.integers(1, 40))
def test_every_day_is_in_one_piece_in_order_and_pieces_are_full_but_not_over_full(
    days: list[date], rows: dict[date, int], limit: int
) -> None:
    pieces = cut(days, rows, limit)
    sizes = [sum(rows.get(day, 0) for day in piece) for piece in pieces]
    assert [day for piece in pieces for day in piece] == days
    assert all(pieces), "no piece is empty"
    assert all(size <= limit or len(piece) == 1 for piece, size in zip(pieces, sizes, strict=True))
    for (_, size), (following, _) in pairwise(zip(pieces, sizes, strict=True)):
        assert size + rows.get(following[0], 0) > limit, "there would have been room for the next day"


def test_a_long_range_of_small_days_is_one_piece() -> None:
    year = [date(2017, 1, 1) + timedelta(days=n) for n in range(365)]
    assert cut(year, dict.fromkeys(year, 4_000), 6_000_000) == [year]


@pytest.mark.full
def test_several_jobs_give_the_tables_of_one(landing: Path, tmp_path: Path) -> None:
    one, several = (Lake(settings(tmp_path / name, landing, job_rows=rows)) for name, rows in (("one", 10**6), ("several", 1)))
    built = {lake: build(lake, DAYS) for lake in (one, several)}
    by_day = [n for n in CHAIN if TABLES[n].day and TABLES[n].layer is not Layer.BRONZE]
    for lake, jobs in ((one, 1), (several, len(DAYS))):
        assert {len({p.job_id for p in lake.publications(name)}) for name in by_day} == {jobs}
        assert all(day.status == "published" for outcome in built[lake].values() for day in outcome.days)
    assert contents(several) == contents(one)
    assert records(several) == records(one)

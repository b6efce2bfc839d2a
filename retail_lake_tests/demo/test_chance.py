"""Chance is the same in Python and in DuckDB, today and in ten years."""

from __future__ import annotations

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from retail_lake.demo.chance import SIDES, Dice, draw, draw_sql

CONNECTION = duckdb.connect()


@given(seed=st.integers(0, 10**6), value=st.integers(0, 10**15))
def test_duckdb_draws_what_python_draws(seed: int, value: int) -> None:
    found = CONNECTION.execute(f"SELECT {draw_sql(seed, 'scope', 'value')} FROM (SELECT ?::BIGINT AS value)", [value]).fetchone()
    assert found == (draw(seed, "scope", value),)
    assert 0 <= found[0] < SIDES


def test_draws_are_pinned() -> None:
    assert draw(2017, "late", 31198570044) == 3763438471
    dice = Dice(2017, "pinned")
    assert [dice.below(100) for _ in range(3)] == [44, 32, 67]

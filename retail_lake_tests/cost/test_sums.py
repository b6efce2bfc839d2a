"""Sums of the ledger: whichever way it is cut, the parts make up the whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retail_lake.cost.ledger import Used
from retail_lake.cost.sums import KEYS, sums, total
from retail_lake_tests.cost.entries import attempt


@st.composite
def ledgers(draw: st.DrawFn) -> list[Used]:
    """Attempts of a few tables, engines, days and runs; costs in whole cents."""
    return [
        attempt(
            f"t{n}",
            table=draw(st.sampled_from(["bronze.till_lines", "silver.sales", "gold.fact_sales", "gold.dim_date"])),
            engine=draw(st.sampled_from(["glue", "emr_serverless", "emr"])),
            run_id=draw(st.sampled_from(["r1", "r2"])),
            usage=draw(st.dictionaries(st.sampled_from(["dpu_seconds", "vcpu_hours"]), st.integers(0, 10**6))),
            dollars=draw(st.integers(0, 10**6)) / 100,
            ended_at=datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 96))),
            succeeded=draw(st.booleans()),
        )
        for n in range(draw(st.integers(0, 12)))
    ]


@given(ledgers(), st.lists(st.sampled_from(sorted(KEYS)), max_size=3, unique=True))
def test_the_parts_make_up_the_whole(entries: list[Used], by: list[str]) -> None:
    parts, whole = sums(entries, by), total(entries)
    assert len({part.key for part in parts}) == len(parts)
    assert sum(part.attempts for part in parts) == whole.attempts == len(entries)
    assert sum(part.failed for part in parts) == whole.failed
    assert sum(part.dollars for part in parts) == pytest.approx(whole.dollars)
    assert sum(part.failed_dollars for part in parts) == pytest.approx(whole.failed_dollars)
    for unit in {unit for used in entries for unit in used.usage}:
        assert sum(part.usage.get(unit, 0) for part in parts) == whole.usage[unit]


def test_a_sum_is_that_of_its_attempts() -> None:
    entries = [
        attempt("a", dollars=1.25, usage={"dpu_seconds": 100.0}),
        attempt("b", dollars=0.75, usage={"dpu_seconds": 50.0}, succeeded=False),
        attempt("c", table="gold.fact_sales", engine="emr_serverless", dollars=3.0, usage={"vcpu_hours": 2.0, "gb_hours": 8.0}),
    ]
    found = {one.key: (one.attempts, one.failed, one.dollars, one.failed_dollars, one.usage) for one in sums(entries, ["layer"])}
    assert found == {
        ("gold",): (1, 0, 3.0, 0.0, {"vcpu_hours": 2.0, "gb_hours": 8.0}),
        ("silver",): (2, 1, 2.0, 0.75, {"dpu_seconds": 150.0}),
    }
    assert [one.key for one in sums(entries, ["engine", "table"])] == [
        ("emr_serverless", "gold.fact_sales"),
        ("glue", "silver.sales"),
    ]

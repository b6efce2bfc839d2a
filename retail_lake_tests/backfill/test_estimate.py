"""Estimates from the past: by rows where past runs tell how rows count, else in proportion; costs by the day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from retail_lake.backfill.estimate import Sample, estimate, seconds
from retail_lake.backfill.plan import Plan
from retail_lake.backfill.runs import LONGEST, Run, runs
from retail_lake.cost.ledger import Used
from retail_lake.lake.publications import Publication

DAYS = [date(2017, 1, 1) + timedelta(days=n) for n in range(1000)]


def test_past_runs_tell_the_fixed_part_from_that_of_the_rows() -> None:
    # Two seconds and one for each thousand rows.
    past = [Sample(1, 1_000, 3.0), Sample(10, 10_000, 12.0), Sample(30, 30_000, 32.0)]
    assert seconds(100, 100_000, past) == pytest.approx(102)
    assert seconds(1, 0, [Sample(1, 0, 2.0)]) == pytest.approx(2)


def test_one_past_run_or_a_line_that_makes_no_sense_counts_in_proportion() -> None:
    assert seconds(2, 2_000, [Sample(4, 4_000, 8.0)]) == pytest.approx(4)
    assert seconds(2, 2_000, [Sample(1, 1_000, 8.0), Sample(1, 3_000, 4.0)]) == pytest.approx(6), "more rows in less time"
    assert seconds(2, 0, [Sample(4, 0, 8.0)]) == pytest.approx(4), "by days where no rows go in"
    assert seconds(2, 2_000, []) is None


def publication(day: date, rows_in: int, rows: int) -> Publication:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Publication(
        "gold.fact_sales", day, "published", "job", "run", "code", "print", "", 1, {}, rows_in, rows, 0, 0, 0, 0, 0, (), (), now
    )


def attempt(table: str, days: int, dollars: float, succeeded: bool = True) -> Used:
    return Used(
        token=f"t{dollars}", run_id="r", table=table, days=days, engine="glue", remote_id="j", usage={}, dollars=dollars,
        ended_at=datetime(2026, 1, 1, tzinfo=UTC), succeeded=succeeded,
    )  # fmt: skip


def test_rows_are_those_of_before_and_typical_ones_for_days_that_never_were() -> None:
    known = {"gold.fact_sales": {d: publication(d, 100 * (n + 1), 10) for n, d in enumerate(DAYS[:2])}}
    plan = Plan(
        {"gold.fact_sales": dict.fromkeys(DAYS[:3], "follows"), "warehouse.fact_sales": dict.fromkeys(DAYS[:3], "follows")}
    )
    found = estimate(plan, known, {}, [], ["warehouse.fact_sales"])
    assert found["gold.fact_sales"].rows == 100 + 200 + 150
    assert found["warehouse.fact_sales"].rows == 30
    assert found["warehouse.fact_sales"].dollars == 0
    assert found["gold.fact_sales"].dollars is None and found["gold.fact_sales"].seconds is None


def test_a_day_costs_what_days_cost_with_the_attempts_that_failed() -> None:
    plan = Plan({"silver.sales": dict.fromkeys(DAYS[:10], "older code"), "gold.dim_store": {None: "follows"}})
    used = [attempt("silver.sales", 4, 0.3), attempt("silver.sales", 4, 0.1, succeeded=False), attempt("gold.dim_store", 0, 0.02)]
    found = estimate(plan, {}, {}, used, [])
    assert found["silver.sales"].dollars == pytest.approx(1.0)
    assert found["gold.dim_store"].dollars == pytest.approx(0.02)


def test_long_ranges_are_cut_and_gaps_are_left_out() -> None:
    wanted = [d for d in DAYS if d != DAYS[500]]
    cut = runs(Plan({"silver.sales": dict.fromkeys(wanted, "missing")}), DAYS[0])
    assert [day for run in cut for day in _days(run)] == wanted
    assert max(run.days for run in cut) == LONGEST
    assert all(run.tables == ("silver.sales",) for run in cut)


def test_an_unpartitioned_table_is_built_with_what_it_reads_and_alone_where_nothing_else_is() -> None:
    (alone,) = runs(Plan({"gold.dim_store": {None: "older code"}}), DAYS[7])
    assert (alone.tables, alone.first, alone.last) == (("gold.dim_store",), DAYS[7], DAYS[7])
    plan = Plan(
        {
            "silver.stores": {DAYS[0]: "missing", DAYS[9]: "missing"},
            "gold.dim_store": {None: "follows"},
            "gold.household_rfm": {DAYS[4]: "missing"},
            "warehouse.dim_store": {None: "follows"},
        }
    )
    stores = ("silver.stores", "gold.dim_store", "warehouse.dim_store")
    assert [run.tables for run in runs(plan, DAYS[0])] == [stores, ("gold.household_rfm",), stores]


def _days(run: Run) -> list[date]:
    return [run.first + timedelta(days=n) for n in range(run.days)]

"""What a backfill would build of a real lake, and that it ends with every day as its code and inputs make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from retail_lake.backfill.plan import Plan, Request, plan
from retail_lake.backfill.rounds import carry_out
from retail_lake.backfill.runs import Run, runs
from retail_lake.lake.plan import survey
from retail_lake.tables import TABLES
from retail_lake_tests.flow.pilot import FIRST, LAST, MakePilot, Pilot, days

DAYS = days(6)
READ_SALES = {
    "gold.dim_household", "gold.dim_product", "gold.fact_sales", "gold.basket_metrics", "gold.campaign_effectiveness",
    "gold.daily_category_sales", "gold.daily_store_sales", "gold.household_rfm", "gold.promotion_lift",
}  # fmt: skip
"""Everything that is made of basket lines."""
MASTERS = ("erp_products", "crm_stores", "crm_households")
FACT = (
    "bronze.till_lines", *(f"bronze.{n}" for n in MASTERS), "silver.stores", "silver.households", "silver.products",
    "silver.sales", "gold.dim_date", "gold.dim_store", "gold.dim_household", "gold.dim_product", "gold.fact_sales",
)  # fmt: skip


class NothingToLoad:
    """A warehouse that has everything already."""

    def pending(self, table: Any, days: Any, lake: Any) -> list[date | None]:
        return []


def look(pilot: Pilot, *tables: str, first: date = FIRST, last: date = LAST, **more: bool) -> Plan:
    return plan(pilot.lake, NothingToLoad(), Request(tables, first, last, **more))  # type: ignore[arg-type]


def lake_tables(found: Plan) -> dict[str, list[date | None]]:
    return {name: list(its) for name, its in found.work.items() if not name.startswith("warehouse.")}


@pytest.fixture
def new_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another rule for the basket lines."""
    monkeypatch.setitem(TABLES["silver.sales"].__dict__, "code_version", "another rule")


def test_of_a_lake_that_is_up_to_date_nothing_is_built(pilot: Pilot) -> None:
    assert look(pilot, stale=True).work == {}
    assert look(pilot).work == {}


@pytest.mark.usefixtures("new_rule")
def test_a_new_rule_makes_its_days_stale_and_what_is_made_of_them_follows(pilot: Pilot) -> None:
    found = look(pilot, stale=True)
    assert set(lake_tables(found)) == {"silver.sales", *READ_SALES}
    assert found.work["silver.sales"] == dict.fromkeys(DAYS, "older code")
    assert found.work["gold.fact_sales"] == dict.fromkeys(DAYS, "follows")
    assert found.work["gold.dim_product"] == {None: "follows"}
    assert found.work["warehouse.fact_sales"] == dict.fromkeys(DAYS, "follows")
    assert found.perhaps["gold.fact_promotion"] == 6, "its days see products"


@pytest.mark.usefixtures("new_rule")
def test_days_of_windows_after_the_range_follow_and_no_others(pilot: Pilot) -> None:
    found = look(pilot, "silver.sales", first=DAYS[1], last=DAYS[2], stale=True)
    window = TABLES["gold.household_rfm"].window
    assert window > len(DAYS)
    assert list(found.work["silver.sales"]) == list(found.work["gold.fact_sales"]) == DAYS[1:3]
    assert list(found.work["gold.household_rfm"]) == DAYS[1:]
    one, two = runs(found, LAST)
    assert (one.first, one.last, two.first, two.last) == (DAYS[1], DAYS[2], DAYS[3], DAYS[5])
    assert one.tables[0] == "silver.sales" and "gold.dim_product" in one.tables
    assert "gold.household_rfm" in two.tables and not {"silver.sales", "gold.fact_sales", "gold.dim_product"} & set(two.tables)


@pytest.mark.usefixtures("new_rule")
def test_without_downstream_only_what_is_named(pilot: Pilot) -> None:
    assert set(look(pilot, "silver.sales", stale=True, downstream=False).work) == {"silver.sales"}
    assert look(pilot, "gold.fact_sales", stale=True).work == {}, "as long as its input is not built anew"


def test_a_day_that_is_as_it_should_be_is_built_only_by_force(pilot: Pilot) -> None:
    assert look(pilot, "silver.stores", last=FIRST).work == {}
    forced = look(pilot, "silver.stores", last=FIRST, force=True, downstream=False)
    assert forced.work == {"silver.stores": {FIRST: "asked for"}}


def test_a_day_without_its_input_is_said_to_wait(pilot: Pilot) -> None:
    never = date(2017, 1, 30)
    found = look(pilot, "silver.sales", first=never, last=never)
    assert "silver.sales" not in found.work
    assert found.waiting == {"silver.sales": {never: "bronze.till_lines has no 2017-01-30"}}


def test_an_empty_lake_is_built_whole_in_one_run(new_pilot: MakePilot) -> None:
    pilot = new_pilot()
    pilot.deliver(LAST)
    found = look(pilot)
    assert found.waiting == {}
    assert set(lake_tables(found)) == set(TABLES)
    assert {name for name, its in lake_tables(found).items() if its != (DAYS if TABLES[name].day else [None])} == set()
    (run,) = runs(found, LAST)
    assert (run.first, run.last) == (FIRST, LAST) and set(run.tables) == set(found.work)


def test_the_days_that_see_a_changed_dimension_are_built_in_a_second_round(
    new_pilot: MakePilot, monkeypatch: pytest.MonkeyPatch
) -> None:
    pilot = new_pilot()
    pilot.deliver(DAYS[2])
    pilot.build(DAYS[:3], *FACT)
    products = TABLES["gold.dim_product"]
    before, brand, after = products.sql.rpartition("r.brand,")
    changed = replace(products, sql=f"{before}upper({brand[:-1]}) AS brand,{after}", rules=())
    monkeypatch.setitem(TABLES, "gold.dim_product", changed)  # type: ignore[arg-type]
    request = Request(("gold.dim_product",), FIRST, DAYS[2], stale=True)
    first = plan(pilot.lake, NothingToLoad(), request)  # type: ignore[arg-type]
    assert lake_tables(first) == {"gold.dim_product": [None]} and first.perhaps["gold.fact_sales"] == 3
    done: list[tuple[Sequence[str], date, date]] = []

    def execute(run: Run, number: int, of: int) -> set[tuple[str, date | None]]:
        names = [t for t in run.tables if not t.startswith("warehouse.")]
        pilot.build([d for d in DAYS if run.first <= d <= run.last], *names)
        done.append((names, run.first, run.last))
        return set()

    carry_out(pilot.lake, NothingToLoad(), request, first, execute)  # type: ignore[arg-type]
    assert [names for names, _, _ in done] == [["gold.dim_product"], ["gold.fact_sales"]]
    assert done[1][1:] == (FIRST, DAYS[2])
    assert survey(pilot.lake, TABLES["gold.fact_sales"], DAYS[:3]).todo == []

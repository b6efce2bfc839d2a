"""Whatever order days are built in, and however late rows come, the lake ends up the same; repeated, it does not move."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from retail_lake.materialize import materialize
from retail_lake.tables import TABLES, inputs
from retail_lake_tests.flow import truth
from retail_lake_tests.flow.pilot import FIRST, LAST, MakePilot, Outcomes, Pilot, days, differences, statuses

SHUFFLED = (3, 1, 4, 2)
LINE = [("basket_id", "ascending"), ("product_id", "ascending")]


@pytest.fixture(scope="module")
def piecemeal(tmp_path_factory: pytest.TempPathFactory, served: Path) -> tuple[Pilot, list[Outcomes]]:
    """A lake of the same days that got four of them one by one, out of order, and the rest two days later."""
    pilot = Pilot(tmp_path_factory.mktemp("piecemeal"), served)
    pilot.deliver(date(2017, 1, 4))
    steps = [pilot.build([date(2017, 1, day)]) for day in SHUFFLED]
    pilot.deliver(LAST)
    return pilot, [*steps, pilot.build(days(6))]


@pytest.mark.full
def test_a_day_before_the_stores_are_known_is_held_back(piecemeal: tuple[Pilot, list[Outcomes]]) -> None:
    """The stores come on the first day: on the third, built before it, every line is of a store that nobody knows."""
    _, steps = piecemeal
    third = date(2017, 1, 3)
    assert statuses(steps[0]["silver.sales"]) == {third: "blocked"}
    assert statuses(steps[0]["gold.fact_sales"]) == {third: "skipped"}
    assert "silver.sales" in steps[0]["gold.fact_sales"].days[0].reason
    assert statuses(steps[-1]["silver.sales"])[third] == "published"


@pytest.mark.full
def test_only_stale_days_are_built_again(piecemeal: tuple[Pilot, list[Outcomes]]) -> None:
    """The correction of the fourth's empty file comes on the fifth, and late baskets of every day."""
    _, steps = piecemeal
    bronze = statuses(steps[-1]["bronze.till_lines"])
    assert bronze == dict.fromkeys(days(3), "unchanged") | {
        date(2017, 1, 4): "published",
        date(2017, 1, 5): "published",
        date(2017, 1, 6): "incomplete",
    }
    assert set(statuses(steps[-1]["silver.households"]).values()) == {"unchanged", "published"}
    assert statuses(steps[-1]["silver.households"])[FIRST] == "unchanged"
    # Baskets of all the days before came late, in the files of the fifth and the sixth.
    assert set(statuses(steps[-1]["silver.sales"]).values()) == {"published"}
    assert statuses(steps[-1]["gold.dim_date"]) == {None: "unchanged"}


@pytest.mark.full
def test_tables_are_those_of_one_range(piecemeal: tuple[Pilot, list[Outcomes]], pilot: Pilot) -> None:
    assert differences(piecemeal[0], pilot, TABLES.values()) == {}


@pytest.mark.full
def test_quarantine_is_that_of_one_range(piecemeal: tuple[Pilot, list[Outcomes]], pilot: Pilot) -> None:
    def refused(lake: Pilot, name: str) -> list[dict[str, object]]:
        return [{k: v for k, v in row.items() if k not in ("job_id", "run_id")} for row in lake.quarantine(name)]

    for name, table in TABLES.items():
        if table.layer != "gold":
            assert refused(piecemeal[0], name) == refused(pilot, name), name


@pytest.mark.full
def test_a_second_run_changes_nothing(piecemeal: tuple[Pilot, list[Outcomes]]) -> None:
    pilot, _ = piecemeal
    before = pilot.snapshots()
    again = pilot.build(days(6), run_id="again")
    assert {status for outcome in again.values() for status in statuses(outcome).values()} == {"unchanged"}
    assert all(not outcome.job_ids for outcome in again.values())
    assert pilot.snapshots() == before


def test_baskets_that_come_late_rebuild_their_day(new_pilot: MakePilot) -> None:
    """Nothing else changes here: neither the files of those days nor what is known of the stores."""
    pilot = new_pilot()
    pilot.deliver(FIRST, "crm/stores")
    pilot.deliver(date(2017, 1, 3), "tills/till_lines")
    names = ("bronze.till_lines", "bronze.crm_stores", "silver.stores", "silver.sales")
    pilot.build(days(6), *names)
    pd.testing.assert_frame_equal(truth.in_lake(pilot.frame("silver.sales")), truth.sold(date(2017, 1, 3)))
    pilot.deliver(LAST, "tills/till_lines")
    outcome = pilot.build(days(6), *names)
    assert set(statuses(outcome["silver.stores"]).values()) == {"unchanged"}
    for day in days(3):
        assert statuses(outcome["bronze.till_lines"])[day] == "unchanged"
        assert statuses(outcome["silver.sales"])[day] == "published"
    pd.testing.assert_frame_equal(truth.in_lake(pilot.frame("silver.sales")), truth.sold(LAST))


def test_a_change_that_comes_late_rebuilds_the_facts_it_concerns(new_pilot: MakePilot) -> None:
    """Changes of products and households that come after the sales they concern were built."""
    late = new_pilot()
    late.deliver(date(2017, 1, 3), but=("tills/promotions", "marketing/campaigns"))
    held = late.landed("erp/products/2017/01/02/*") + late.landed("crm/households/2017-01-02/*")
    contents = {key: (late.landing / key).read_bytes() for key in held}
    assert len(contents) > 3
    for key in contents:
        (late.landing / key).unlink()
    names = upstream("gold.fact_sales")
    late.build(days(3), *names)
    before = late.rows("gold.fact_sales").sort_by(LINE)
    for key, content in contents.items():
        late.put(key, content)
    outcome = late.build(days(3), *names)
    assert set(statuses(outcome["silver.sales"]).values()) == {"unchanged"}
    assert statuses(outcome["gold.fact_sales"])[date(2017, 1, 3)] == "published"
    after = late.rows("gold.fact_sales").sort_by(LINE)
    assert after["product_key"] != before["product_key"]
    assert after["household_key"] != before["household_key"]
    materialize(late.lake, late.engine, TABLES["gold.fact_sales"], days(3), run_id="forced", force=True)
    assert late.rows("gold.fact_sales").sort_by(LINE) == after


def upstream(name: str) -> set[str]:
    """A table and all it is made from."""
    return {name}.union(*(upstream(source) for source in inputs(TABLES[name]) if source in TABLES))


def test_a_day_made_again_by_force_is_the_same(new_pilot: MakePilot) -> None:
    pilot = new_pilot()
    pilot.deliver(FIRST, "crm/households")
    names = ("bronze.crm_households", "silver.households")
    pilot.build([FIRST], *names)
    rows = pilot.rows("silver.households").sort_by("_position")
    for name in names:
        outcome = materialize(pilot.lake, pilot.engine, TABLES[name], [FIRST], run_id="forced", force=True)
        assert statuses(outcome) == {FIRST: "published"}
    assert pilot.rows("silver.households").sort_by("_position") == rows

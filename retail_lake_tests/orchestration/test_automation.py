"""The real tables, kept up to date by the sensors alone once bronze is built: a first fill, a row ten days late, a failure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from retail_lake.config import Settings
from retail_lake.contract import Layer, Table
from retail_lake.demo.serve import serve
from retail_lake.failure import DataFailure
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import changed_inputs, survey
from retail_lake.materialize import materialize
from retail_lake.orchestration import build_definitions
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.run import materialize_range
from retail_lake.tables import TABLES, inputs
from retail_lake_tests.orchestration.ticks import Ran, Ticks

FIRST, LATE = date(2017, 1, 1), date(2017, 1, 11)
HEADER = "store_id,basket_id,household_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,sold_at"


def _with_inputs(*names: str) -> dict[str, Table]:
    """These tables and all that they are built from."""
    wanted = {*names}
    for name in reversed(TABLES):
        wanted |= {i for i in inputs(TABLES[name]) if i in TABLES} if name in wanted else set()
    return {name: table for name, table in TABLES.items() if name in wanted}


BUILT = _with_inputs("gold.daily_store_sales", "gold.household_rfm")
LANDED = [n for n, t in BUILT.items() if t.layer is Layer.BRONZE]
SILVER = {n for n, t in BUILT.items() if t.layer is Layer.SILVER}
DIMENSIONS = {"dim_household", "dim_product"}
FACTS = {"fact_sales", "daily_store_sales", "household_rfm"}


class World:
    """A lake of two days and a late one, whose tables can be made to fail."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home, first_day=FIRST, last_day=LATE, threads=2)
        serve(self.settings.landing_uri, home / "ledger", FIRST, 2)
        self.failing: set[str] = set()
        self.built: list[str] = []
        self.baskets = 0
        self.definitions = build_definitions(settings=self.settings, tables=BUILT, materialize=self._materialize)
        self.lake = Lake(self.settings)

    def _materialize(self, lake: Any, engine: Any, table: Table, days: Sequence[date], **more: Any) -> Any:
        self.built.append(table.full_name)
        if table.full_name in self.failing:
            raise DataFailure(f"{table.full_name} cannot be built")
        return materialize(lake, engine, table, days, **more)

    def arrive(self, first: date, last: date, tables: Sequence[str] = LANDED) -> None:
        """Bring bronze up to date, as the sensor for arrivals does."""
        summary = materialize_range(
            tables, first, last, settings=self.settings, definitions=self.definitions, progress=lambda _: None
        )
        assert summary.success, summary.problems

    def late(self, sold: date) -> None:
        """One more basket that a till uploads days after its sale."""
        self.baskets += 1
        lines = [f"292,{n + 1},850,995242,1,1.99,0.00,0.00,0.00,{sold}T18:00:00Z" for n in range(self.baskets)]
        name = f"tills/till_lines/{LATE}/till-lines_g1_{LATE:%Y%m%d}_retransmit_v{self.baskets}.csv"
        file = Path(self.settings.landing_uri) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([HEADER, *lines, f"#lines={len(lines)}", ""]), encoding="utf-8")
        self.arrive(LATE, LATE, ["bronze.till_lines"])

    def published(self) -> dict[tuple[str, date | None], str]:
        return {(p.table, p.day): f"{p.fingerprint} {p.published_at}" for p in self.lake.publications()}

    def in_warehouse(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.settings.warehouse_path), read_only=True) as warehouse:
            return warehouse.execute(sql).fetchall()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    before = dict(os.environ)
    yield World(tmp_path_factory.mktemp("home"))
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def ticks(world: World) -> Iterator[Ticks]:
    with open_instance(world.settings) as instance:
        yield Ticks(world.definitions, instance)


def both(names: set[str]) -> frozenset[str]:
    """In the lake and in the warehouse."""
    return frozenset(f"{layer}.{name}" for layer in ("gold", "warehouse") for name in names)


def test_an_empty_lake_is_left_alone(ticks: Ticks) -> None:
    assert ticks.tick() == []


def test_a_fill_takes_three_runs(world: World, ticks: Ticks) -> None:
    days = (FIRST, FIRST + timedelta(days=1))
    world.arrive(*days)
    assert ticks.settle() == [
        Ran("touched_days", frozenset(SILVER), days, True),
        Ran("automation", both(DIMENSIONS), None, True),
        Ran("automation", both(FACTS), days, True),
    ]
    assert {table for table, _ in world.published()} == {*BUILT}
    assert world.in_warehouse("SELECT count(DISTINCT sale_date) FROM fact_sales") == [(2,)]


def test_a_row_ten_days_late_rebuilds_its_day_and_what_reads_it(world: World, ticks: Ticks) -> None:
    world.late(FIRST)
    before, seen = world.published(), world.in_warehouse("SELECT sale_date, count(*) FROM fact_sales GROUP BY 1 ORDER BY 1")
    ran = ticks.settle()
    assert all(r.success for r in ran)
    changed = {which for which, what in world.published().items() if before.get(which) != what}
    of_late_day = {w for w in changed if w[1] == LATE}
    assert changed - of_late_day == {
        ("silver.sales", FIRST),
        *((f"gold.{name}", None) for name in DIMENSIONS),
        *((f"gold.{name}", FIRST) for name in FACTS),
        # What looks back reads it on the days after too.
        ("gold.household_rfm", FIRST + timedelta(days=1)),
    }
    now = world.in_warehouse("SELECT sale_date, count(*) FROM fact_sales GROUP BY 1 ORDER BY 1")
    assert now == [(seen[0][0], seen[0][1] + 1), seen[1]]
    of_facts, of_stores = (
        world.in_warehouse(f"SELECT sum(sales_value) FROM {name} WHERE sale_date = '{FIRST}'")
        for name in ("fact_sales", "daily_store_sales")
    )
    assert of_facts == of_stores
    # Silver and facts of the late day and of the day on which it arrived, dimensions once; then the windows of two ranges.
    assert len(ran) == 7, ran


def test_a_table_that_fails_is_asked_for_once_until_something_changes(world: World, ticks: Ticks) -> None:
    world.failing = {"gold.fact_sales"}
    world.late(FIRST)
    (failed,) = [r for r in ticks.settle() if not r.success]
    assert "gold.fact_sales" in failed.tables and failed.days == (FIRST, FIRST)
    world.built.clear()
    assert [ticks.tick() for _ in range(10)] == [[]] * 10
    assert world.built == []

    world.failing = set()
    world.late(FIRST)
    assert all(r.success for r in ticks.settle())
    sold = world.in_warehouse("SELECT DISTINCT basket_id FROM fact_sales WHERE basket_id <= 3 ORDER BY 1")
    assert sold == [(1,), (2,), (3,)]


def test_what_only_code_made_stale_is_left_to_people(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sales, days = TABLES["silver.sales"], world.settings.days
    monkeypatch.setitem(vars(sales), "code_version", "another")
    assert FIRST in survey(world.lake, sales, days).todo
    assert changed_inputs(world.lake, sales, days) == {}
    world.late(FIRST)
    assert changed_inputs(world.lake, sales, days) == {FIRST: survey(world.lake, sales, days).fingerprints[FIRST]}

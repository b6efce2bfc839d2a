"""A day of mostly garbage among good ones, through the real tables and Dagster, up to the warehouse, and its repair."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from retail_lake.config import Settings
from retail_lake.demo.serve import serve
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.run import RunSummary, materialize_range

FIRST, BAD, LAST = date(2017, 1, 1), date(2017, 1, 2), date(2017, 1, 3)
GARBAGE = "tills/till_lines/2017-01-02/till-lines_g1_20170102_v9.csv"
HEADER = "store_id,basket_id,household_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,sold_at"
LINES = 3_000
TABLES = (
    *("bronze.till_lines", "bronze.crm_stores", "bronze.crm_households", "bronze.erp_products"),
    *("silver.stores", "silver.households", "silver.products", "silver.sales"),
    *("gold.dim_date", "gold.dim_store", "gold.dim_household", "gold.dim_product"),
    *("gold.fact_sales", "gold.daily_store_sales", "gold.household_rfm"),
    *("warehouse.dim_store", "warehouse.fact_sales", "warehouse.daily_store_sales", "warehouse.household_rfm"),
)
BY_DAY = [name for name in TABLES if name.split(".")[1] in ("sales", "fact_sales", "daily_store_sales", "household_rfm")]


def build(settings: Settings) -> RunSummary:
    return materialize_range(TABLES, FIRST, LAST, settings=settings, progress=lambda _: None)


def days_in(settings: Settings, table: str) -> set[str]:
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as warehouse:
        day = "as_of_date" if table == "household_rfm" else "sale_date"
        return {str(row[0]) for row in warehouse.execute(f"SELECT DISTINCT {day} FROM {table}").fetchall()}


def materialized(settings: Settings, name: str) -> set[str]:
    with open_instance(settings) as instance:
        return set(instance.get_materialized_partitions(dg.AssetKey(name.split("."))))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), first_day=FIRST, last_day=LAST)
    serve(settings.landing_uri, settings.home / "ledger", FIRST, 3)
    garbage = Path(settings.landing_uri) / GARBAGE
    garbage.write_text("\n".join([HEADER, *["?,?,?,?,?,?,?,?,?,?"] * LINES, f"#lines={LINES}", ""]), encoding="utf-8")
    before = dict(os.environ)
    yield settings
    os.environ.clear()
    os.environ.update(before)


def test_good_days_reach_the_warehouse_and_the_repaired_one_follows(settings: Settings) -> None:
    summary = build(settings)
    assert not summary.success
    told = summary.problems.splitlines()
    assert "Every other day is done." in told[0]
    blocked = [line for line in told if line.startswith("  silver.sales 2017-01-02: blocked: ")]
    assert len(blocked) == 1 and "sold_at__not_be_null (3000 of " in blocked[0], summary.problems
    follow = "gold.fact_sales, gold.daily_store_sales, gold.household_rfm"
    follow += ", warehouse.fact_sales, warehouse.daily_store_sales, warehouse.household_rfm"
    assert told[2:] == [f"  skipped, because they read that 2017-01-02: {follow}"]
    for name in BY_DAY:
        assert materialized(settings, name) == {"2017-01-01", "2017-01-03"}, name
    for table in ("fact_sales", "daily_store_sales", "household_rfm"):
        assert days_in(settings, table) == {"2017-01-01", "2017-01-03"}

    with open_instance(settings) as instance:
        (record,) = instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.STEP_FAILURE))
        said = record.event_log_entry.get_dagster_event().step_failure_data
        assert said.error is not None and said.error.stack == [], "a stack trace of a failure that was foreseen"
        assert "silver.sales 2017-01-02: blocked" in said.error.message

    (Path(settings.landing_uri) / GARBAGE).unlink()
    repaired = build(settings)
    assert repaired.success, repaired.problems
    for table in ("fact_sales", "daily_store_sales", "household_rfm"):
        assert days_in(settings, table) == {"2017-01-01", "2017-01-02", "2017-01-03"}
    done = {r.name: {str(d.day): d.status for d in r.days} for r in repaired.results}
    assert done["gold.daily_store_sales"] == {"2017-01-01": "unchanged", "2017-01-02": "published", "2017-01-03": "unchanged"}
    # The day after reads the repaired one within its window.
    assert done["gold.household_rfm"] == {"2017-01-01": "unchanged", "2017-01-02": "published", "2017-01-03": "published"}

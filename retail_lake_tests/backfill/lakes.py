"""Lakes for backfills: a few demo days of the tills and what their lines refer to, up to the warehouse.

Belongs here: the tables, building them, and reading them back. Does not: any expectation.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb

from retail_lake.config import Settings
from retail_lake.lake.lake import Lake

FIRST = date(2017, 1, 1)
WAREHOUSE = "warehouse."
STORES = ("bronze.crm_stores", "silver.stores", "gold.dim_store", "warehouse.dim_store")
"""The fewest tables that go all the way."""
SALES = (
    *("bronze.till_lines", "bronze.crm_stores", "bronze.crm_households", "bronze.erp_products"),
    *("silver.stores", "silver.households", "silver.products", "silver.sales"),
    *("gold.dim_date", "gold.dim_store", "gold.dim_household", "gold.dim_product"),
    *("gold.fact_sales", "gold.daily_store_sales", "gold.household_rfm"),
    *("warehouse.dim_store", "warehouse.fact_sales", "warehouse.daily_store_sales", "warehouse.household_rfm"),
)
"""Facts, the dimensions that they see, and a table with a window."""


def days(number: int, start: date = FIRST) -> list[date]:
    """So many days from start."""
    return [start + timedelta(days=i) for i in range(number)]


def settings(home: Path, last: date, landing: Path | None = None) -> Settings:
    """A lake of its own; the landing area may be another's."""
    return Settings(home=home, first_day=FIRST, last_day=last, landing_uri=str(landing or home / "landing"), threads=2)


def environment(of: Settings) -> dict[str, str]:
    """What a process of its own needs to see the same lake."""
    return {
        **os.environ,
        "RETAIL_LAKE_HOME": str(of.home),
        "RETAIL_LAKE_LANDING_URI": of.landing_uri,
        "RETAIL_LAKE_FIRST_DAY": of.first_day.isoformat(),
        "RETAIL_LAKE_LAST_DAY": of.last_day.isoformat(),
        "RETAIL_LAKE_THREADS": "2",
    }


def backfill(of: Settings, tables: Sequence[str], first: date, last: date, *more: str) -> subprocess.Popen[str]:
    """`retail-lake backfill` of tables in a process of its own, started."""
    asked = [*tables, "--from", first.isoformat(), "--to", last.isoformat(), "--no-downstream", *more]
    command = [sys.executable, "-c", "from retail_lake.cli import main; main()", "backfill", *asked]
    return subprocess.Popen(command, env=environment(of), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def done(process: subprocess.Popen[str]) -> str:
    """Wait for its end, which must be a good one; what it said."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def contents(of: Settings, tables: Sequence[str]) -> dict[str, list[tuple[object, ...]]]:
    """Every row that readers see, of the lake and of the warehouse, in an order of its own."""
    lake = Lake(of)
    found: dict[str, list[tuple[object, ...]]] = {}
    for name in (t for t in tables if not t.startswith(WAREHOUSE)):
        stored = lake.stored(name)
        rows = stored.scan().to_arrow() if stored else None
        found[name] = sorted((tuple(r.values()) for r in rows.to_pylist()), key=repr) if rows is not None else []
    with duckdb.connect(str(of.warehouse_path), read_only=True) as warehouse:
        for name in (t for t in tables if t.startswith(WAREHOUSE)):
            found[name] = sorted(warehouse.execute(f"FROM {name.removeprefix(WAREHOUSE)}").fetchall(), key=repr)
    return found


def published(of: Settings) -> dict[tuple[str, date | None], tuple[str, int, int]]:
    """What the lake says of every table and day: its state and rows. Not its fingerprint, which tells a dimension's past too."""
    return {(p.table, p.day): (p.status, p.rows, p.quarantined) for p in Lake(of).publications()}

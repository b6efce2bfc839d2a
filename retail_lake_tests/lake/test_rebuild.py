"""Everything is lost but landing, and comes back row for row, in whatever pieces it is built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from retail_lake.lake.lake import Lake
from retail_lake.tables import TABLES
from retail_lake.warehouse.duckdb import DuckDBWarehouse
from retail_lake_tests.lake.chain import CHAIN, DAYS, build, contents, records, settings


@pytest.mark.full
def test_the_whole_chain_is_built_again_from_landing(landing: Path, tmp_path: Path) -> None:
    given = settings(tmp_path, landing)
    lake, fact = Lake(given), TABLES["gold.fact_sales"]
    # As life goes: day by day, and then what a later day changed of an earlier one.
    for day in DAYS:
        build(lake, [day])
    build(lake, DAYS)
    before, recorded = contents(lake), records(lake)
    loaded = DuckDBWarehouse(given).load(fact, None, lake, run_id="before").total_rows
    lake.catalog.close()
    for lost in ("lake", "catalog.db", "warehouse.duckdb"):
        path = tmp_path / lost
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = Lake(given)
    assert not again.publications()
    # All days in one job each, and the last ones first: it makes no difference.
    build(again, DAYS[::-1])
    assert contents(again) == before and all(before[name] for name in CHAIN)
    without_steps = {key: known[:-1] for key, known in records(again).items()}
    assert without_steps.keys() == recorded.keys()
    assert {k: (v[0], *v[2:]) for k, v in without_steps.items()} == {k: (v[0], *v[2:-1]) for k, v in recorded.items()}
    assert DuckDBWarehouse(given).load(fact, None, again, run_id="after").total_rows == loaded

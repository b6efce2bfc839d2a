"""A contract that a stored table cannot take is refused before the first table of the selection is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from retail_lake.compatible import check_selection
from retail_lake.config import Settings
from retail_lake.contract import Column
from retail_lake.failure import ConfigurationFailure, DataFailure, TransientFailure
from retail_lake.lake.lake import Lake
from retail_lake.orchestration.run import materialize_range
from retail_lake.tables import TABLES
from retail_lake_tests.cli.conftest import _STORES, Run
from retail_lake_tests.orchestration.fakes import TABLES as FAKES
from retail_lake_tests.orchestration.fakes import FakeFlow, FakeLake

DAY = date(2017, 1, 1)
FACT = FAKES["gold.fact"]
SELECTION = ("bronze.crm_stores", "silver.stores", "gold.dim_store", "warehouse.dim_store", "gold.dim_date", "warehouse.dim_date")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home where the stores have arrived and nothing is built."""
    (tmp_path / "settings.env").write_text("RETAIL_LAKE_FIRST_DAY=2017-01-01\nRETAIL_LAKE_LAST_DAY=2017-01-01\n")
    landed = tmp_path / "landing" / "crm" / "stores" / "2017-01-01" / "stores_20170101_v1.parquet"
    landed.parent.mkdir(parents=True)
    duckdb.sql(_STORES.format(path=landed))
    return tmp_path


def older_in_the_lake(settings: Settings) -> None:
    """Tables as an older contract has left them: a name that was a number, and a column that is no more."""
    lake = Lake(settings)
    for name, was in (("gold.dim_store", Column("store_name", "int", "")), ("gold.dim_date", Column("moon", "string", "Phase."))):
        table = TABLES[name]
        columns = {**{c.name: c for c in table.columns}, was.name: was}
        lake.ensure(replace(table, columns=tuple(columns.values()), rules=()))


def older_in_the_warehouse(settings: Settings) -> None:
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(settings.warehouse_path)) as connection:
        connection.execute("CREATE TABLE dim_store (store_name INTEGER); CREATE TABLE dim_date (moon VARCHAR)")


REFUSED = {
    "lake": (
        older_in_the_lake,
        ["gold.dim_store: ", "column store_name is int in the lake, string in the contract"],
        ["gold.dim_date: ", "column moon is in the lake but no longer in the contract"],
    ),
    "warehouse": (
        older_in_the_warehouse,
        ["dim_store: ", "column store_name is INTEGER in the warehouse, VARCHAR in the contract", "reload dim_store"],
        ["dim_date: ", "column moon is in the warehouse but no longer in the contract", "reload dim_date"],
    ),
}


def nothing_was_built(settings: Settings) -> None:
    assert Lake(settings).publications() == []
    assert not [p for p in settings.home.rglob("*.parquet") if "landing" not in p.parts]


@pytest.mark.parametrize("where", REFUSED)
def test_a_run_is_refused_before_its_first_table(home: Path, where: str) -> None:
    older: Callable[[Settings], None]
    older, *told = REFUSED[where]
    settings = Settings(home=home, first_day=DAY, last_day=DAY)
    older(settings)
    with pytest.raises(ConfigurationFailure) as refused:
        materialize_range(SELECTION, DAY, DAY, settings=settings, progress=lambda _: None)
    for words in told:
        assert all(said in str(refused.value) for said in words), str(refused.value)
    nothing_was_built(settings)


def test_a_backfill_looks_at_the_tables_of_all_its_runs(run: Run, home: Path) -> None:
    settings = Settings(home=home, first_day=DAY, last_day=DAY)
    older_in_the_warehouse(settings)
    result = run(home, "backfill", *SELECTION, "--from", "2017-01-01", "--no-downstream")
    assert result.exit_code == 2, result.output
    assert "column store_name is INTEGER in the warehouse, VARCHAR in the contract" in result.stderr
    assert "importing the project" not in result.stderr, "it looked before the first run, and not in it"
    nothing_was_built(settings)


@pytest.mark.parametrize(
    "raised",
    [
        TransientFailure("in use"),
        DataFailure("damaged"),
        ConfigurationFailure("no permission"),
        ConnectionResetError("reset by peer"),
    ],
)
def test_what_cannot_be_looked_at_is_left_to_its_turn(raised: Exception) -> None:
    told: list[str] = []
    check_selection([(FACT, False), (FACT, True)], FakeLake(), FakeFlow(misfits={"warehouse.fact": raised}), told.append)
    assert told == [f"warehouse: whether the contract fits will be seen at its turn: {raised}"]


def test_a_damaged_warehouse_keeps_nobody_from_publishing(home: Path) -> None:
    settings = Settings(home=home, first_day=DAY, last_day=DAY)
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    settings.warehouse_path.write_bytes(b"no database" * 1000)
    told: list[str] = []
    done = materialize_range(SELECTION, DAY, DAY, settings=settings, progress=told.append)
    assert "dim_store" in done.problems
    assert "retail-lake reload --all" in done.problems
    assert any("whether the contract fits will be seen at its turn" in line and "warehouse.duckdb" in line for line in told), told
    assert {p.table for p in Lake(settings).publications()} == {n for n in SELECTION if not n.startswith("warehouse.")}


def test_a_bug_is_no_answer() -> None:
    with pytest.raises(KeyError):
        check_selection([(FACT, True)], FakeLake(), FakeFlow(misfits={"warehouse.fact": KeyError("schema")}), print)

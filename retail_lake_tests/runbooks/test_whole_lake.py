"""The runbooks over every table of the demo, with each command of a page really run and none of them left out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from retail_lake.cli import main
from retail_lake.config import load_settings
from retail_lake.contract import Layer
from retail_lake.lake.lake import Lake
from retail_lake.tables import TABLES
from retail_lake_tests.lake.chain import DAYS, contents, records
from retail_lake_tests.runbooks.test_runbooks import follow, utc_now

pytestmark = pytest.mark.full
FIRST, LAST = (str(day) for day in DAYS)
RANGE = {"FIRST": FIRST, "LAST": LAST}
GOLD = [table.name for table in TABLES.values() if table.layer is Layer.GOLD]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The demo's first two days, in lake and warehouse. Whoever loses something gets it back."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {"HOME": folder, "FIRST_DAY": FIRST, "LAST_DAY": LAST}.items():
            environment.setenv(f"RETAIL_LAKE_{name}", str(value))
        run("demo", "--days", str(len(DAYS)))
        yield folder


def run(*arguments: str) -> str:
    """A command that ends well; what it printed."""
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return done.output


def served(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What readers of the warehouse see, table by table."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in GOLD}


def rows() -> dict[str, list[tuple[Any, ...]]]:
    """What readers of the lake see, quarantine included."""
    return contents(Lake(load_settings()), list(TABLES))


def seen(home: Path) -> tuple[Any, ...]:
    """All of it, and what is on record."""
    return rows(), records(Lake(load_settings())), served(home)


def names(home: Path) -> set[str]:
    """The stores' names as the warehouse tells them."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        return {name for (name,) in connection.execute("SELECT DISTINCT store_name FROM dim_store WHERE store_id > 0").fetchall()}


def test_catalog_lost(home: Path) -> None:
    before = seen(home)
    assert all(before[0][name] for name in TABLES if name.startswith("gold.dim_")) and before[2]["fact_sales"]
    moment = utc_now()
    (home / "catalog.db").unlink()
    follow("catalog-lost", {**RANGE, "TIME": moment})
    assert seen(home) == before


def test_lake_lost(home: Path) -> None:
    before = seen(home)
    shutil.rmtree(home / "lake")
    (home / "catalog.db").unlink()
    follow("lake-lost", RANGE)
    assert seen(home) == before


def test_warehouse_lost(home: Path) -> None:
    before = seen(home)
    (home / "warehouse.duckdb").unlink()
    follow("warehouse-lost", {"TABLE": "dim_store", "SELECT count(*) FROM TABLE_NAME": "SELECT count(*) FROM fact_sales"})
    assert seen(home) == before


def test_bad_publish(home: Path) -> None:
    """A second version of the stores' file gives all of them one name: no rule is broken, and it is wrong."""
    before, moment = (rows(), served(home)), utc_now()
    (good,) = (home / "landing" / "crm" / "stores" / FIRST).glob("*_v1.parquet")
    stores = pq.read_table(good)
    column = stores.schema.get_field_index("store_name")
    wrong = stores.set_column(column, stores.schema.field(column), pa.array(["Everywhere"] * len(stores)))
    pq.write_table(wrong, good.with_name(good.name.replace("_v1", "_v2")))
    run("backfill", "--from", FIRST, "--to", LAST)
    assert names(home) == {"Everywhere"}
    said = {"TABLE": "bronze.crm_stores", "DAY": FIRST, "TIME": moment}
    assert "is back" in follow("bad-publish", said)
    assert (rows(), served(home)) == before
    assert "Nothing to do" in run("backfill", "--stale")

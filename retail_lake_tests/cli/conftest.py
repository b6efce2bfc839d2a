"""A small real lake for the commands: three days of two stores, one record without a store id, and a loaded fact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from retail_lake.cli import main
from retail_lake.config import Settings
from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, LakeFolder, fact

Run = Callable[..., Result]
_STORES = """
    COPY (SELECT * FROM (VALUES
        (292::BIGINT, 'Harrow', 'Superstore', 'East', 'Harrow', DATE '1999-05-01', 1::BIGINT, TIMESTAMP '2016-12-31 08:00:00'),
        (293, 'Ashby', 'Express', 'West', 'Ashby', DATE '2003-02-01', 2, TIMESTAMP '2016-12-31 08:00:00'),
        (NULL, 'Nameless', 'Express', 'West', 'Ashby', DATE '2003-02-01', 2, TIMESTAMP '2016-12-31 08:00:00')
    ) AS t(store_id, store_name, store_format, region, city, opened_on, store_group, updated_at)) TO '{path}' (FORMAT parquet)
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command over a home folder."""

    def invoke(home: Path, *arguments: str) -> Result:
        monkeypatch.setenv("RETAIL_LAKE_HOME", str(home))
        return CliRunner().invoke(main, list(arguments))

    return invoke


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home folder; tests only read it."""
    from retail_lake.engines.local import LocalEngine
    from retail_lake.lake.lake import Lake
    from retail_lake.materialize import materialize
    from retail_lake.tables import TABLES
    from retail_lake.warehouse.duckdb import DuckDBWarehouse

    folder = tmp_path_factory.mktemp("home")
    (folder / "settings.env").write_text("RETAIL_LAKE_FIRST_DAY=2017-01-01\nRETAIL_LAKE_LAST_DAY=2017-01-03\n")
    settings = Settings(home=folder, first_day=date(2017, 1, 1), last_day=date(2017, 1, 3))
    landed = folder / "landing" / "crm" / "stores" / "2017-01-01" / "stores_20170101_v1.parquet"
    landed.parent.mkdir(parents=True)
    duckdb.sql(_STORES.format(path=landed))
    lake, engine = Lake(settings), LocalEngine(settings)
    for name in ("bronze.crm_stores", "silver.stores"):
        materialize(lake, engine, TABLES[name], [DAY1, DAY2], run_id="fixture")
    (folder / "files").mkdir()
    files = LakeFolder(folder / "files")
    files.sales(DAY1, 3)
    files.sales(DAY2, 2, value="-2.50")
    DuckDBWarehouse(settings).load(fact(), None, files, run_id="fixture")
    yield folder

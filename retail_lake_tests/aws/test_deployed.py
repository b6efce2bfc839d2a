"""The real artifact, deployed as `retail-lake deploy` does, runs one table on every engine: the same rows as here."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from retail_lake.config import Settings
from retail_lake.deploy.artifact import Built
from retail_lake.engines import open_engine
from retail_lake.lake.lake import Lake
from retail_lake.materialize import materialize
from retail_lake.storage import write_bytes
from retail_lake.tables import TABLES
from retail_lake_tests.aws.account import Account, deploy, prepare
from retail_lake_tests.aws.mount import unavailable
from retail_lake_tests.aws.server import Aws

pytestmark = pytest.mark.full
DAY = date(2017, 1, 1)
_LANDED = """
    COPY (SELECT * FROM (VALUES
        (292::BIGINT, 'Harrow', 'Superstore', 'East', 'Harrow', DATE '1999-05-01', 1::BIGINT, TIMESTAMP '2016-12-31 08:00:00'),
        (293, 'Ashby', 'Express', 'West', 'Ashby', DATE '2003-02-01', 2, TIMESTAMP '2016-12-31 08:00:00')
    ) AS t(store_id, store_name, store_format, region, city, opened_on, store_group, updated_at)) TO '{path}' (FORMAT parquet)
"""


def _account(aws: Aws, folder: Path, name: str, built: Built) -> Account:
    account = prepare(aws, folder / "home", name, first_day=str(DAY), last_day="2017-01-03")
    deploy(aws, account, built)
    file = folder / "stores.parquet"
    duckdb.sql(_LANDED.format(path=file))
    key = f"crm/stores/{DAY}/stores_20170101_v1.parquet"
    write_bytes(f"{account.settings.landing_uri}/{key}", file.read_bytes(), account.settings)
    return account


def _rows(settings: Settings) -> list[tuple[object, ...]]:
    table = Lake(settings).stored("bronze.crm_stores")
    assert table is not None
    rows = table.scan().to_arrow().select(["store_id", "store_name", "_arrival_day"]).to_pylist()
    return sorted(tuple(row.values()) for row in rows)


@pytest.mark.parametrize("engine", ["glue", "emr_serverless", "emr", "awslambda"])
def test_a_table_is_made_on_that_engine(aws: Aws, tmp_path: Path, built_artifact: Built, engine: str) -> None:
    settings = _account(aws, tmp_path, f"deployed-{engine}", built_artifact).settings
    lake = Lake(settings)
    materialize(lake, open_engine(settings, engine), TABLES["bronze.crm_stores"], [DAY], run_id="deployed")
    assert _rows(settings) == [(292, "Harrow", DAY), (293, "Ashby", DAY)]
    log = aws.runtime.jobs[-1].text("stdout")
    assert "rows staged" in log, log
    if engine != "awslambda" and unavailable() is None:
        assert "spark" in aws.runtime.jobs[-1].text("stderr").lower()

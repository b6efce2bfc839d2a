"""The lake and the landing on S3, served by a real server: the same tables as on a local path."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from duckdb_extensions import import_extension
from pyiceberg.catalog.sql import SqlCatalog

from retail_lake.demo.serve import serve
from retail_lake.duckdb_connection import connect
from retail_lake.lake.lake import Lake
from retail_lake.lake.maintenance import remove_orphans
from retail_lake.lake.recover import Did, recover
from retail_lake.storage import list_files, write_bytes
from retail_lake.tables import TABLES
from retail_lake_tests.lake.chain import CHAIN, DAYS, build, contents, records, settings
from retail_lake_tests.s3 import S3Server

WRITTEN_AT = re.compile(r'"_ingested_at":"[^"]*"')


def whenever_landed(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows without the moment at which the landed file was written; bronze has it as a time, a quarantined record as text."""
    plain = (tuple(WRITTEN_AT.sub("", v) if isinstance(v, str) else None if _recent(v) else v for v in row) for row in rows)
    return sorted(plain, key=repr)


def _recent(value: Any) -> bool:
    """The data's own times are of 2018 at the latest."""
    return isinstance(value, datetime) and 2018 < value.year < 9999


@pytest.fixture(scope="module")
def on_s3(s3: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake on S3 built from a landing on S3; only its catalog is local."""
    home = tmp_path_factory.mktemp("on_s3")
    where = {"lake_uri": f"s3://{s3.bucket}/lake", "s3_endpoint": s3.endpoint}
    lake = Lake(settings(home, f"s3://{s3.bucket}/landing", **where))
    serve(lake.settings.landing_uri, home / "ledger", DAYS[0], len(DAYS), s3_endpoint=s3.endpoint)
    build(lake, DAYS)
    return lake


def test_the_tables_are_those_of_a_local_run(on_s3: Lake, undisturbed: Lake) -> None:
    there, here = ({name: whenever_landed(rows) for name, rows in contents(lake).items()} for lake in (on_s3, undisturbed))
    assert there == here and all(here[name] for name in CHAIN)
    assert {f.uri.partition("://")[0] for name in CHAIN for f in on_s3.pin(name).files} == {"s3"}
    assert {p.name for p in on_s3.settings.home.iterdir()} == {"catalog.db", "ledger"}


def test_other_clients_read_it_from_s3(on_s3: Lake, s3: S3Server) -> None:
    rows = sum(f.rows for f in on_s3.pin("gold.fact_sales").files)
    catalog = SqlCatalog("lake", uri=on_s3.settings.catalog_uri, **{"s3.endpoint": s3.endpoint, "s3.region": "us-east-1"})
    stored = catalog.load_table("gold.fact_sales")
    assert stored.metadata_location.startswith("s3://")
    sold = stored.scan(selected_fields=("sales_value",)).to_arrow()["sales_value"].to_pylist()
    with connect(on_s3.settings) as connection:
        for extension in ("avro", "iceberg"):
            import_extension(extension, con=connection)
            connection.execute(f"LOAD {extension}")
        scan = f"iceberg_scan('{stored.metadata_location}')"
        assert connection.execute(f"SELECT count(*), sum(sales_value) FROM {scan}").fetchone() == (rows, sum(sold))
    assert len(sold) == rows > 0


@pytest.mark.full
def test_a_lost_catalog_is_rebuilt_from_s3(on_s3: Lake, tmp_path: Path) -> None:
    lost = {"home": tmp_path, "catalog_uri": f"sqlite:///{tmp_path}/catalog.db"}
    again = Lake(on_s3.settings.model_copy(update=lost))
    assert not again.publications()
    found = recover(again)
    assert {each.did for each in found} == {Did.REGISTERED} and not any(each.says for each in found)
    assert contents(again) == contents(on_s3) and records(again) == records(on_s3)


def test_a_second_run_finds_nothing_to_do_and_orphans_are_removed(on_s3: Lake) -> None:
    again = build(Lake(on_s3.settings), DAYS)
    assert {d.status for outcome in again.values() for d in outcome.days} <= {"unchanged"}
    table = TABLES["gold.fact_sales"]
    data = f"{on_s3.data_location(table.full_name)}/data"
    before = {f.key for f in list_files(data, on_s3.settings, hidden=True)}
    write_bytes(f"{data}/killed/rows/sale_date=2017-01-01/data_0.parquet", b"staged", on_s3.settings)
    assert remove_orphans(on_s3, table, timedelta(hours=1)) == []
    assert remove_orphans(on_s3, table, timedelta(0)) == ["killed/rows/sale_date=2017-01-01/data_0.parquet"]
    assert {f.key for f in list_files(data, on_s3.settings, hidden=True)} == before

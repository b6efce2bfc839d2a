"""Clients that know nothing of this project: pyiceberg by the catalog's address, DuckDB by a metadata file."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from duckdb_extensions import import_extension
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import EqualTo

from retail_lake.jobs.duckdb_session import parquet_sql
from retail_lake.lake.lake import Lake
from retail_lake.tables import TABLES
from retail_lake_tests.lake.chain import CHAIN, DAYS


def rows_of(connection: duckdb.DuckDBPyConnection, relation: str) -> list[Any]:
    """The rows of a relation in one order."""
    return sorted(connection.execute(f"SELECT * FROM {relation}").fetchall(), key=repr)


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    """DuckDB with its Iceberg extension, as anybody would load it, but without a network."""
    connection = duckdb.connect(config={"threads": 2})
    for extension in ("avro", "iceberg"):
        import_extension(extension, con=connection)
        connection.execute(f"LOAD {extension}")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


@pytest.mark.parametrize("name", CHAIN)
def test_every_client_reads_what_is_pinned(undisturbed: Lake, connection: duckdb.DuckDBPyConnection, name: str) -> None:
    pinned = undisturbed.pin(name)
    ours = rows_of(connection, f"({parquet_sql(connection, pinned, TABLES[name].columns)})")
    assert len(ours) == sum(f.rows for f in pinned.files) > 0
    stored = SqlCatalog("lake", uri=undisturbed.settings.catalog_uri).load_table(name)
    assert sorted(map(tuple, map(dict.values, stored.scan().to_arrow().to_pylist())), key=repr) == ours
    assert rows_of(connection, f"iceberg_scan('{stored.metadata_location}')") == ours


def test_a_client_that_asks_for_a_day_opens_that_days_files_only(undisturbed: Lake) -> None:
    catalog = SqlCatalog("lake", uri=undisturbed.settings.catalog_uri)
    daily = [n for n in CHAIN if TABLES[n].day and len(undisturbed.pin(n).files) > 1]
    assert {"bronze.till_lines", "silver.sales", "gold.fact_sales"} <= set(daily)
    for name in daily:
        column = TABLES[name].day
        assert column
        tasks = list(catalog.load_table(name).scan(row_filter=EqualTo(column, DAYS[1].isoformat())).plan_files())
        paths = {t.file.file_path for t in tasks}
        assert paths and all(f"{column}={DAYS[1]}" in path for path in paths)
        pruned, every = undisturbed.current_files(name, [DAYS[1]]), undisturbed.pin(name)
        assert paths == {f.uri for f in pruned.files} < {f.uri for f in every.files}

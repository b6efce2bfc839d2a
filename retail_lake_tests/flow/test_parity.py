"""Every table on both engines, from the same pinned inputs: the same rows, quarantine, reports and samples, value for value.

In the default command a few tables that between them have every source's format, history, lateness and window; in the long
matrix all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from retail_lake.cli.compare import differences
from retail_lake.engines.local import LocalEngine
from retail_lake.engines.spark import SparkEngine
from retail_lake.jobs.description import JobDescription, JobReport, StagedFile
from retail_lake.lake.plan import plan
from retail_lake.tables import TABLES
from retail_lake_tests.flow.pilot import Pilot

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The first with the full loads and a week of promotions, one with a redemption, one with a rejected file; not in a row.
DAYS = [date(2017, 1, 1), date(2017, 1, 3), date(2017, 1, 6)]
FEW = {
    "bronze.till_lines",
    "bronze.erp_products",
    "bronze.campaigns",
    "bronze.campaign_calendar",
    "silver.sales",
    "silver.products",
    "gold.dim_product",
    "gold.fact_sales",
    "gold.household_rfm",
}


def job_of(pilot: Pilot, name: str, staging: Path) -> JobDescription:
    """The job that would build the days now."""
    made = plan(pilot.lake, TABLES[name], DAYS, run_id="parity", force=True)
    assert not made.waiting
    (job,) = made.jobs
    return job.model_copy(update={"staging": f"file://{staging}"})


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in FEW else pytest.mark.full) for n, table in TABLES.items() if not table.spark],
)
def test_both_engines_give_the_same(pilot: Pilot, spark: SparkSession, tmp_path: Path, name: str) -> None:
    local = LocalEngine(pilot.settings).run(job_of(pilot, name, tmp_path / "local"))
    other = SparkEngine(pilot.settings, lambda: spark).run(job_of(pilot, name, tmp_path / "spark"))
    assert sum(day.published for day in local.days) > 0
    assert differences(duckdb.connect(), TABLES[name], local, other, 5) == []
    assert rows_by_day(other.staged) == rows_by_day(local.staged)
    assert refused(other.quarantine) == refused(local.quarantine)
    assert len(refused(local.quarantine)) == sum(day.quarantined + len(day.problems) for day in local.days)
    assert other.days == local.days
    assert other.samples == local.samples
    assert other.changed == local.changed


def rows_by_day(files: tuple[StagedFile, ...]) -> dict[date | None, int]:
    """Rows by day: an engine may write a day in several files, but a file holds one day."""
    days: dict[date | None, int] = {}
    for file in files:
        days[file.day] = days.get(file.day, 0) + file.rows
    return days


def refused(files: tuple[StagedFile, ...]) -> list[tuple[object, ...]]:
    """Quarantined rows with all they say, but for the job."""
    if not files:
        return []
    uris = ", ".join(f"'{f.uri.removeprefix('file://')}'" for f in files)
    columns = "_day, rules, reason, record, source_file, position, run_id"
    return duckdb.sql(f"SELECT {columns} FROM read_parquet([{uris}], hive_partitioning = false) ORDER BY ALL").fetchall()


def test_the_program_that_remote_engines_start_does_the_same(pilot: Pilot, tmp_path: Path) -> None:
    job = job_of(pilot, "silver.sales", tmp_path / "program")
    (tmp_path / "job.json").write_text(job.model_dump_json())
    report = tmp_path / "report.json"
    done = started(pilot, "--description", str(tmp_path / "job.json"), "--report", str(report))
    assert done.returncode == 0, done.stderr
    found = JobReport.model_validate_json(report.read_text())
    here = LocalEngine(pilot.settings).run(job.model_copy(update={"staging": f"file://{tmp_path / 'here'}"}))
    assert found.days == here.days
    assert found.samples == here.samples
    assert differences(duckdb.connect(), TABLES["silver.sales"], here, found, 5) == []


def test_the_program_says_what_is_wrong_with_its_description(pilot: Pilot, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"version": 2}')
    done = started(pilot, "--description", str(tmp_path / "job.json"))
    assert done.returncode != 0
    assert "version" in done.stderr


def started(pilot: Pilot, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "retail_lake.jobs", *arguments, "--engine", "local"]
    environment = {**os.environ, "RETAIL_LAKE_HOME": str(pilot.folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

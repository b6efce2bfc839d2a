"""`retail-lake demo` as a user runs it: a process of its own, on a local path and on a real S3 server, and run again."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from retail_lake_tests.s3 import S3Server

COMMAND = [sys.executable, "-c", "from retail_lake.cli import main; main()"]
COUNTS = (
    "SELECT sale_date, count(*) AS n, sum(sales_value) AS v FROM fact_sales GROUP BY 1 ORDER BY 1",
    "SELECT department, sum(sales_value) AS v, sum(baskets) AS b FROM daily_category_sales GROUP BY 1 ORDER BY 1",
    "SELECT count(*) AS n, sum(quantity) AS q FROM silver.sales",
    "SELECT rules, count(*) AS n FROM quarantine.silver_sales GROUP BY 1 ORDER BY 1",
)


@dataclass(frozen=True)
class Home:
    """A home folder and the settings that its commands run with."""

    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `retail-lake` with these arguments."""
        environment = {**os.environ, **self.environment}
        return subprocess.run([*COMMAND, *arguments], env=environment, capture_output=True, text=True, check=False)

    def answers(self) -> list[str]:
        """What the warehouse and the lake say."""
        with ThreadPoolExecutor(2) as pool:
            return [done.stdout for done in pool.map(lambda query: self.run("sql", "--csv", query), COUNTS)]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two demo days on a local path."""
    home = Home({"RETAIL_LAKE_HOME": str(tmp_path_factory.mktemp("local"))})
    done = home.run("demo", "--days", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return home


def test_it_ends_with_a_summary_a_person_can_read(local: Home) -> None:
    again = local.run("demo", "--days", "2")
    assert again.returncode == 0
    for said in ("gold.fact_sales", "published", "quarantined", "duplicates", "lake ", "warehouse ", "retail-lake ui"):
        assert said in again.stdout, said


def test_run_again_it_does_nothing_and_changes_nothing(local: Home) -> None:
    before = local.answers()
    snapshots = "SELECT max(snapshot_id) AS s, count(*) AS n, max(published_at) AS p FROM ops.publications"
    recorded = local.run("sql", "--csv", snapshots).stdout
    again = local.run("demo", "--days", "2")
    assert " on local" not in again.stderr, "a table was built again"
    assert local.answers() == before
    assert local.run("sql", "--csv", snapshots).stdout == recorded


@pytest.mark.full
def test_on_s3_it_gives_the_same_tables_and_warehouse(
    local: Home, s3: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    there = Home(
        {
            "RETAIL_LAKE_HOME": str(tmp_path_factory.mktemp("on_s3")),
            "RETAIL_LAKE_LAKE_URI": f"s3://{s3.bucket}/demo/lake",
            "RETAIL_LAKE_LANDING_URI": f"s3://{s3.bucket}/demo/landing",
            "RETAIL_LAKE_S3_ENDPOINT": s3.endpoint,
        }
    )
    done = there.run("demo", "--days", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    answers = there.answers()
    assert answers == local.answers()
    assert all(len(answer.splitlines()) > 1 for answer in answers)
    assert not [p for p in Path(there.environment["RETAIL_LAKE_HOME"]).iterdir() if p.name in ("lake", "landing")]


@pytest.mark.full
def test_a_window_in_the_middle_of_the_year_keeps_the_stragglers_of_the_days_before(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    from datetime import date

    from retail_lake.demo.arrivals import arrivals

    home = Home({"RETAIL_LAKE_HOME": str(tmp_path_factory.mktemp("march"))})
    done = home.run("demo", "--start", "2017-03-01", "--days", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    came = [
        r for r in arrivals(first=date(2017, 2, 15), last=date(2017, 3, 1)).to_pylist() if r["arrival_day"] == date(2017, 3, 1)
    ]
    assert min(r["sale_date"] for r in came) < date(2017, 3, 1)
    found = home.run("sql", "--csv", "SELECT count(*) AS n, sum(sales_value) AS v, min(sale_date) AS d FROM fact_sales").stdout
    assert found.splitlines()[1] == f"{len(came)},{sum(r['sales_value'] for r in came)},{min(r['sale_date'] for r in came)}"

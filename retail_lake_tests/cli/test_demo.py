"""`retail-lake demo` as a user runs it: a process of its own, on a local path and on a real S3 server, and run again."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from retail_lake.contract import Layer
from retail_lake.demo import ledger
from retail_lake.demo.arrivals import arrivals
from retail_lake.tables import TABLES
from retail_lake_tests.s3 import S3Server

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 2)
NUMBERS = ("landed", "in", "published", "quarantined", "duplicates")
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
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, subprocess.CompletedProcess[str]]:
    """Two demo days on a local path, and what the command said of them."""
    home = Home({"RETAIL_LAKE_HOME": str(tmp_path_factory.mktemp("local"))})
    done = home.run("demo", "--days", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    return home, done


@pytest.fixture
def local(first_run: tuple[Home, subprocess.CompletedProcess[str]]) -> Home:
    """The home of these days."""
    return first_run[0]


def test_it_ends_with_a_summary_a_person_can_read(first_run: tuple[Home, subprocess.CompletedProcess[str]]) -> None:
    home, done = first_run
    for said in ("lake ", "warehouse ", "retail-lake ui"):
        assert said in done.stdout, said
    sold = sum(row["arrival_day"] <= LAST for row in arrivals(first=FIRST, last=LAST).to_pylist())
    found = ledger.read(Path(home.environment["RETAIL_LAKE_HOME"]) / "ledger")
    spoilt = [d for defects in found.values() for d in defects if d.file.startswith("tills/till_lines/") and d.line]
    landed, sales, fact = (summed_up(done.stdout, name) for name in ("bronze.till_lines", "silver.sales", "gold.fact_sales"))
    assert landed["landed"] == sold + len(spoilt) and len(spoilt) > 10
    assert landed["published"] == sales["in"] == landed["landed"] - landed["quarantined"]
    assert landed["quarantined"] + sales["quarantined"] == len(spoilt)
    assert sales["published"] == fact["in"] == fact["published"] == sold
    assert fact["quarantined"] == fact["duplicates"] == 0


def summed_up(told: str, table: str) -> dict[str, int]:
    """The numbers of a table's line of the summary, by column; a dash is none."""
    header = next(line for line in told.splitlines() if line.split()[:1] == ["table"])
    line = next(line for line in told.splitlines() if line.split()[:1] == [table])
    ends = {name: header.index(f" {name} ") + len(name) + 1 for name in NUMBERS}
    begins = dict(zip(NUMBERS, [header.index("table") + len(table), *ends.values()], strict=False))
    cells = {name: line[begins[name] : ends[name]].strip() for name in NUMBERS}
    return {name: int(cell.replace(",", "").replace("-", "0")) for name, cell in cells.items() if cell}


def test_it_says_what_it_does_while_it_does_it(first_run: tuple[Home, subprocess.CompletedProcess[str]]) -> None:
    told = first_run[1].stderr
    tables = len(TABLES) + sum(table.layer is Layer.GOLD for table in TABLES.values())
    steps = (
        " serving tills", " bronze.till_lines: 2017-01-01 to 2017-01-02, 2 days on local", " bronze.till_lines: 2 published in ",
        " gold.fact_sales: 2 published in ", " warehouse.fact_sales: 2 published in ", f" ({tables} of {tables})",
    )  # fmt: skip
    places = [told.find(step) for step in steps]
    assert -1 not in places and places == sorted(places), told


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
    home = Home({"RETAIL_LAKE_HOME": str(tmp_path_factory.mktemp("march"))})
    done = home.run("demo", "--start", "2017-03-01", "--days", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    came = [
        r for r in arrivals(first=date(2017, 2, 15), last=date(2017, 3, 1)).to_pylist() if r["arrival_day"] == date(2017, 3, 1)
    ]
    assert min(r["sale_date"] for r in came) < date(2017, 3, 1)
    found = home.run("sql", "--csv", "SELECT count(*) AS n, sum(sales_value) AS v, min(sale_date) AS d FROM fact_sales").stdout
    assert found.splitlines()[1] == f"{len(came)},{sum(r['sales_value'] for r in came)},{min(r['sale_date'] for r in came)}"

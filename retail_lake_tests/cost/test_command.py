"""`retail-lake cost` and `ops.usage` in `retail-lake sql`, over a ledger in a folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from retail_lake.cli import main
from retail_lake.config import Settings
from retail_lake.cost.ledger import record
from retail_lake_tests.cost.entries import attempt

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command over an empty home folder, with settings."""

    def invoke(*arguments: str, **settings: str) -> Result:
        monkeypatch.setenv("RETAIL_LAKE_HOME", str(tmp_path))
        for name, value in settings.items():
            monkeypatch.setenv(f"RETAIL_LAKE_{name.upper()}", value)
        return CliRunner().invoke(main, list(arguments))

    return invoke


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """Four attempts: two today, one of them failed; one a week and one forty days ago. 10.00 dollars but for the last."""
    settings, now = Settings(home=tmp_path), datetime.now(UTC)
    gold = {"table": "gold.fact_sales", "engine": "emr_serverless"}
    for used in (
        attempt("a", dollars=4.0, ended_at=now),
        attempt("b", dollars=1.0, ended_at=now, succeeded=False, usage={"dpu_seconds": 90.0}),
        attempt("c", dollars=5.0, ended_at=now - timedelta(days=7), usage={"vcpu_hours": 50.0, "gb_hours": 400.0}, **gold),
        attempt("d", dollars=99.0, ended_at=now - timedelta(days=40), **gold),
    ):
        record(settings, used)
    return tmp_path


def _cells(text: str, first: str) -> list[str]:
    """The cells of the line that begins so."""
    (line,) = (line for line in text.splitlines() if line.strip().startswith(first))
    return [cell for cell in line.strip().split("  ") if cell.strip()]


def test_a_person_reads_sums_shares_and_what_failed(run: Run, ledger: Path) -> None:
    text = run("cost").stdout
    assert [c.strip() for c in _cells(text, "silver.sales")] == [
        "silver.sales",
        "2",
        "1",
        "36,090 DPU s",
        "5.0000",
        "50%",
    ]
    assert [c.strip() for c in _cells(text, "gold.fact_sales")][-3:] == ["50 vCPU h, 400 GB h", "5.0000", "50%"]
    assert [c.strip() for c in _cells(text, "in all")][-2:] == ["10.0000", "100%"]
    assert "1 of 3 attempts failed: 1.0000 of 10.0000 US dollars (10%)" in text
    assert "AWS list prices of 2026-06-01 in us-east-1" in text
    assert "No budget is set" in text


def test_days_may_be_chosen_and_csv_has_a_column_for_each_unit(run: Run, ledger: Path) -> None:
    today = datetime.now(UTC).date()
    result = run("cost", "--csv", "--by", "engine", "--by", "day", "--from", str(today - timedelta(days=60)), "--to", str(today))
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(r["engine"], r["day"], r["attempts"], r["failed"], float(r["dollars"])) for r in rows] == [
        ("emr_serverless", str(today - timedelta(days=40)), "1", "0", 99.0),
        ("emr_serverless", str(today - timedelta(days=7)), "1", "0", 5.0),
        ("glue", str(today), "2", "1", 5.0),
    ]
    assert [float(r["dpu_seconds"]) for r in rows] == [36_000.0, 0.0, 36_090.0]
    assert run("cost", "--from", "2026-01-02", "--to", "2026-01-01").exit_code == 2


def test_where_the_budgets_stand(run: Run, ledger: Path) -> None:
    text = run("cost", budget_per_day="7.5", budget_per_run="3").stdout
    assert "5.0000 of 7.5 US dollars spent, 2.5000 left" in text
    assert "A run may cost 3 US dollars" in text and "refused" in text
    text = run("cost", budget_per_day="4", over_budget="warn").stdout
    assert "1.0000 too much" in text and "warned about" in text


def test_with_nothing_on_record_it_says_so(run: Run) -> None:
    result = run("cost")
    assert result.exit_code == 0
    assert "There are none" in result.stdout
    assert run("cost", "--csv").stdout.count("\n") == 1


def test_a_step_on_a_cluster_is_said_to_be_unpriced(run: Run, tmp_path: Path) -> None:
    record(
        Settings(home=tmp_path),
        attempt("a", engine="emr", usage={"instance_seconds": 500.0}, dollars=0.0, ended_at=datetime.now(UTC)),
    )
    text = run("cost", "--by", "engine").stdout
    assert "not priced" in text
    assert [c.strip() for c in _cells(text, "emr")] == ["emr", "1", "-", "500 instance s", "0.0000", "-"]


def test_the_ledger_answers_sql(run: Run, ledger: Path) -> None:
    (ledger / "lake" / "ops" / "usage" / "2026-03-04").mkdir()
    (ledger / "lake" / "ops" / "usage" / "2026-03-04" / "torn.json").write_text('{"token": "to')
    query = (
        "SELECT \"table\", count(*) AS n, sum(dollars) AS dollars, sum(usage['dpu_seconds']) AS dpu, bool_and(succeeded) AS ok "
        "FROM ops.usage GROUP BY 1 ORDER BY 1"
    )
    result = run("sql", "--csv", query)
    assert result.stdout == (
        "table,n,dollars,dpu,ok\ngold.fact_sales,2,104.0,36000.0,True\nsilver.sales,2,5.0,36090.0,False\n"
    ), result.stderr


def test_an_empty_ledger_has_its_columns(run: Run) -> None:
    assert run("sql", "--csv", "SELECT token, dollars, ended_at FROM ops.usage").stdout == "token,dollars,ended_at\n"

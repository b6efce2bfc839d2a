"""The other commands over a small lake, and what they say to a mistake."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from retail_lake.alerts.board import Board
from retail_lake.alerts.problems import over_budget
from retail_lake.cli.common import day_ranges
from retail_lake.cli.compare import differences
from retail_lake.cli.demo import masters, widen
from retail_lake.config import Settings
from retail_lake.failure import ConfigurationFailure
from retail_lake.jobs.description import JobReport, StagedFile
from retail_lake_tests.alerts import webhook
from retail_lake_tests.cli.conftest import Run
from retail_lake_tests.warehouse.lake_folder import DAY1, fact


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("preview", "silver.storez", "--day", "2017-01-01"), "Did you mean silver.stores"),
        (("preview", "promotions", "--day", "2017-01-01"), "bronze.promotions or silver.promotions"),
        (("preview", "silver.stores", "--day", "2019-01-01"), "2017-01-01 to 2017-01-03"),
        (("preview", "silver.stores", "--day", "yesterday"), "'yesterday' is not a day"),
        (("preview", "silver.sales", "--day", "2017-01-01"), "cannot be built yet"),
        (("preview", "silver.stores", "--day", "2017-01-01", "--engine", "glue"), "RETAIL_LAKE_ARTIFACTS_URI is not set"),
        (("parity", "silver.stores", "--day", "2017-01-01", "--engine", "emr"), "RETAIL_LAKE_EMR_CLUSTER is not set"),
        (("status", "nope"), "There is no table nope"),
        (("reload", "silver.stores"), "There is no table silver.stores"),
        (("reload", "dim_store"), "never published"),
        (("demo", "--start", "2016-12-31"), "2017-01-01 to 2018-01-10"),
        (("demo", "--days", "0"), "0 is not in the range"),
        (("nonsense",), "No such command"),
    ],
)
def test_a_mistake_is_one_message_and_code_2(run: Run, home: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(home, *arguments)
    assert result.exit_code == 2, result.output
    assert said in result.stderr and "Traceback" not in result.stderr


def test_a_wrong_setting_is_named(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAIL_LAKE_LAST_DAY", "soon")
    result = run(home, "status")
    assert result.exit_code == 2 and "RETAIL_LAKE_LAST_DAY" in result.stderr and "'soon'" in result.stderr


def test_status_tells_present_from_missing(run: Run, home: Path) -> None:
    result = run(home, "status", "silver.stores", "silver.sales")
    lines = {words[0]: words[1:8] for line in result.stdout.splitlines() if (words := line.split())}
    assert lines["silver.stores"] == ["2017-01-01..02", "2017-01-03", "-", "-", "-", "2", "1"]
    assert lines["silver.sales"] == ["-", "2017-01-01..03", "-", "-", "-", "-", "-"]


def test_preview_audits_and_leaves_nothing(run: Run, home: Path) -> None:
    before = {p for p in home.rglob("*") if p.is_file() and "dagster" not in p.parts}
    result = run(home, "preview", "silver.stores", "--day", "2017-01-01")
    assert result.exit_code == 0, result.output
    assert "3 rows in, 2 to publish, 1 to quarantine" in result.stdout
    assert "store_id__not_be_null" in result.stdout and "Nothing was published." in result.stdout and "Ashby" in result.stdout
    assert {p for p in home.rglob("*") if p.is_file() and "dagster" not in p.parts} == before


@pytest.mark.parametrize(
    ("days", "shown"),
    [
        ([], "-"),
        (["2017-01-05"], "2017-01-05"),
        (["2017-01-03", "2017-01-01", "2017-01-02"], "2017-01-01..03"),
        (["2017-01-31", "2017-02-01", "2017-02-03"], "2017-01-31..02-01, 2017-02-03"),
        (["2017-12-31", "2018-01-01"], "2017-12-31..2018-01-01"),
    ],
)
def test_days_are_shown_as_ranges(days: list[str], shown: str) -> None:
    assert day_ranges(date.fromisoformat(d) for d in days) == shown


def test_the_demo_s_days_only_grow_and_other_settings_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAIL_LAKE_HOME", str(tmp_path))
    (tmp_path / "settings.env").write_text("# mine\nRETAIL_LAKE_THREADS=1\n")
    first = widen(Settings(home=tmp_path), date(2017, 2, 1), date(2017, 2, 3))
    assert (first.first_day, first.last_day, first.threads) == (date(2017, 2, 1), date(2017, 2, 3), 1)
    later = widen(first, date(2017, 2, 2), date(2017, 2, 9))
    assert (later.first_day, later.last_day) == (date(2017, 2, 1), date(2017, 2, 9))
    earlier = widen(later, date(2017, 1, 1), date(2017, 1, 1))
    assert (earlier.first_day, earlier.last_day) == (date(2017, 1, 1), date(2017, 2, 9))
    assert (tmp_path / "settings.env").read_text().startswith("# mine\nRETAIL_LAKE_THREADS=1\n")
    monkeypatch.setenv("RETAIL_LAKE_LAST_DAY", "2017-03-01")
    with pytest.raises(ConfigurationFailure, match="unset RETAIL_LAKE_LAST_DAY"):
        widen(earlier, date(2017, 4, 1), date(2017, 4, 2))


def test_masters_are_what_needs_no_daily_file() -> None:
    found = masters()
    assert {"bronze.erp_products", "silver.products", "silver.households", "silver.stores", "silver.campaigns"} <= set(found)
    assert not {"bronze.till_lines", "silver.sales", "silver.redemptions"} & set(found)
    assert not [name for name in found if name.startswith("gold.")]


def report(tmp_path: Path, name: str, rows: str) -> JobReport:
    path = tmp_path / f"{name}.parquet"
    select = f"SELECT DATE '2017-01-01' AS sale_date, * FROM (VALUES {rows}) AS t(basket_id, sales_value)"
    duckdb.sql(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return JobReport(
        job_id="j", table="gold.fact_sales", engine=name, days=(), staged=(StagedFile(uri=f"file://{path}", day=DAY1, rows=1),)
    )


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ("(2, 2.50), (1, 1.10)", set()),
        ("(1, 1.10), (2, 2.51)", {("sales_value", "Decimal('2.50')", "Decimal('2.51')")}),
        ("(1, 1.10), (2, NULL)", {("sales_value", "Decimal('2.50')", "None")}),
        ("(1, 1.10)", {("row", "there", "missing")}),
        ("(1, 1.10), (2, 2.50), (2, 2.50)", {("row", "missing", "there")}),
    ],
)
def test_parity_finds_each_difference(tmp_path: Path, other: str, found: set[tuple[str, str, str]]) -> None:
    keyed = fact()
    object.__setattr__(keyed, "key", ("basket_id",))
    with duckdb.connect() as connection:
        local, spark = report(tmp_path, "local", "(1, 1.10), (2, 2.50)"), report(tmp_path, "spark", other)
        differing = differences(connection, keyed, local, spark, limit=10)
    assert {(d.what, d.local, d.spark) for d in differing} == found


def test_alerts_are_shown_and_tested(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    monkeypatch.setenv("RETAIL_LAKE_ALERT_ROUTES", '[{"to": "webhook", "severity": "critical"}, {"to": "log"}]')
    shown = run(tmp_path, "alerts")
    assert shown.exit_code == 0 and "No alert is open." in shown.stdout
    assert "webhook: critical alerts, whoever owns the table" in shown.stdout
    board = Board.read(settings)
    board.update([over_budget(settings.model_copy(update={"budget_per_day": 5.0}), DAY1, 6.0, {})[0]], [], datetime.now(UTC))
    board.write()
    shown = run(tmp_path, "alerts")
    assert "CRITICAL: The budget of 2017-01-01 is used up" in shown.stdout and "1 open alerts" in shown.stdout
    with webhook.serve() as there:
        monkeypatch.setenv("RETAIL_LAKE_ALERT_WEBHOOK", there.address)
        tested = run(tmp_path, "alerts", "--test")
        assert tested.exit_code == 0 and "webhook: taken" in tested.stdout
        assert "This is a test of the alerts" in there.texts[0]
        there.answers = [404]
        tested = run(tmp_path, "alerts", "--test")
    assert tested.exit_code == 1 and "Not taken by webhook." in tested.stderr
    assert webhook.SECRET not in tested.output

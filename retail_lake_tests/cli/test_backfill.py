"""`retail-lake backfill`: a small lake built, made stale and built again, told what would be done, and what went wrong."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from retail_lake.cli.backfilled import show_summary
from retail_lake.failure import TransientFailure
from retail_lake.orchestration.flow import AssetResult, DayResult
from retail_lake.orchestration.run import RunSummary
from retail_lake.tables import TABLES
from retail_lake_tests.cli.conftest import _STORES, Run

DAY = date(2017, 1, 1)
ASKED = ("backfill", "silver.stores", "--from", "2017-01-01", "--to", "2017-01-02")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A home where the stores have arrived and nothing is built."""
    (tmp_path / "settings.env").write_text("RETAIL_LAKE_FIRST_DAY=2017-01-01\nRETAIL_LAKE_LAST_DAY=2017-01-02\n")
    landed = tmp_path / "landing" / "crm" / "stores" / "2017-01-01" / "stores_20170101_v1.parquet"
    landed.parent.mkdir(parents=True)
    duckdb.sql(_STORES.format(path=landed))
    return tmp_path


def lines(output: str, start: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines() if line.strip().startswith(start)]


def test_built_made_stale_and_built_again(run: Run, fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = ("bronze.crm_stores", "silver.stores", "gold.dim_store", "warehouse.dim_store")
    days = ("--from", "2017-01-01", "--to", "2017-01-02", "--no-downstream")
    built = run(fresh, "backfill", *tables, *days)
    assert built.exit_code == 0, built.output
    assert lines(built.output, "silver.stores")[-1][:2] == ["silver.stores", "2"]
    assert "warehouse.dim_store: 1 published" in built.output, "progress"
    again = run(fresh, "backfill", *tables, *days)
    assert again.exit_code == 0 and "Nothing to do" in again.output

    monkeypatch.setitem(TABLES["silver.stores"].__dict__, "code_version", "another rule")
    dry = run(fresh, "backfill", "--stale", "--dry-run")
    assert dry.exit_code == 0, dry.output
    (stores,) = lines(dry.output, "silver.stores")
    assert "older code" in " ".join(stores) and "2017-01-01..02" in stores
    assert lines(dry.output, "warehouse.dim_store")
    assert "in 1 run, about " in dry.output
    rebuilt = run(fresh, "backfill", "--stale")
    assert rebuilt.exit_code == 0, rebuilt.output
    assert not lines(rebuilt.output, "bronze.crm_stores"), "only what is stale, and what is made of it"
    assert "Nothing to do" in run(fresh, "backfill", "--stale").output


def test_a_day_that_waits_for_its_input_is_told_and_is_no_success(run: Run, fresh: Path) -> None:
    result = run(fresh, *ASKED)
    assert result.exit_code == 1
    assert "Cannot be built yet: silver.stores 2017-01-01..02: bronze.crm_stores has no such day" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say which days"),
        (("--stale", "--force"), "exclude each other"),
        (("--from", "2017-01-02", "--to", "2017-01-01"), "is after"),
        (("--from", "2019-01-02"), "not a day of this lake"),
        (("silver.store", "--stale"), "silver.stores"),
        (("warehouse.dim_shop", "--stale"), "There is no table warehouse.dim_shop"),
    ],
)
def test_what_cannot_be_asked_for(run: Run, home: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(home, "backfill", *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_the_summary_tells_what_failed_day_by_day_and_what_to_do() -> None:
    bad = date(2017, 1, 2)
    results = (
        AssetResult(
            TABLES["silver.sales"], False,
            (DayResult(DAY, "published", rows=1_234), DayResult(bad, "blocked", why="sold_at__not_be_null (6 of 12 rows)")),
        ),
        AssetResult(TABLES["gold.fact_sales"], False, (DayResult(DAY, "published", rows=9), DayResult(bad, "skipped"))),
        AssetResult(TABLES["gold.household_rfm"], False, (DayResult(DAY, "published", rows=9), DayResult(bad, "skipped"))),
        AssetResult(TABLES["gold.dim_store"], False, (DayResult(None, "failed", why="throttled"),), error=TransientFailure("x")),
    )  # fmt: skip
    out = io.StringIO()
    summary = RunSummary("0123456789", False, results, "words", 1.0, failure="data")
    show_summary(Console(file=out, width=200), [summary], {}, 2.5)
    told = out.getvalue()
    assert "2017-01-02 silver.sales blocked: sold_at__not_be_null (6 of 12 rows)" in told
    assert "2017-01-02 and 2 tables that read it" in told
    assert "whole gold.dim_store failed: throttled" in told
    assert "data failure, run 01234567" in told and "retail-lake preview" in told
    assert "1,234" in told

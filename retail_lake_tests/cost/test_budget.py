"""Budgets: what is refused, what is warned about, and what counts as spent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.cost import budget, ledger
from retail_lake.cost.budget import Budget, estimate
from retail_lake.failure import ConfigurationFailure
from retail_lake_tests.cost.entries import attempt


def settings(home: Path, **more: Any) -> Settings:
    return Settings(home=home, **more)


def spend(where: Settings, token: str, dollars: float, **more: Any) -> ledger.Used:
    """An attempt that ended just now."""
    used = attempt(token, dollars=dollars, **{"ended_at": datetime.now(UTC), **more})
    ledger.record(where, used)
    return used


def test_a_run_above_its_budget_is_refused_in_words_that_say_what_to_do(tmp_path: Path) -> None:
    limited = settings(tmp_path, budget_per_run=5)
    spend(limited, "a", 3.0, succeeded=False)
    spend(limited, "b", 1.5)
    spend(limited, "c", 100.0, run_id="another")
    assert Budget(limited).check("run-1", 0.5) is None
    with pytest.raises(ConfigurationFailure) as refused:
        Budget(limited).check("run-1", 0.75)
    for word in ("RETAIL_LAKE_BUDGET_PER_RUN is 5 US dollars", "4.5000 are spent by this run", "may cost 0.7500", "OVER_BUDGET"):
        assert word in str(refused.value)


def test_a_day_counts_every_run_and_only_its_own_attempts(tmp_path: Path) -> None:
    limited = settings(tmp_path, budget_per_day=10)
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    spend(limited, "a", 6.0, ended_at=midnight)
    spend(limited, "b", 50.0, ended_at=midnight - timedelta(seconds=1))
    assert Budget(limited).check("new", 4.0) is None
    assert Budget(limited).spent_today() == 6.0
    with pytest.raises(ConfigurationFailure, match="BUDGET_PER_DAY"):
        Budget(limited).check("new", 4.01)


def test_a_run_that_goes_past_midnight_keeps_what_it_spent(tmp_path: Path) -> None:
    limited = settings(tmp_path, budget_per_run=10)
    spend(limited, "a", 9.0, ended_at=datetime.now(UTC) - timedelta(hours=24))
    with pytest.raises(ConfigurationFailure, match="BUDGET_PER_RUN"):
        Budget(limited).check("run-1", 2.0)


def test_warn_lets_it_go_and_says_why(tmp_path: Path) -> None:
    limited = settings(tmp_path, budget_per_run=1, budget_per_day=2, over_budget="warn")
    assert Budget(limited).check("run-1", 1.0) is None
    told = Budget(limited).check("run-1", 1.5)
    assert told and "BUDGET_PER_RUN" in told and "BUDGET_PER_DAY" not in told
    told = Budget(limited).check("run-1", 2.5)
    assert told and "BUDGET_PER_RUN" in told and "BUDGET_PER_DAY" in told


def test_without_budgets_nothing_is_asked_of_the_lake(tmp_path: Path) -> None:
    spend(settings(tmp_path), "a", 1e6)
    nowhere = settings(tmp_path, lake_uri="gopher://nowhere")
    assert Budget(nowhere).check("run-1", 1e6) is None


def test_jobs_launched_side_by_side_see_each_other(tmp_path: Path) -> None:
    limited = settings(tmp_path, budget_per_run=5)
    mine = Budget(limited)
    assert mine.check("run-1", 2.0, token="a") is None
    assert Budget(limited).check("run-1", 2.0, token="b") is None
    with pytest.raises(ConfigurationFailure, match=r"4\.0000 are spent"):
        mine.check("run-1", 2.0, token="c")
    mine.settle("b")
    assert mine.check("run-1", 2.0, token="c") is None
    # What it really cost takes the place of the guess, once.
    mine.settle("a", spend(limited, "a", 0.5))
    assert mine.check("run-1", 2.5) is None
    with pytest.raises(ConfigurationFailure, match=r"2\.5000 are spent"):
        mine.check("run-1", 2.6)


def test_a_refused_job_counts_for_nothing(tmp_path: Path) -> None:
    limited = settings(tmp_path, budget_per_run=5)
    with pytest.raises(ConfigurationFailure):
        Budget(limited).check("run-1", 6.0, token="a")
    assert Budget(limited).check("run-1", 5.0) is None


def test_the_ledger_is_listed_once_for_many_jobs_and_each_object_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = settings(tmp_path, budget_per_day=100)
    listed, opened = [], []
    list_day, read_one = ledger.list_day, ledger.read_one
    monkeypatch.setattr(ledger, "list_day", lambda *a: listed.append(a[1]) or list_day(*a))
    monkeypatch.setattr(ledger, "read_one", lambda *a: opened.append(a[1]) or read_one(*a))
    spend(limited, "a", 10.0)
    for n in range(30):
        Budget(limited).check(f"run-{n}", 1.0)
    assert (len(listed), len(opened)) == (2, 1)
    spend(limited, "b", 85.0)
    monkeypatch.setattr(budget, "REFRESH_SECONDS", 0.0)
    with pytest.raises(ConfigurationFailure, match=r"95\.0000 are spent"):
        Budget(limited).check("run-1", 6.0)
    assert (len(listed), len(opened)) == (4, 2)


def test_what_others_spend_is_known_within_a_minute() -> None:
    assert budget.REFRESH_SECONDS <= 60


@pytest.mark.parametrize("engine", ["glue", "emr_serverless", "awslambda"])
def test_an_estimate_grows_with_what_there_is_to_read_and_ends_with_the_timeout(tmp_path: Path, engine: str) -> None:
    where = settings(tmp_path, job_timeout=3600)
    guesses = [estimate(engine, 4, size, where) for size in (0, 10**9, 10**10, 10**14, 10**15)]
    assert 0 < guesses[0] < guesses[1] < guesses[2] <= guesses[3] == guesses[4]


def test_estimates_done_by_hand(tmp_path: Path) -> None:
    where = settings(tmp_path, job_timeout=7200)
    # 16 GB at 4 MB a second on 4 workers are 1,000 s, with 90 s of start: 5 DPUs (one for the driver) for 1,090 s.
    assert estimate("glue", 4, 16 * 10**9, where) == pytest.approx(5 * 1090 / 3600 * 0.44)
    hours = 5 * 1090 / 3600
    assert estimate("emr_serverless", 4, 16 * 10**9, where) == pytest.approx(hours * (4 * 0.052624 + 16 * 0.0057785))
    # At most a quarter of an hour at 10 GB.
    assert estimate("awslambda", 1, 10**12, where) == pytest.approx(900 * 10 * 0.0000166667 + 0.0000002)
    assert estimate("emr", 10, 10**12, where) == 0

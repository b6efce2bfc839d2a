"""The promise of a contract as Dagster's freshness policy, judged by Dagster's own evaluator on an instance's events."""

from __future__ import annotations

import asyncio
from copy import copy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.freshness_evaluator import CronFreshnessPolicyEvaluator

from retail_lake.config import Settings
from retail_lake.contract import Column, Layer, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.orchestration import build_definitions
from retail_lake.orchestration.freshness import freshness_policy
from retail_lake_tests.orchestration.fakes import TABLES

GOES_ON = date(2100, 1, 1)


def promised(hours: float, name: str = "gold.fact") -> Table:
    table = copy(TABLES[name])
    object.__setattr__(table, "fresh_within", timedelta(hours=hours))
    return table


def test_by_breakfast_is_a_deadline_in_the_stores_time(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, last_day=GOES_ON)
    policy = freshness_policy(settings, promised(9.5))
    assert policy == dg.FreshnessPolicy.cron("30 9 * * *", timedelta(hours=9, minutes=30), "America/New_York")
    assert freshness_policy(settings, promised(30)) == dg.FreshnessPolicy.time_window(timedelta(hours=54), timedelta(hours=30))


def test_no_promise_has_no_policy_nor_has_a_lake_that_has_ended(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, last_day=GOES_ON)
    assert freshness_policy(settings, TABLES["gold.fact"]) is None
    assert freshness_policy(settings, promised(9, "gold.dim_person")) is None
    assert freshness_policy(Settings(home=tmp_path), promised(9)) is None


def test_the_lake_and_the_warehouse_carry_it(tmp_path: Path) -> None:
    definitions = build_definitions(settings=Settings(home=tmp_path, last_day=GOES_ON))
    carrying = {".".join(s.key.path) for s in definitions.resolve_all_asset_specs() if s.freshness_policy}
    assert {"gold.fact_sales", "warehouse.fact_sales"} <= carrying
    assert not any(name.startswith(("bronze.", "landing.")) for name in carrying)


@pytest.mark.parametrize(("hours", "allowed"), [(0.01, False), (9, True), (24 * 31, False)])
def test_a_promise_nobody_can_mean_is_refused(hours: float, allowed: bool) -> None:
    def make() -> Table:
        columns = (Column("id", "bigint", "Key."),)
        return Table("t", Layer.GOLD, "T.", "id", columns, ("id",), sql="SELECT 1 AS id", fresh_within=timedelta(hours=hours))

    if allowed:
        make()
    else:
        with pytest.raises(ConfigurationFailure, match="fresh_within"):
            make()


def test_dagster_finds_a_day_late_that_was_not_built_since_its_end(tmp_path: Path) -> None:
    """The day ends at midnight in New York, five in the morning UTC in winter; it is to be there at nine, 14:00 UTC."""
    policy: Any = freshness_policy(Settings(home=tmp_path, last_day=GOES_ON), promised(9))
    asset = dg.AssetSpec("fact", freshness_policy=policy)

    def state(built: datetime, now: datetime) -> str:
        record = SimpleNamespace(asset_entry=SimpleNamespace(last_materialization=SimpleNamespace(timestamp=built.timestamp())))

        async def gen(*_: Any) -> Any:
            return record

        node: Any = SimpleNamespace(key=asset.key, freshness_policy_or_from_metadata=policy)
        with (
            patch("dagster._core.definitions.freshness_evaluator.AssetRecord.gen", gen),
            patch(
                "dagster._core.definitions.freshness_evaluator.get_current_datetime", lambda zone: now.astimezone(ZoneInfo(zone))
            ),
        ):
            return str(asyncio.run(CronFreshnessPolicyEvaluator().evaluate_freshness(None, node)).value)  # type: ignore[arg-type]

    evening, morning = datetime(2026, 1, 15, 2, tzinfo=UTC), datetime(2026, 1, 15, 8, tzinfo=UTC)
    assert state(morning, datetime(2026, 1, 15, 15, tzinfo=UTC)) == "PASS"
    assert state(evening, datetime(2026, 1, 15, 13, 59, tzinfo=UTC)) == "PASS"
    assert state(evening, datetime(2026, 1, 15, 14, 1, tzinfo=UTC)) == "FAIL"
    assert state(datetime(2026, 1, 15, 16, tzinfo=UTC), datetime(2026, 1, 15, 17, tzinfo=UTC)) == "PASS", "late, but there"

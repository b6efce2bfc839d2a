"""What Dagster's runs are taken to have under way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from retail_lake.config import Settings
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.in_flight import in_flight
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.run import RANGE_END, RANGE_START
from retail_lake_tests.orchestration.fakes import INPUTS, TABLES, FakeFlow, fake_definitions, fake_settings

DAYS = {date(2017, 1, 2), date(2017, 1, 3)}
RANGE = {RANGE_START: str(min(DAYS)), RANGE_END: str(max(DAYS))}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return fake_settings(tmp_path)


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as instance:
        yield instance


def started(settings: Settings, instance: dg.DagsterInstance, job: str, **more: Any) -> dict[str, Any]:
    """What is under way once a run of that job goes on."""
    it = fake_definitions(settings, FakeFlow()).get_repository_def().get_job(job)
    instance.create_run_for_job(it, status=dg.DagsterRunStatus.STARTED, **more)
    return in_flight(instance, Graph.of(settings, TABLES, INPUTS))


def test_a_run_of_some_tables(settings: Settings, instance: dg.DagsterInstance) -> None:
    chosen = frozenset({dg.AssetKey(["silver", "lines"]), dg.AssetKey(["gold", "dim_person"])})
    assert started(settings, instance, "__ASSET_JOB", asset_selection=chosen, tags=RANGE) == {
        "silver.lines": DAYS,
        "gold.dim_person": {None},
    }


def test_a_run_that_selects_no_table_is_of_all(settings: Settings, instance: dg.DagsterInstance) -> None:
    assert started(settings, instance, "build_days", tags=RANGE) == {
        **dict.fromkeys(TABLES, DAYS),
        "gold.dim_person": {None},
        "warehouse.dim_person": {None},
        "warehouse.fact": DAYS,
        "warehouse.mart": DAYS,
    }


@pytest.mark.parametrize("job", ["maintenance", "health_report"])
def test_a_job_that_builds_no_table_holds_none_up(settings: Settings, instance: dg.DagsterInstance, job: str) -> None:
    assert started(settings, instance, job) == {}

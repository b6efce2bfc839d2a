"""The job `maintenance` as it runs every night, and what Dagster's history keeps of old runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from retail_lake.config import Settings
from retail_lake.lake import publish as publish_module
from retail_lake.lake.lake import Lake
from retail_lake.orchestration import maintenance as module
from retail_lake.orchestration.event_retention import forget_events
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.maintenance import maintenance, maintenance_schedule
from retail_lake.orchestration.resources import resource
from retail_lake_tests.lake.staged import DAYS, SHELF, TABLES, items, staged, visible
from retail_lake_tests.lake.test_upkeep import age, files, in_pieces


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The embedded default's own."""
    for name in ("DAGSTER_HOME", "RETAIL_LAKE_HOME", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr(publish_module, "TABLES", TABLES)
    with open_instance(Settings(home=tmp_path)) as opened:
        yield opened


def run(lake: Lake, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The job over the tables of `staged`."""
    graph = Graph(lake.settings, {SHELF.full_name: SHELF}, {SHELF.full_name: ()})
    job = maintenance(graph)
    return job.execute_in_process(instance=instance, resources={"lake": resource(lambda: lake)}, raise_on_error=False)


def test_it_runs_every_night_looks_after_the_tables_and_says_what_it_did(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    lake = Lake(Settings(home=tmp_path, first_day=DAYS[0], last_day=DAYS[-1]))
    graph = Graph(lake.settings, {}, {})
    schedule = maintenance_schedule(graph)
    assert (
        schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        and schedule.job_name == maintenance(graph).name == module.NAME
    )
    assert schedule.execution_timezone == "America/New_York"
    in_pieces(lake, SHELF, DAYS[0], *range(9))
    staged(lake, SHELF, {DAYS[1]: items(DAYS[1], 1)})
    age(tmp_path / "lake", 3)
    result = run(lake, instance)
    assert result.success
    told = _metadata(result)
    assert (told["compacted_days"].value, told["compacted_files"].value, told["orphans"].value) == (1, 9, 1)
    assert f"| {SHELF.full_name} | 1 | 9 |" in str(told["tables"].value)
    assert visible(lake, SHELF) == {DAYS[0]: [*range(9)]} and files(lake, SHELF) == {DAYS[0]: 1}
    assert "nothing to do" in str(_metadata(run(lake, instance))["tables"].value)


def test_a_table_in_doubt_fails_the_run_with_what_to_do(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    lake = Lake(Settings(home=tmp_path, first_day=DAYS[0], last_day=DAYS[-1]))
    in_pieces(lake, SHELF, DAYS[0], 1)
    lake.catalog.drop_table(SHELF.full_name)
    result = run(lake, instance)
    record = instance.get_run_by_id(result.run_id)
    assert not result.success and record and record.tags["retail-lake/failure"] == "configuration"
    failure = next(e for e in result.all_events if e.is_step_failure).step_failure_data
    assert failure.user_failure_data and "runbook catalog-lost" in str(failure.user_failure_data.description)


def test_old_runs_keep_their_results_and_forget_the_rest(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["one"]), check_specs=[dg.AssetCheckSpec("sound", asset="table")])
    def table(context):  # type: ignore[no-untyped-def]
        context.log.info("chatter")
        yield dg.AssetCheckResult(passed=True)
        yield dg.MaterializeResult(metadata={"rows": 3})

    result = dg.materialize([table], instance=instance, partition_key="one")

    def kinds() -> set[str]:
        records = instance.get_records_for_run(result.run_id).records
        return {str(r.event_log_entry.dagster_event_type) for r in records}

    before, now = kinds(), datetime.now(UTC)
    assert forget_events(instance, 90, now) == 0 and forget_events(instance, 0, now + timedelta(days=900)) == 0
    assert kinds() == before
    assert forget_events(instance, 90, now + timedelta(days=91)) > 5
    after = kinds()
    results = {"ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION", "RUN_SUCCESS", "RUN_START"}
    assert {f"DagsterEventType.{name}" for name in results} <= after < before
    key = dg.AssetKey("table")
    assert instance.get_materialized_partitions(key) == {"one"}
    latest = instance.get_latest_materialization_event(key)
    assert latest and latest.asset_materialization and latest.asset_materialization.metadata["rows"].value == 3
    assert instance.get_run_by_id(result.run_id) is not None


def _metadata(result: dg.ExecuteInProcessResult) -> Any:
    (output,) = [e for e in result.all_events if e.is_successful_output]
    return output.step_output_data.metadata

"""The health report as an asset: made by its schedule, in numbers that plot, and in no run of the tables."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg

from retail_lake.config import Settings
from retail_lake.lake.lake import Lake
from retail_lake.orchestration.health import REPORT
from retail_lake.orchestration.run import materialize_range
from retail_lake_tests.orchestration.fakes import FakeFlow, fake_definitions

DAY = date(2017, 1, 1)


def test_every_morning_the_report_is_made(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, first_day=DAY, last_day=DAY)
    definitions = fake_definitions(settings, FakeFlow(), lake=Lake(settings))
    (schedule,) = [s for s in definitions.schedules or () if isinstance(s, dg.ScheduleDefinition) and s.name == "health_report"]
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    with dg.build_schedule_context(scheduled_execution_time=datetime(2026, 3, 1, 12, tzinfo=UTC)) as context:
        (asked,) = schedule.evaluate_tick(context).run_requests or ()
    result = definitions.resolve_job_def(schedule.job_name).execute_in_process(tags=asked.tags)
    (made,) = result.asset_materializations_for_node("ops__health")
    report = made.metadata[REPORT]
    assert isinstance(report, dg.MarkdownMetadataValue)
    assert "](data:image/svg+xml;base64," in report.md_str
    assert made.metadata["days_missing"] == dg.FloatMetadataValue(7.0), "numbers, so that the UI plots them"


def test_a_run_of_all_tables_leaves_it_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, first_day=DAY, last_day=DAY)
    definitions = fake_definitions(settings, FakeFlow())
    summary = materialize_range(None, DAY, DAY, settings=settings, definitions=definitions, progress=lambda _: None)
    assert summary.success
    assert {result.name.split(".")[0] for result in summary.results} == {"bronze", "silver", "gold", "warehouse"}

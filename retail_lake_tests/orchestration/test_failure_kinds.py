"""What a run says of its failure: one of four kinds, as a tag on the run, before the run is over."""

from __future__ import annotations

import errno
import sqlite3
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from retail_lake.failure import ConfigurationFailure, DataFailure, TransientFailure
from retail_lake.orchestration import flow as flow_module
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.run import RANGE_END, RANGE_START, materialize_range
from retail_lake_tests.orchestration.fakes import TABLES, FakeFlow, fake_definitions, fake_settings

DAY = date(2017, 1, 3)
TABULAR = [dg.AssetKey(name.split(".")) for name in TABLES]
TAGS = ("retail-lake/failure", "retail-lake/again")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second attempt at once."""
    monkeypatch.setattr(flow_module, "PAUSE", 0.0)


def failed(home: Path, flow: FakeFlow) -> tuple[dg.DagsterRun, str, list[str]]:
    """The run that comes of it, what its failure says, and the stack trace kept."""
    settings = fake_settings(home)
    with open_instance(settings) as instance:
        job = fake_definitions(settings, flow).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance, asset_selection=TABULAR, tags={RANGE_START: str(DAY), RANGE_END: str(DAY)}, raise_on_error=False
        )
        run = instance.get_run_by_id(result.run_id)
        assert run is not None and run.status is dg.DagsterRunStatus.FAILURE
        (record,) = instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.STEP_FAILURE))
    error = record.event_log_entry.get_dagster_event().step_failure_data.error
    assert error is not None
    return run, error.to_string(), [*error.stack, *(error.cause.stack if error.cause else ())]


@pytest.mark.parametrize(
    ("raised", "kind", "again"),
    [
        (TransientFailure("throttled"), "transient", True),
        (DataFailure("not a file of people"), "data", False),
        (ConfigurationFailure("RETAIL_LAKE_X is wrong"), "configuration", False),
        (OSError(errno.ENOSPC, "No space left on device"), "transient", True),
        (RuntimeError("IO Error: Could not write file: No space left on device"), "transient", True),
        (ConnectionResetError("reset by peer"), "transient", True),
        (sqlite3.OperationalError("database is locked"), "transient", True),
        (FileNotFoundError(errno.ENOENT, "no such file"), "bug", False),
    ],
)
def test_what_a_table_raised_is_the_runs_kind(tmp_path: Path, raised: Exception, kind: str, again: bool) -> None:
    run, said, stack = failed(tmp_path, FakeFlow(raises={"silver.people": raised}))
    assert run.tags.get("retail-lake/failure") == kind
    assert ("retail-lake/again" in run.tags) == again
    assert str(raised) in said
    assert bool(stack) == (kind == "bug"), "the stack trace is kept of a bug, and of nothing else"


def test_a_bug_says_where_it_is(tmp_path: Path) -> None:
    run, said, stack = failed(tmp_path, FakeFlow(raises={"silver.people": KeyError("missing")}))
    assert run.tags["retail-lake/failure"] == "bug"
    assert any("fakes.py" in line and "materialize" in line for line in stack), said


def test_a_blocked_day_is_data_and_what_follows_it_adds_nothing(tmp_path: Path) -> None:
    run, said, _ = failed(tmp_path, FakeFlow(blocked={("silver.lines", DAY)}))
    assert run.tags["retail-lake/failure"] == "data"
    assert "retail-lake/again" not in run.tags
    assert "silver.lines 2017-01-03: blocked" in said


def test_a_transient_failure_beside_a_blocked_day_is_worth_another_try(tmp_path: Path) -> None:
    flow = FakeFlow(blocked={("silver.lines", DAY)}, raises={"silver.people": TransientFailure("throttled")})
    run, _, _ = failed(tmp_path, flow)
    assert run.tags["retail-lake/failure"] == "data"
    assert run.tags["retail-lake/again"] == "true"


def test_a_run_that_succeeds_has_no_kind(tmp_path: Path) -> None:
    settings = fake_settings(tmp_path)
    definitions = fake_definitions(settings, FakeFlow())
    summary = materialize_range(None, DAY, DAY, settings=settings, definitions=definitions, progress=lambda _: None)
    assert summary.success and summary.failure == ""
    with open_instance(settings) as instance:
        run = instance.get_run_by_id(summary.run_id)
    assert run is not None and not set(TAGS) & set(run.tags)


def test_the_summary_says_the_kind(tmp_path: Path) -> None:
    settings = fake_settings(tmp_path)
    definitions = fake_definitions(settings, FakeFlow(blocked={("silver.lines", DAY)}))
    summary = materialize_range(None, DAY, DAY, settings=settings, definitions=definitions, progress=lambda _: None)
    assert summary.failure == "data"
    wrong = fake_definitions(settings, FakeFlow(raises={"bronze.lines": ConfigurationFailure("RETAIL_LAKE_X is wrong")}))
    with pytest.raises(ConfigurationFailure, match="RETAIL_LAKE_X"):
        materialize_range(None, DAY, DAY, settings=settings, definitions=wrong, progress=lambda _: None)

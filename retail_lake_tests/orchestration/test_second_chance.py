"""Runs that failed for a transient reason are asked for again: the same of them, after growing pauses, three times, no others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from retail_lake.config import Settings
from retail_lake.failure import ConfigurationFailure, DataFailure, TransientFailure
from retail_lake.orchestration import flow as flow_module
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.maintenance import maintenance
from retail_lake.orchestration.resources import resource
from retail_lake.orchestration.run import RANGE_END, RANGE_START, materialize_range
from retail_lake.orchestration.second_chance import second_chance
from retail_lake_tests.orchestration.fakes import INPUTS, TABLES, FakeFlow, fake_definitions, fake_settings

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 3)
DAYS = {RANGE_START: str(FIRST), RANGE_END: str(LAST)}
PEOPLE = [dg.AssetKey(["silver", "people"]), dg.AssetKey(["gold", "dim_person"])]
THROTTLED = TransientFailure("throttled")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts inside a run follow each other at once."""
    monkeypatch.setattr(flow_module, "PAUSE", 0.0)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return fake_settings(tmp_path)


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as instance:
        yield instance


def run(settings: Settings, instance: dg.DagsterInstance, raises: dict[str, Exception], **more: Any) -> str:
    """A run as the daemon would have it: its id."""
    job = fake_definitions(settings, FakeFlow(raises=raises)).resolve_implicit_global_asset_job_def()
    asked = {"asset_selection": PEOPLE, "tags": DAYS, **more}
    return str(job.execute_in_process(instance=instance, raise_on_error=False, **asked).run_id)


def asked_for(
    settings: Settings, instance: dg.DagsterInstance, *, after: timedelta, since: datetime | None = None
) -> list[dg.RunRequest]:
    """What the sensor asks for, so long from now on."""
    definitions = fake_definitions(settings, FakeFlow())
    now = (since or datetime.now(UTC)) + after
    context = dg.build_sensor_context(instance=instance, repository_def=definitions.get_repository_def())
    return list(second_chance(lambda: now).evaluate_tick(context).run_requests or ())


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def test_the_same_is_asked_for_after_a_pause(settings: Settings, instance: dg.DagsterInstance) -> None:
    config = {"ops": {"build": {"config": {"engine": "", "force": True}}}}
    failed = run(settings, instance, {"silver.people": THROTTLED}, run_config=config)
    assert asked_for(settings, instance, after=minutes(4)) == []
    (request,) = asked_for(settings, instance, after=minutes(6))
    assert set(request.asset_selection or ()) == set(PEOPLE)
    assert request.run_config == config
    assert request.run_key == failed
    assert {name: request.tags[name] for name in DAYS} == DAYS
    assert "retail-lake/failure" not in request.tags and "retail-lake/again" not in request.tags


def test_three_chances_with_pauses_that_grow_and_none_twice(settings: Settings, instance: dg.DagsterInstance) -> None:
    run(settings, instance, {"silver.people": THROTTLED})
    pauses = []
    for _ in range(3):
        pause = next(m for m in (6, 21, 81) if asked_for(settings, instance, after=minutes(m)))
        pauses.append(pause)
        (request,) = asked_for(settings, instance, after=minutes(pause))
        run(settings, instance, {"silver.people": THROTTLED}, tags=dict(request.tags))
    assert pauses == [6, 21, 81]
    assert asked_for(settings, instance, after=timedelta(hours=12)) == [], "the fourth failure is the last"
    assert len(instance.get_runs()) == 4


def test_a_chance_that_succeeds_is_the_end_of_it(settings: Settings, instance: dg.DagsterInstance) -> None:
    run(settings, instance, {"silver.people": THROTTLED})
    (request,) = asked_for(settings, instance, after=minutes(6))
    run(settings, instance, {}, tags=dict(request.tags))
    assert asked_for(settings, instance, after=timedelta(hours=5)) == []


WILL_FAIL_AGAIN = {"data": DataFailure("not a file"), "configuration": ConfigurationFailure("no role"), "bug": KeyError("a bug")}


@pytest.mark.parametrize("error", WILL_FAIL_AGAIN.values(), ids=WILL_FAIL_AGAIN)
def test_what_would_fail_again_is_not_asked_for(settings: Settings, instance: dg.DagsterInstance, error: Exception) -> None:
    run(settings, instance, {"silver.people": error})
    assert asked_for(settings, instance, after=timedelta(hours=5)) == []


def test_what_somebody_asked_for_since_counts_instead(settings: Settings, instance: dg.DagsterInstance) -> None:
    run(settings, instance, {"silver.people": THROTTLED})
    run(settings, instance, {}, asset_selection=[dg.AssetKey(name.split(".")) for name in TABLES])
    assert asked_for(settings, instance, after=timedelta(hours=5)) == []


def test_other_days_or_fewer_tables_do_not_count(settings: Settings, instance: dg.DagsterInstance) -> None:
    run(settings, instance, {"silver.people": THROTTLED})
    run(settings, instance, {}, tags={**DAYS, RANGE_END: "2017-01-02"})
    run(settings, instance, {}, asset_selection=PEOPLE[:1])
    assert len(asked_for(settings, instance, after=timedelta(hours=5))) == 1


def maintain(settings: Settings, instance: dg.DagsterInstance) -> str:
    """The nightly job, while the lake is away: the id of its run."""

    def away() -> Any:
        raise THROTTLED

    job = maintenance(Graph(settings, TABLES, INPUTS))
    return str(job.execute_in_process(instance=instance, resources={"lake": resource(away)}, raise_on_error=False).run_id)


def test_maintenance_is_left_to_its_next_night(settings: Settings, instance: dg.DagsterInstance) -> None:
    failed = instance.get_run_by_id(maintain(settings, instance))
    assert failed is not None and failed.tags["retail-lake/again"] == "true"
    assert asked_for(settings, instance, after=timedelta(hours=5)) == []


def test_maintenance_is_no_run_of_all_tables(settings: Settings, instance: dg.DagsterInstance) -> None:
    run(settings, instance, {"gold.dim_person": THROTTLED}, asset_selection=PEOPLE[1:], tags={})
    maintain(settings, instance)
    (request,) = asked_for(settings, instance, after=minutes(6))
    assert request.asset_selection == PEOPLE[1:]


def test_old_failures_and_those_of_the_command_line_are_left_to_people(settings: Settings, instance: dg.DagsterInstance) -> None:
    run(settings, instance, {"silver.people": THROTTLED})
    assert asked_for(settings, instance, after=timedelta(days=2)) == []
    definitions = fake_definitions(settings, FakeFlow(raises={"silver.lines": THROTTLED}))
    summary = materialize_range(
        ["silver.lines"], FIRST, LAST, settings=settings, definitions=definitions, progress=lambda _: None
    )
    assert summary.failure == "transient"
    assert [r.run_key for r in asked_for(settings, instance, after=minutes(6))] != [summary.run_id]
    assert len(asked_for(settings, instance, after=minutes(6))) == 1

"""The reaper's sensor over a real instance and real launch records: jobs of dead runs are stopped, no others."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from retail_lake.config import REMOTE, Settings
from retail_lake.engines import launches
from retail_lake.engines.control import State
from retail_lake.orchestration.alive import PROCESS_TAG, process_tag
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.reaper import reaper
from retail_lake.orchestration.resources import resource
from retail_lake_tests.orchestration.fakes import FakeControl, FakeRemote, on_glue

NOBODY = f"{socket.gethostname()}:{2**22 + 1}"
"""A process id above what systems give."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # Launch records on a local path: what is tested is who counts as dead.
    here = on_glue(tmp_path).model_copy(update={"artifacts_uri": str(tmp_path / "artifacts"), "poll_seconds": 0.01})
    (tmp_path / "artifacts" / "launches").mkdir(parents=True)
    return here


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as instance:
        yield instance


@pytest.fixture
def new_run(instance: dg.DagsterInstance) -> Callable[..., str]:
    def make(status: dg.DagsterRunStatus, **tags: str) -> str:
        return instance.create_run_for_job(dg.GraphDefinition("nothing").to_job(), status=status, tags=tags).run_id

    return make


def tick(settings: Settings, instance: dg.DagsterInstance, control: FakeControl) -> str:
    engine = FakeRemote(settings.home, control=control)
    resources = {name: resource(lambda: engine) for name in REMOTE}
    found = reaper(settings).evaluate_tick(dg.build_sensor_context(instance=instance, resources=resources))
    assert found.run_requests == []
    return str(found.skip_message)


def launched(settings: Settings, control: FakeControl, token: str, run_id: str, ago: timedelta = timedelta()) -> str:
    remote_id = f"job-{token}"
    control.states[remote_id] = State.RUNNING
    launches.opened(
        settings,
        launches.Opened(
            token=token,
            engine="glue",
            run_id=run_id,
            table="silver.sales",
            days=(date(2017, 1, 1), date(2017, 1, 3)),
            submitted_at=datetime.now(UTC) - ago,
            remote_id=remote_id,
        ),
    )
    return remote_id


def test_jobs_of_runs_that_are_over_are_stopped_and_no_others(
    settings: Settings, instance: dg.DagsterInstance, new_run: Callable[..., str]
) -> None:
    status, control = dg.DagsterRunStatus, FakeControl()
    dead = {"failed": new_run(status.FAILURE), "killed": new_run(status.STARTED, **{PROCESS_TAG: NOBODY})}
    alive = {
        "started": new_run(status.STARTED),
        "ours": new_run(status.STARTED, **process_tag()),
        "elsewhere": new_run(status.STARTED, **{PROCESS_TAG: "another-host:1"}),
        "starting": new_run(status.STARTING),
        "not-of-this-instance": "11111111-2222-3333-4444-555555555555",
    }
    jobs = {name: launched(settings, control, name, run_id) for name, run_id in {**dead, **alive}.items()}
    said = tick(settings, instance, control)
    assert sorted(control.cancelled) == sorted(jobs[name] for name in dead)
    for name, run_id in dead.items():
        assert f"silver.sales 2017-01-01 to 2017-01-03 of run {run_id}: job {jobs[name]} on glue stopped" in said
    assert {launch.token for launch in launches.open(settings)} == set(alive)
    # The killed run had not ended for Dagster: now it has.
    killed = instance.get_run_by_id(dead["killed"])
    assert killed is not None and killed.status is status.FAILURE
    for run_id in [r for name, r in alive.items() if name != "not-of-this-instance"]:
        assert not instance.get_run_by_id(run_id).is_finished  # type: ignore[union-attr]

    assert tick(settings, instance, control) == "No remote job is left of a run that is over."
    assert len(control.cancelled) == 2


def test_the_job_of_a_run_that_was_deleted_is_stopped_when_it_has_had_its_time(
    settings: Settings, instance: dg.DagsterInstance, new_run: Callable[..., str]
) -> None:
    control, deleted = FakeControl(), new_run(dg.DagsterRunStatus.STARTED)
    instance.delete_run(deleted)
    limit = timedelta(seconds=settings.job_timeout)
    launched(settings, control, "young", deleted, limit - timedelta(minutes=1))
    old = launched(settings, control, "old", deleted, limit + timedelta(hours=1))
    assert f"of run {deleted}: job {old} on glue stopped" in tick(settings, instance, control)
    assert control.cancelled == [old]


def test_a_service_that_does_not_answer_is_told_of_and_asked_again(
    settings: Settings, instance: dg.DagsterInstance, new_run: Callable[..., str]
) -> None:
    control = FakeControl()
    job = launched(settings, control, "failed", new_run(dg.DagsterRunStatus.FAILURE))
    state = control.states.pop(job)
    assert "could not be reaped" in tick(settings, instance, control)
    control.states[job] = state
    assert "stopped" in tick(settings, instance, control)
    assert control.cancelled == [job]


def test_where_no_job_is_remote_a_killed_run_is_still_said_to_have_failed(
    settings: Settings, instance: dg.DagsterInstance, new_run: Callable[..., str]
) -> None:
    killed = new_run(dg.DagsterRunStatus.STARTED, **{PROCESS_TAG: NOBODY})
    tick(Settings(home=settings.home), instance, FakeControl())
    run = instance.get_run_by_id(killed)
    assert run is not None and run.status is dg.DagsterRunStatus.FAILURE

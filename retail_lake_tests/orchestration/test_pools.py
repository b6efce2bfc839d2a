"""Pools across runs: a warehouse table is loaded by one run at a time, an engine keeps to a limit, the dead give way."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from retail_lake.config import Settings
from retail_lake.engines.base import Stopped
from retail_lake.failure import TransientFailure
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.pools import Pools
from retail_lake.orchestration.run import RANGE_END, RANGE_START
from retail_lake_tests.orchestration.fakes import FakeFlow, FakeRemote, fake_definitions, fake_settings, on_glue

DAY = "2017-01-01"
LOADED = [["warehouse", "fact"], ["warehouse", "mart"], ["warehouse", "dim_person"]]
REDSHIFT = {
    "warehouse": "redshift",
    "redshift_workgroup": "w",
    "lake_uri": "s3://b/lake",
    "artifacts_uri": "s3://b/artifacts",
}
RUN = """
import sys
from pathlib import Path
from retail_lake.orchestration.instance import open_instance
from retail_lake_tests.orchestration.fakes import FakeFlow, fake_settings
from retail_lake_tests.orchestration.test_pools import LOADED, REDSHIFT, job_of, run

home = Path(sys.argv[1])
settings = fake_settings(home, jobs_at_once=3, **REDSHIFT)
job = job_of(settings, FakeFlow(load_seconds=1.0, loads=home / "loads"))
with open_instance(settings) as instance:
    assert run(instance, job, LOADED)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(fake_settings(tmp_path)) as instance:
        yield instance


def run(instance: dg.DagsterInstance, job: dg.JobDefinition, keys: list[list[str]]) -> bool:
    result = job.execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey(k) for k in keys], tags={RANGE_START: DAY, RANGE_END: DAY}
    )
    return bool(result.success)


def job_of(settings: Settings, flow: FakeFlow, **resources: Any) -> dg.JobDefinition:
    job: dg.JobDefinition = fake_definitions(settings, flow, **resources).resolve_implicit_global_asset_job_def()
    return job


def under_way(steps: list[str]) -> list[list[str]]:
    """What was under way after each step."""
    now: list[str] = []
    found = []
    for step in steps:
        what, table = step.split()
        now = [*now, table] if what == "begin" else [t for i, t in enumerate(now) if i != now.index(table)]
        found.append(now)
    return found


def test_two_runs_do_not_load_the_same_table_at_once(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    runs = [subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(2)]
    for each in runs:
        _, errors = each.communicate(timeout=60)
        assert each.returncode == 0, errors.decode()
    steps = (tmp_path / "loads").read_text().splitlines()
    tables = ("dim_person", "fact", "mart")
    assert Counter(steps) == {f"{what} {table}": 2 for what in ("begin", "end") for table in tables}
    together = under_way(steps)
    assert all(len(set(now)) == len(now) for now in together), steps
    # Only the same table waits: others are loaded meanwhile.
    assert max(len(now) for now in together) > 1, steps
    storage = instance.event_log_storage
    assert {limit.name: limit.limit for limit in storage.get_pool_limits()} == {f"warehouse/{table}": 1 for table in tables}
    assert not [s for table in tables for s in storage.get_concurrency_info(f"warehouse/{table}").claimed_slots]


def test_a_warehouse_keeps_to_the_limit_of_the_settings(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    settings = fake_settings(tmp_path, jobs_at_once=3, warehouse_limit=1, **REDSHIFT)
    assert run(instance, job_of(settings, FakeFlow(load_seconds=0.1, loads=tmp_path / "loads")), LOADED)
    steps = (tmp_path / "loads").read_text().splitlines()
    assert len(steps) == 6 and max(len(now) for now in under_way(steps)) == 1
    storage = instance.event_log_storage
    assert ("warehouse", 1) in {(pool.name, pool.limit) for pool in storage.get_pool_limits()}
    assert not storage.get_concurrency_info("warehouse").claimed_slots


def test_the_embedded_warehouse_has_one_load_at_a_time(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    settings = fake_settings(tmp_path, jobs_at_once=3)
    flow = FakeFlow(load_seconds=0.1, loads=tmp_path / "loads")
    assert run(instance, job_of(settings, flow), LOADED)
    steps = (tmp_path / "loads").read_text().splitlines()
    assert len(steps) == 6 and max(len(now) for now in under_way(steps)) == 1
    assert instance.event_log_storage.get_pool_limits() == []


def test_an_engine_keeps_to_the_limit_that_somebody_gave_its_pool(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    settings = on_glue(tmp_path)
    keys = [["bronze", "lines"], ["bronze", "people"]]
    free = FakeRemote(tmp_path, seconds=0.3)
    assert run(instance, job_of(settings, FakeFlow(runs_jobs=True), glue=free), keys)
    assert max(free.most) == 2
    instance.event_log_storage.set_concurrency_slots("engine/glue", 1)
    limited = FakeRemote(tmp_path, seconds=0.3)
    assert run(instance, job_of(settings, FakeFlow(runs_jobs=True), glue=limited), keys)
    assert limited.most == [1, 1]


@pytest.mark.parametrize("engine", ["glue", "local"])
def test_an_engine_keeps_to_the_limit_of_the_settings_whatever_was_said_before(
    instance: dg.DagsterInstance, tmp_path: Path, engine: str
) -> None:
    instance.event_log_storage.set_concurrency_slots(f"engine/{engine}", 7)
    settings = on_glue(tmp_path, engine_limits={engine: 1}).model_copy(update={"engine_ingest": engine, "engine_small": engine})
    limited = FakeRemote(tmp_path, seconds=0.3, name=engine)
    keys = [["bronze", "lines"], ["bronze", "people"]]
    assert run(instance, job_of(settings, FakeFlow(runs_jobs=True), **{engine: limited}), keys)
    assert limited.most == [1, 1]
    assert {p.name: p.limit for p in instance.event_log_storage.get_pool_limits()} == {f"engine/{engine}": 1}


def pools(instance: dg.DagsterInstance, patience: float = 30, **tags: str) -> tuple[Pools, list[str]]:
    """The pools of a new run that has started."""
    run = instance.create_run_for_job(dg.GraphDefinition("nothing").to_job(), tags=tags, status=dg.DagsterRunStatus.STARTED)
    said: list[str] = []
    return Pools(instance, run, threading.Event(), said.append, patience), said


def test_who_waits_is_told_for_whom_and_in_the_end_gives_up(instance: dg.DagsterInstance) -> None:
    first, _ = pools(instance)
    second, said = pools(instance, patience=0.1)
    with (
        first.place("warehouse/t", "one", limit=1),
        pytest.raises(TransientFailure, match=first.run.run_id),
        second.place("warehouse/t", "two", limit=1),
    ):
        pass
    assert said and first.run.run_id in said[0]
    with second.place("warehouse/t", "two", limit=1):
        pass  # giving up left nothing behind


def test_who_waits_can_be_stopped(instance: dg.DagsterInstance) -> None:
    first, _ = pools(instance)
    second, _ = pools(instance)
    second.stop.set()
    with first.place("warehouse/t", "one", limit=1), pytest.raises(Stopped), second.place("warehouse/t", "two", limit=1):
        pass


@pytest.mark.parametrize("others", [0, 2])
def test_a_place_that_was_given_back_just_when_somebody_queued_is_taken(instance: dg.DagsterInstance, others: int) -> None:
    """Who finds no place queues for one; if one is given back in between, nobody hands it on, whoever holds the others."""
    storage = instance.event_log_storage
    storage.set_concurrency_slots("engine/glue", others + 1)
    holding, _ = pools(instance)
    for other in range(others):
        assert storage.claim_concurrency_slot("engine/glue", holding.run.run_id, f"theirs {other}").is_claimed
    waiting, _ = pools(instance, patience=20)
    storage.add_pending_step("engine/glue", waiting.run.run_id, "mine", should_assign=False)
    assert not storage.claim_concurrency_slot("engine/glue", waiting.run.run_id, "mine").is_claimed
    with waiting.place("engine/glue", "mine"):
        holders = [slot.run_id for slot in storage.get_concurrency_info("engine/glue").claimed_slots]
        assert Counter(holders) == Counter({holding.run.run_id: others, waiting.run.run_id: 1})


@pytest.mark.parametrize("how", ["ended", "killed", "waiting when killed"])
def test_a_run_that_is_over_gives_its_place_up(instance: dg.DagsterInstance, how: str) -> None:
    tags = {} if how == "ended" else {"retail-lake/process": f"{socket.gethostname()}:{2**22 + 1}"}
    dead, _ = pools(instance, **tags)
    storage = instance.event_log_storage
    storage.set_concurrency_slots("warehouse/t", 1)
    claim = storage.claim_concurrency_slot("warehouse/t", dead.run.run_id, "one")
    assert claim.is_claimed
    if how == "waiting when killed":
        # Its place was freed and given to another of its own, which never came to take it.
        storage.claim_concurrency_slot("warehouse/t", dead.run.run_id, "two")
        storage.free_concurrency_slot_for_step(dead.run.run_id, "one")
    if how == "ended":
        instance.report_run_failed(dead.run)
    alive, _ = pools(instance, patience=20)
    with alive.place("warehouse/t", "mine", limit=1):
        (holder,) = storage.get_concurrency_info("warehouse/t").claimed_slots
        assert holder.run_id == alive.run.run_id

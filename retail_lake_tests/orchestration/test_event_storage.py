"""The batched storage says the same as Dagster's own, holds several writing processes, and keeps all of a batch or none."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import AssetCheckKey, AssetKey, DagsterEventType
from dagster._core.storage.event_log.base import EventLogStorage

from retail_lake.orchestration import event_storage
from retail_lake.orchestration.event_storage import BatchedSqliteEventLogStorage
from retail_lake.orchestration.events import emit
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.run import RANGE_END, RANGE_START
from retail_lake_tests.orchestration.fakes import FakeFlow, fake_definitions, fake_settings

DAYS = (date(2017, 1, 1), date(2017, 1, 3))
BAD = date(2017, 1, 2)
WRITERS, BATCHES, PER_BATCH = 4, 5, 20
WRITE = """
import sys
from dagster import AssetKey, AssetMaterialization, DagsterEvent, DagsterEventType, EventLogEntry
from dagster._core.events import StepMaterializationData
from retail_lake.orchestration.event_storage import BatchedSqliteEventLogStorage

home, writer, batches, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
storage = BatchedSqliteEventLogStorage(home)
for batch in range(batches):
    storage.store_event_batch([
        EventLogEntry(
            error_info=None, user_message="", level=10, run_id=writer, timestamp=1.0 + i, step_key="s", job_name="j",
            dagster_event=DagsterEvent(
                DagsterEventType.ASSET_MATERIALIZATION.value, "j", step_key="s",
                event_specific_data=StepMaterializationData(
                    AssetMaterialization(AssetKey(["a", writer]), partition=f"{batch}-{i}")
                ),
            ),
        )
        for i in range(size)
    ])
storage.dispose()
"""


def _run(instance: dg.DagsterInstance, home: Path) -> str:
    definitions = fake_definitions(fake_settings(home), FakeFlow(blocked={("silver.lines", BAD)}))
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, tags={RANGE_START: DAYS[0].isoformat(), RANGE_END: DAYS[1].isoformat()}, raise_on_error=False
    )
    return str(result.run_id)


def _told(instance: dg.DagsterInstance, run_id: str, home: Path) -> dict[str, Any]:
    """What the API reads of a run and its assets, without ids and times."""
    storage: EventLogStorage = instance.event_log_storage
    definitions = fake_definitions(fake_settings(home), FakeFlow())
    keys = sorted(s.key for s in definitions.resolve_all_asset_specs())
    events = [e.get_dagster_event() for e in instance.all_logs(run_id) if e.is_dagster_event]
    said: dict[str, Any] = {
        "events": sorted((e.event_type_value, str(e.asset_key), str(e.partition)) for e in events),
        "order": [(str(e.asset_key), e.partition) for e in events if e.event_type is DagsterEventType.ASSET_MATERIALIZATION],
        "status": instance.get_run_by_id(run_id).status,  # type: ignore[union-attr]
        "steps": [(s.step_key, s.status, len(s.materialization_events)) for s in instance.get_run_step_stats(run_id)],
        "failed": instance.get_run_stats(run_id).steps_failed,
    }
    for record in storage.get_asset_records(keys):
        entry = record.asset_entry
        last = entry.last_materialization
        said[f"asset {entry.asset_key}"] = (last.asset_materialization.partition if last else None, entry.last_run_id == run_id)  # type: ignore[union-attr]
    for key in keys:
        said[f"days {key}"] = sorted(storage.get_materialized_partitions(key))
        said[f"attempts {key}"] = sorted(
            storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
        )
        said[f"latest {key}"] = [
            (r.partition_key, sorted(r.asset_materialization.metadata))  # type: ignore[union-attr]
            for r in instance.fetch_materializations(key, limit=2).records
        ]
        check = AssetCheckKey(key, "day")
        said[f"verdicts {key}"] = sorted(
            (str(i.partition_key), i.latest_execution_status) for i in storage.get_asset_check_partition_info([check])
        )
    rule = AssetCheckKey(AssetKey(["silver", "lines"]), "id__not_be_null")
    latest = storage.get_latest_asset_check_execution_by_key([rule])[rule]
    said["rule"] = (latest.status, latest.partition)
    return said


@contextmanager
def _stock(home: Path) -> Iterator[dg.DagsterInstance]:
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def test_the_api_reads_what_it_reads_from_dagsters_own_storage(tmp_path: Path) -> None:
    home, stock_home = tmp_path / "ours", tmp_path / "stock"
    stock_home.mkdir()
    with open_instance(fake_settings(home)) as instance:
        assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
        ours = _told(instance, _run(instance, home), home)
    with _stock(stock_home) as instance:
        theirs = _told(instance, _run(instance, stock_home), stock_home)
    assert ours == theirs


def test_no_check_is_left_planned(tmp_path: Path) -> None:
    """Dagster's own storage leaves one planned row per day for each of the rules, which have no days."""
    with open_instance(fake_settings(tmp_path)) as instance:
        _run(instance, tmp_path)
        with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
            counted = dict(
                connection.exec_driver_sql("SELECT execution_status, count(*) FROM asset_check_executions GROUP BY 1").all()
            )
    assert set(counted) == {"SUCCEEDED", "FAILED"}


def test_several_processes_write_at_once(tmp_path: Path) -> None:
    names = [f"writer-{i}" for i in range(WRITERS)]
    command = [sys.executable, "-c", WRITE, str(tmp_path)]
    # None has made the file yet: they all want to.
    running = [subprocess.Popen([*command, name, str(BATCHES), str(PER_BATCH)], stderr=subprocess.PIPE) for name in names]
    for process in running:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors.decode()
    storage = BatchedSqliteEventLogStorage(str(tmp_path))
    for name in names:
        assert len(storage.get_materialized_partitions(AssetKey(["a", name]))) == BATCHES * PER_BATCH
        assert len(storage.get_records_for_run(name).records) == BATCHES * PER_BATCH
    storage.dispose()


def test_a_batch_is_kept_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    with open_instance(fake_settings(tmp_path)) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, BatchedSqliteEventLogStorage)
        with pytest.raises(RuntimeError, match="killed"), storage.batch():
            instance.report_runless_asset_event(dg.AssetMaterialization(AssetKey("x"), partition="2017-01-01"))
            raise RuntimeError("killed")
        assert storage.get_materialized_partitions(AssetKey("x")) == set()
        assert not storage.has_asset_key(AssetKey("x"))
        instance.report_runless_asset_event(dg.AssetMaterialization(AssetKey("x"), partition="2017-01-01"))
        assert storage.get_materialized_partitions(AssetKey("x")) == {"2017-01-01"}


def test_a_thread_says_something_while_its_run_tells_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_storage, "BUSY_SECONDS", 2)
    said = 0

    def build(context: dg.AssetExecutionContext) -> None:
        told = threading.Event()

        def work() -> None:
            nonlocal said
            while not told.is_set():
                context.log.info("at work")
                said += 1

        with ThreadPoolExecutor(1) as threads:
            working = threads.submit(work)
            try:
                for batch in range(BATCHES):
                    emit(context, [dg.AssetMaterialization("x", partition=f"{batch}-{i}") for i in range(PER_BATCH)])
            finally:
                told.set()
            working.result()

    with open_instance(fake_settings(tmp_path)) as instance:
        run = dg.materialize([dg.asset(name="built")(lambda context: build(context))], instance=instance)
        assert len(instance.event_log_storage.get_materialized_partitions(AssetKey("x"))) == BATCHES * PER_BATCH
        heard = [entry for entry in instance.all_logs(run.run_id) if entry.user_message == "at work"]
    assert len(heard) == said > 0


def test_a_run_that_somebody_else_found_dead_is_stored_as_failed(tmp_path: Path) -> None:
    with open_instance(fake_settings(tmp_path)) as instance:
        run = instance.create_run_for_job(dg.GraphDefinition("nothing").to_job(), status=dg.DagsterRunStatus.STARTED)
        instance.report_run_failed(run, "its process is gone")
        assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE  # type: ignore[union-attr]
        assert "its process is gone" in [e.get_dagster_event().message for e in instance.all_logs(run.run_id)]

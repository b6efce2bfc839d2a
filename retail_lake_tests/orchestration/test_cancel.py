"""A run that is ended before its time: its remote jobs are stopped first, and Dagster is told that it was cancelled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from retail_lake.engines.base import Stopped
from retail_lake.orchestration.alive import process_is_gone
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.workers import Workers
from retail_lake_tests.orchestration.fakes import TABLES, fake_settings

RUN = """
import sys
from datetime import date
from pathlib import Path
from retail_lake.orchestration.run import materialize_range
from retail_lake_tests.orchestration.fakes import FakeFlow, FakeRemote, fake_definitions, on_glue

home = Path(sys.argv[1])
settings = on_glue(home)
definitions = fake_definitions(settings, FakeFlow(runs_jobs=True), glue=FakeRemote(home / "marks"))
materialize_range(None, date(2017, 1, 1), date(2017, 1, 2), settings=settings, definitions=definitions)
"""
BOTH = ("bronze.lines", "bronze.people")


def begun(home: Path) -> subprocess.Popen[bytes]:
    """A run in a process of its own, with the two tables that need nothing under way."""
    marks = home / "marks"
    marks.mkdir()
    process = subprocess.Popen([sys.executable, "-c", RUN, str(home)], stderr=subprocess.PIPE, env=os.environ)
    until = time.monotonic() + 60
    while not all((marks / f"{name}.started").exists() for name in BOTH):
        assert process.poll() is None and time.monotonic() < until, process.stderr and process.stderr.read().decode()
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("asked", [True, False], ids=["cancelled in Dagster", "terminated by the system"])
def test_a_run_that_is_ended_stops_its_jobs_first(tmp_path: Path, asked: bool) -> None:
    process = begun(tmp_path)
    with open_instance(fake_settings(tmp_path)) as instance:
        (run,) = instance.get_runs()
        if asked:
            # What Dagster's launcher does when somebody cancels the run.
            instance.report_run_canceling(run)
        since = time.monotonic()
        process.send_signal(signal.SIGINT if asked else signal.SIGTERM)
        process.communicate(timeout=30)
        assert time.monotonic() - since < 15
        assert sorted(p.name for p in (tmp_path / "marks").glob("*.cancelled")) == [f"{name}.cancelled" for name in BOTH]
        # What would have come next never began.
        assert {p.stem for p in (tmp_path / "marks").glob("*.started")} == set(BOTH)
        (run,) = instance.get_runs()
        assert run.status is (dg.DagsterRunStatus.CANCELED if asked else dg.DagsterRunStatus.FAILURE)
        assert instance.get_materialized_partitions(dg.AssetKey(["bronze", "lines"])) == set()


def test_nothing_more_runs_here_once_a_run_is_stopped(tmp_path: Path) -> None:
    """An engine of this process cannot be ended within a job, but it begins no other."""
    ran: list[str] = []
    stop = threading.Event()

    class Local:
        name = "local"

        def run(self, job: Any) -> None:
            ran.append(job.table)
            stop.set()

    settings = fake_settings(tmp_path)
    with open_instance(settings) as instance:
        run = instance.create_run_for_job(dg.GraphDefinition("nothing").to_job(), status=dg.DagsterRunStatus.STARTED)
        resources = SimpleNamespace(local=SimpleNamespace(it=Local()), warehouse=None, lake=None)
        context: Any = SimpleNamespace(resources=resources, run=run, instance=instance)
        workers = Workers(context, settings, stop, print)
        engine = workers.engine(TABLES["silver.lines"], "local")
        job: Any = SimpleNamespace(table="silver.lines", input_bytes=1)
        engine.run(job)
        with pytest.raises(Stopped):
            engine.run(job)
        with pytest.raises(Stopped):
            workers.load(TABLES["gold.fact"], None)
    assert ran == ["silver.lines"]


def test_a_killed_run_is_known_to_be_gone(tmp_path: Path) -> None:
    process = begun(tmp_path)
    with open_instance(fake_settings(tmp_path)) as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.STARTED and not process_is_gone(run)
        process.kill()
        process.communicate(timeout=30)
        assert process_is_gone(run)
    assert not list((tmp_path / "marks").glob("*.cancelled"))

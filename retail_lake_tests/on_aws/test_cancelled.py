"""Runs that end before their jobs do: one is cancelled from the UI, one is killed and leaves an orphan."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest

from retail_lake.config import Settings
from retail_lake.demo.serve import serve
from retail_lake.lake.lake import Lake
from retail_lake.orchestration.instance import environment, open_instance
from retail_lake.orchestration.run import materialize_range
from retail_lake_tests.aws import s3_front
from retail_lake_tests.aws.faults import JobFault
from retail_lake_tests.aws.job import End, Job, Phase
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.on_aws.lakes import OpenLake, open_launches
from retail_lake_tests.orchestration.dagster_servers import Server, dagster_servers, wait_for

pytestmark = pytest.mark.full
DAY = date(2017, 1, 1)
BRONZE, SILVER = "bronze.redemptions", "silver.redemptions"
KEYS = [SILVER.split(".")]
HELD_SECONDS = 240
"""How long S3 keeps a report waiting: longer than the reaper is waited for. A client that gives up tries again and waits anew."""


@dataclass(frozen=True)
class Running:
    """A lake on AWS whose UI runs."""

    aws: Aws
    settings: Settings
    server: Server

    def hanging(self) -> tuple[str, Job]:
        """A run whose job on Glue stands still, and that job."""
        runtime = self.aws.runtime
        before = len(runtime.jobs)
        self.aws.faults.order_job("glue", JobFault.HANGS)
        run_id = self.server.launch(KEYS, DAY, engine="glue")
        (job,) = wait_for("the job", lambda: [j for j in runtime.jobs[before:] if j.phase is Phase.RUNNING and j.seconds > 1])
        assert job.process is not None
        assert job.process.alive()
        return run_id, job


@pytest.fixture(scope="module")
def running(aws: Aws, lake_on_aws: OpenLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("cancelled")
    aws.runtime.image().reason = "this test needs no Spark"
    with s3_front.serve(aws), lake_on_aws("cancelled", home, first_day=str(DAY), last_day=str(DAY)) as settings:
        serve(settings.landing_uri, home / "ledger", DAY, 1, s3_endpoint=settings.s3_endpoint, region=settings.region)
        assert materialize_range([BRONZE], DAY, DAY, settings=settings, engine="local").success
        with dagster_servers({**os.environ, **environment(settings)}, home, sensors=["reaper"]) as server:
            yield Running(aws, settings, server)


def test_cancelling_a_run_stops_its_job(running: Running) -> None:
    run_id, job = running.hanging()
    running.server.terminate(run_id)
    assert job.wait(15).end is End.CANCELLED
    assert job.process is not None
    assert job.process.alive() == []
    assert running.server.wait_for_end(run_id) == "CANCELED"
    assert open_launches(running.aws, running.settings) == 0
    assert Lake(running.settings).stored(SILVER) is None, "something of a cancelled run is visible"


def test_what_a_killed_run_leaves_behind_disturbs_nobody_and_is_stopped(running: Running) -> None:
    run_id, orphan = running.hanging()
    os.kill(_process(running.settings, run_id), signal.SIGKILL)
    again = materialize_range([SILVER], DAY, DAY, settings=running.settings, engine="glue")
    assert again.success, again.problems
    shown = Lake(running.settings).current_files(SILVER)
    assert shown.files
    # It goes on and stages its rows, but S3 keeps its report waiting: it cannot end by itself.
    faults = running.aws.faults
    held = faults.order("s3", "*Upload*", delay=HELD_SECONDS, times=1000, where=lambda part: part["Key"].endswith("/report.json"))
    orphan.resume()
    assert orphan.wait(180).end is End.CANCELLED
    assert held.happened, "the report was not kept waiting"
    faults.clear()
    assert running.server.wait_for_end(run_id) == "FAILURE"
    wait_for("the reaper", lambda: open_launches(running.aws, running.settings) == 0)
    assert orphan.process is not None
    assert orphan.process.alive() == []
    assert Lake(running.settings).current_files(SILVER) == shown


def _process(settings: Settings, run_id: str) -> int:
    """The id of the process that a run of the UI is."""
    with open_instance(settings) as instance:
        said = " ".join(entry.message for entry in instance.all_logs(run_id))
    found = re.search(r"Started process for run \(pid: (\d+)\)", said)
    assert found, said
    return int(found[1])

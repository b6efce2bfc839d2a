"""Jobs that are heard while they run: the real job program in processes of its own, over a real S3 server, several at once.

Without postponed annotations: Dagster reads the asset's own.
"""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest

from retail_lake.aws import client
from retail_lake.config import Settings
from retail_lake.failure import ConfigurationFailure
from retail_lake.jobs.description import JobReport
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import plan
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.pipes import PipesChannel
from retail_lake.storage import list_files, read_bytes, write_bytes
from retail_lake.tables import TABLES
from retail_lake_tests.orchestration.dagster_servers import wait_for
from retail_lake_tests.s3 import S3Server

TABLE = "gold.dim_date"


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path,
        lake_uri=f"s3://{s3.bucket}/{tmp_path.name}/lake",
        artifacts_uri=f"s3://{s3.bucket}/{tmp_path.name}/artifacts",
        s3_endpoint=s3.endpoint,
    )


def in_a_run(settings: Settings, work: Callable[[PipesChannel], None]) -> tuple[bool, list[str]]:
    """Do it inside a Dagster run with days; whether the run succeeded, and its log."""

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2017-01-01"]))
    def heard(context: dg.AssetExecutionContext) -> None:
        work(PipesChannel(context, settings))

    with open_instance(settings) as instance:
        result = dg.materialize([heard], instance=instance, partition_key="2017-01-01", raise_on_error=False)
        return result.success, [e.user_message for e in instance.all_logs(result.run_id)]


def told(settings: Settings, token: str, arguments: Sequence[str]) -> list[str]:
    """What a service tells the job program: all that it has but credentials."""
    jobs = f"{settings.artifacts_uri}/jobs/{token}"
    given = ["--description", f"{jobs}/description.json", "--engine", "local", "--report", f"{jobs}/report.json"]
    return [*given, "--region", settings.region, "--s3-endpoint", settings.s3_endpoint, *arguments]


def run_job(settings: Settings, token: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The job program as a service starts it."""
    program = [sys.executable, "-m", "retail_lake.jobs", *told(settings, token, arguments)]
    return subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)


WAITING = """
import sys, time
from pathlib import Path
from types import SimpleNamespace

from retail_lake.jobs import __main__ as program


def wait(job):
    while not Path(sys.argv[1]).exists():
        time.sleep(0.05)
    raise RuntimeError("it was let go")


program.local_engine = lambda settings, name, session: SimpleNamespace(run=wait)
sys.exit(program.main(sys.argv[2:]))
"""
"""The job program, whose work is to wait for a file."""


def left(settings: Settings, token: str) -> list[str]:
    return [f.key for f in list_files(f"{settings.artifacts_uri}/jobs/{token}", settings, hidden=True)]


def test_what_a_job_prints_is_in_the_log_under_its_name_and_nothing_is_left(settings: Settings) -> None:
    job = plan(Lake(settings), TABLES[TABLE], [], run_id="run").jobs[0]
    write_bytes(f"{settings.artifacts_uri}/jobs/good/description.json", job.model_dump_json().encode(), settings)
    ended: dict[str, subprocess.CompletedProcess[str]] = {}

    def one(channel: PipesChannel, name: str, token: str) -> None:
        with channel.open(name, token) as reporting:
            assert all(settings.artifacts_uri not in part for part in reporting.arguments[::2])
            ended[token] = run_job(settings, token, reporting.arguments)

    def both(channel: PipesChannel) -> None:
        with ThreadPoolExecutor(2) as threads:
            # The second finds no description: a failure that it says and leaves a report of.
            list(threads.map(lambda job: one(channel, *job), [(TABLE, "good"), ("gold.nothing", "bad")]))

    with warnings.catch_warnings():
        warnings.simplefilter("error", dg.PreviewWarning)
        success, log = in_a_run(settings, both)
    assert success, "\n".join(log)
    assert ended["good"].returncode == 0, ended["good"].stderr
    assert ended["bad"].returncode == 1
    good = "\n".join(said for said in log if said.startswith(f"{TABLE}: "))
    bad = "\n".join(said for said in log if said.startswith("gold.nothing: "))
    assert f"{TABLE}: all days, 0 files" in good and "rows staged in" in good
    assert "FileNotFoundError" not in good
    assert "FileNotFoundError" in bad and "description.json" in bad and "rows staged" not in bad
    assert not [said for said in log if "framework exception" in said or "left over" in said]
    report = JobReport.model_validate_json(read_bytes(f"{settings.artifacts_uri}/jobs/good/report.json", settings))
    assert report.table == TABLE
    assert left(settings, "good") == ["description.json", "report.json"]
    assert left(settings, "bad") == ["report.json"]


def test_what_a_job_prints_is_in_the_run_s_log_while_it_works(settings: Settings, tmp_path: Path) -> None:
    job = plan(Lake(settings), TABLES[TABLE], [], run_id="run").jobs[0]
    write_bytes(f"{settings.artifacts_uri}/jobs/slow/description.json", job.model_dump_json().encode(), settings)
    go_on = tmp_path / "go on"
    ended: list[int] = []

    def shown() -> list[str]:
        with open_instance(settings) as instance:
            (run,) = instance.get_runs()
            return [entry.user_message for entry in instance.all_logs(run.run_id)]

    def watch(channel: PipesChannel) -> None:
        with channel.open(TABLE, "slow") as reporting:
            given = [str(go_on), *told(settings, "slow", reporting.arguments)]
            with subprocess.Popen([sys.executable, "-c", WAITING, *given], stderr=subprocess.DEVNULL) as process:
                try:
                    wait_for("its line", lambda: any(f"{TABLE}: all days, 0 files" in said for said in shown()))
                    # It cannot have ended: it waits for what comes now.
                    assert process.poll() is None
                    assert any(f"{TABLE}: all days, 0 files" in line for line in reporting.last_lines())
                finally:
                    go_on.touch()
                ended.append(process.wait(60))
            assert "RuntimeError: it was let go" in reporting.last_lines(), "what came last is not waited for"

    success, log = in_a_run(settings, watch)
    assert success, "\n".join(log)
    assert ended == [1]
    assert any("it was let go" in said for said in log)


def test_a_job_that_is_lost_is_not_waited_for_and_leaves_nothing(settings: Settings) -> None:
    s3 = client("s3", settings)

    def lose(channel: PipesChannel) -> None:
        with channel.open("silver.sales", "lost") as reporting:
            assert left(settings, "lost") == ["pipes/context.json"]
            words = {"method": "log_external_stream", "params": {"stream": "stdout", "text": "half a li", "extras": {}}}
            bucket, _, key = f"{settings.artifacts_uri}/jobs/lost/pipes/1.json".removeprefix("s3://").partition("/")
            s3.put_object(Bucket=bucket, Key=key, Body=json.dumps({"__dagster_pipes_version": "0.1", **words}).encode())
            assert len(reporting.arguments) == 4
            raise RuntimeError("the driver is gone")

    success, log = in_a_run(settings, lose)
    assert not success
    assert "silver.sales: half a li" in log
    assert any("did not receive any messages" in said for said in log)
    assert left(settings, "lost") == []


def test_an_address_that_does_not_take_anything_is_a_failure_that_says_so(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"artifacts_uri": "s3://no bucket/artifacts"})
    told: list[str] = []

    def open_there(channel: PipesChannel) -> None:
        with pytest.raises(ConfigurationFailure) as failure, channel.open("silver.sales", "token"):
            pass
        told.append(str(failure.value))

    success, log = in_a_run(nowhere, open_there)
    assert success, "\n".join(log)
    assert "s3://no bucket/artifacts/jobs/token/pipes/context.json" in told[0]

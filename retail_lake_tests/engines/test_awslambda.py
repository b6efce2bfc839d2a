"""The Lambda function's handler, run for real in this process, called as Lambda's client would call it: once, twice, in vain."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from dagster_pipes import encode_param

from retail_lake.aws import split_uri
from retail_lake.config import Settings
from retail_lake.demo import source, till
from retail_lake.demo.landing import open_place
from retail_lake.demo.serve import SEED
from retail_lake.engines import awslambda, handler, launches
from retail_lake.engines.awslambda import AwsLambda
from retail_lake.engines.control import Launch, State
from retail_lake.engines.local import LocalEngine
from retail_lake.engines.remote import RemoteEngine
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake.jobs import cancel
from retail_lake.jobs.description import FailureReport, JobDescription
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import plan
from retail_lake.lake.publish import publish
from retail_lake.storage import read_bytes, write_bytes
from retail_lake.tables import TABLES
from retail_lake_tests.engines.service import DENIED, on_s3, settings_on
from retail_lake_tests.s3 import S3Server

DAY = date(2017, 1, 1)
TABLE = TABLES["bronze.till_lines"]
CONTEXT = SimpleNamespace(memory_limit_in_mb="2048")
LINE = "REPORT RequestId: 1\tDuration: 1800.11 ms\tBilled Duration: 2500 ms\tMemory Size: 2048 MB\tMax Memory Used: 300 MB\n"


@pytest.fixture(scope="module")
def landed(s3: S3Server) -> str:
    """Where a day of the demo's tills lies."""
    uri = f"s3://{s3.bucket}/lambda/landing"
    place = open_place(uri, s3.endpoint, "us-east-1")
    with source.connect() as connection:
        for delivery in till.deliveries(connection, SEED, DAY, DAY):
            if delivery.content is not None:
                place.put(delivery.key, delivery.content)
    return uri


@pytest.fixture
def settings(s3: S3Server, landed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("RETAIL_LAKE_HOME", str(tmp_path))
    # What the handler sets is taken back with the rest.
    monkeypatch.setenv("RETAIL_LAKE_MEMORY_LIMIT", "500MB")
    return settings_on(s3, tmp_path, landing_uri=landed, first_day=DAY, last_day=DAY)


@pytest.fixture
def job(settings: Settings) -> JobDescription:
    (planned,) = plan(Lake(settings), TABLE, [DAY], run_id="run-1").jobs
    return planned


class Function:
    """Lambda's client: a call runs the handler. `before` and `after` may disturb it by raising."""

    def __init__(self) -> None:
        self.calls = 0
        self.payloads: list[dict[str, Any]] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    def invoke(self, **given: Any) -> dict[str, Any]:
        assert given["InvocationType"] == "RequestResponse" and given["LogType"] == "Tail"
        self.calls += 1
        self.before()
        self.payloads.append(json.loads(given["Payload"]))
        answer = handler.handler(self.payloads[-1], CONTEXT)
        self.after()
        return {
            "StatusCode": 200,
            "LogResult": base64.b64encode(LINE.encode()).decode(),
            "Payload": BytesIO(json.dumps(answer).encode()),
        }


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> Function:
    made = Function()
    monkeypatch.setattr(awslambda, "client", lambda service, settings, **options: made)
    return made


def raising(error: Exception, times: int = 1, after: float = 0) -> Callable[[], None]:
    left = [error] * times

    def disturb() -> None:
        if left:
            time.sleep(after)
            raise left.pop()

    return disturb


def test_a_job_runs_there_as_it_does_here(settings: Settings, job: JobDescription, function: Function) -> None:
    report = RemoteEngine(settings, AwsLambda(settings)).run(job)
    here = LocalEngine(settings).run(job.model_copy(update={"staging": f"{job.staging}-here"}))
    assert report.days == here.days and sum(day.published for day in here.days) > 1000
    assert report.engine == "awslambda" and report.usage == {"requests": 1, "gb_seconds": 5.0}
    assert publish(Lake(settings), job, report).status == {DAY: "published"}
    assert set(function.payloads[0]) == {"arguments"} and len(json.dumps(function.payloads[0])) < 1500


def test_the_log_of_a_call_says_first_what_it_is_of(
    settings: Settings, job: JobDescription, function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    RemoteEngine(settings, AwsLambda(settings)).run(job)
    said = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (said["run"], said["table"], said["days"]) == ("run-1", "bronze.till_lines", "2017-01-01")


def test_a_second_call_does_nothing_again(settings: Settings, job: JobDescription, function: Function) -> None:
    RemoteEngine(settings, AwsLambda(settings)).run(job)
    (payload,) = function.payloads
    given = dict(zip(payload["arguments"][::2], payload["arguments"][1::2], strict=True))
    write_bytes(given["--report"], b"as it was", settings)
    assert handler.handler(payload, CONTEXT) == {"status": "reported"}
    assert read_bytes(given["--report"], settings) == b"as it was"


def test_a_call_while_another_is_at_it_leaves_the_job_to_that(settings: Settings) -> None:
    folder = launches.folder(settings, "t")
    write_bytes(f"{folder}/started", b"", settings)
    arguments = [
        "--description", f"{folder}/description.json", "--report", f"{folder}/report.json",
        "--region", settings.region, "--s3-endpoint", settings.s3_endpoint,
    ]  # fmt: skip
    assert handler.handler({"arguments": arguments}, CONTEXT) == {"status": "running"}
    assert on_s3(settings, "jobs/t") == ["started"]


def test_a_call_that_came_second_waits_for_the_first_one_s_report(settings: Settings, function: Function) -> None:
    folder = launches.folder(settings, "t")
    write_bytes(f"{folder}/started", b"", settings)
    arguments = ("--report", f"{folder}/report.json", "--region", settings.region, "--s3-endpoint", settings.s3_endpoint)
    control = AwsLambda(settings)
    control.submit(Launch("t", "name", arguments, 1, 900))
    assert control.status("t").state is State.RUNNING and function.calls == 1
    write_bytes(f"{folder}/report.json", b"", settings)
    assert control.status("t").state is State.SUCCEEDED


def test_a_warm_function_talks_to_each_job_s_own_session(settings: Settings, job: JobDescription) -> None:
    """Two jobs in one process: what the second says must not go where the first was heard."""
    for token in ("one", "two"):
        folder, uri = f"jobs/{token}", launches.folder(settings, token)
        bucket, key = split_uri(uri)
        nothing = ("asset_keys", "code_version_by_asset_key", "provenance_by_asset_key", "partition_key", "partition_key_range")
        context = {
            **dict.fromkeys((*nothing, "partition_time_window", "job_name")),
            "run_id": token,
            "retry_number": 0,
            "extras": {},
        }
        write_bytes(f"{uri}/context.json", json.dumps(context).encode(), settings)
        write_bytes(
            f"{uri}/description.json",
            job.model_copy(update={"staging": f"{job.staging}-{token}"}).model_dump_json().encode(),
            settings,
        )
        arguments = {
            "--description": f"{uri}/description.json", "--report": f"{uri}/report.json", "--region": settings.region,
            "--s3-endpoint": settings.s3_endpoint,
            "--dagster-pipes-context": encode_param({"bucket": bucket, "key": f"{key}/context.json"}),
            "--dagster-pipes-messages": encode_param({"bucket": bucket, "key_prefix": f"{key}/pipes"}),
        }  # fmt: skip
        handler.handler({"arguments": [part for pair in arguments.items() for part in pair]}, CONTEXT)
        said = "".join(
            read_bytes(f"{uri}/{key}", settings).decode() for key in on_s3(settings, folder) if key.startswith("pipes/")
        )
        assert f"{uri}/report.json" in said and "reported" in said


def test_an_answer_that_is_lost_costs_only_the_usage(settings: Settings, job: JobDescription, function: Function) -> None:
    function.after = raising(ReadTimeoutError(endpoint_url="https://lambda"), after=1.2)
    report = RemoteEngine(settings, AwsLambda(settings)).run(job)
    assert report.usage == {"requests": 1} and function.calls == 1


def test_a_connection_lost_at_once_is_tried_again_and_runs_once(
    settings: Settings, job: JobDescription, function: Function
) -> None:
    function.before = raising(ReadTimeoutError(endpoint_url="https://lambda"))
    assert RemoteEngine(settings, AwsLambda(settings)).run(job).engine == "awslambda"
    assert function.calls == 2 and len(function.payloads) == 1


@pytest.mark.parametrize(
    ("code", "times", "kind", "said"),
    [
        ("TooManyRequestsException", 100, TransientFailure, "capacity"),
        ("AccessDeniedException", 1, ConfigurationFailure, "access denied"),
    ],
)
def test_a_call_that_lambda_refuses(
    settings: Settings, job: JobDescription, function: Function, code: str, times: int, kind: type[Exception], said: str
) -> None:
    function.before = raising(ClientError({"Error": {"Code": code, "Message": "no"}}, "Invoke"), times)
    with pytest.raises(kind, match=said):
        RemoteEngine(settings, AwsLambda(settings)).run(job)
    assert on_s3(settings, "launches") == []


@pytest.mark.parametrize(
    ("error", "message", "kind", "said"),
    [
        (
            "Runtime.ExitError",
            "RequestId: 1 Error: Runtime exited with error: signal: killed",
            ConfigurationFailure,
            "out of memory",
        ),
        ("Sandbox.Timedout", "RequestId: 1 Error: Task timed out after 900.00 seconds", TransientFailure, "timed out"),
        ("Runtime.ImportModuleError", "Unable to import module 'retail_lake'", ConfigurationFailure, "retail-lake deploy"),
    ],
)
def test_a_function_that_breaks(
    settings: Settings, job: JobDescription, function: Function, error: str, message: str, kind: type[Exception], said: str
) -> None:
    payload = json.dumps({"errorType": error, "errorMessage": message}).encode()
    answer = {"FunctionError": "Unhandled", "LogResult": base64.b64encode(b"last words").decode(), "Payload": BytesIO(payload)}
    function.invoke = lambda **given: answer  # type: ignore[method-assign]
    with pytest.raises(kind, match=rf"{said}(.|\n)*last words"):
        RemoteEngine(settings, AwsLambda(settings)).run(job)


def test_of_another_process_s_call_s3_says_what_it_can(settings: Settings) -> None:
    control, folder = AwsLambda(settings), launches.folder(settings, "t")
    assert control.find("t") is None and control.status("t").state is State.FAILED
    write_bytes(f"{folder}/description.json", b"", settings)
    assert control.find("t") is None and control.status("t").state is State.WAITING
    write_bytes(f"{folder}/started", b"", settings)
    assert control.find("t") == "t" and control.status("t").state is State.RUNNING
    write_bytes(f"{folder}/report.json", b"", settings)
    assert control.find("t") == "t" and control.status("t").state is State.SUCCEEDED


def test_a_job_that_is_told_to_stop_ends_its_process(settings: Settings, job: JobDescription) -> None:
    """In a process of its own, at work when it is told: the marker comes while the job hangs over a file that never ends."""
    folder = launches.folder(settings, "t")
    write_bytes(f"{folder}/description.json", job.model_dump_json().encode(), settings)
    arguments = {
        "--description": f"{folder}/description.json", "--report": f"{folder}/report.json", "--region": settings.region,
        "--cancel": launches.cancel_marker(settings, "t"), "--s3-endpoint": settings.s3_endpoint,
    }  # fmt: skip
    event = {"arguments": [part for pair in arguments.items() for part in pair]}
    code = (
        "import time; from retail_lake.engines import handler, local\n"
        "local.LocalEngine.run = lambda *_: (print('at work', flush=True), time.sleep(60))\n"
        f"handler.handler({event!r}, None)"
    )
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ.copy())
    assert process.stdout is not None
    while "at work" not in (line := process.stdout.readline()):
        assert line, "the job never began"
    AwsLambda(settings).cancel("t")
    assert process.wait(20) == cancel.STATUS
    assert time.monotonic() - began < 30
    report = FailureReport.model_validate_json(read_bytes(f"{folder}/report.json", settings))
    assert (report.kind, report.message) == ("transient", cancel.WHY)


def test_a_job_that_may_not_look_for_the_marker_works_on(settings: Settings) -> None:
    with cancel.ends_when_told(f"s3://{'x' * 10}-not-there/cancel", "-", settings):
        time.sleep(0.3)


def test_what_is_denied_to_the_caller_reaches_nobody(settings: Settings, job: JobDescription, function: Function) -> None:
    function.before = raising(DENIED)
    with pytest.raises(ConfigurationFailure):
        RemoteEngine(settings, AwsLambda(settings)).run(job)
    assert function.payloads == []

"""A Glue job run is the deployed artifact, in a process and an environment of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from retail_lake_tests.aws.mini import Mini, until, wheel
from retail_lake_tests.aws.server import Aws

LOOK = """
    import json, os, sys
    import boto3_is_not_needed as m
    arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    print("hello", m.word())
    print("to stderr", file=sys.stderr)
    found = {"arguments": arguments, "environment": dict(os.environ), "path": sys.path, "prefix": sys.prefix}
    for module in ("pytest", "moto", "dagster", "retail_lake", "boto3", "pyspark"):
        try:
            __import__(module)
            found[module] = True
        except ImportError:
            found[module] = False
    print("FOUND" + json.dumps(found))
"""


def _lines(aws: Aws, run_id: str, stream: str = "output") -> list[str]:
    events = aws.client("logs").get_log_events(logGroupName=f"/aws-glue/jobs/{stream}", logStreamName=run_id, startFromHead=True)
    return [event["message"] for event in events["events"]]


def test_a_run_has_the_artifact_and_nothing_of_this_process(aws: Aws, mini: Mini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAIL_LAKE_PROFILE", "aws")
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    wheels = mini.wheels(wheel("boto3_is_not_needed", "def word(): return 'world'"))
    mini.glue_job(mini.entry(LOOK), wheels=wheels)
    run = mini.glue_ended(run_id := mini.glue_run(day="2017-01-01"))
    assert run["JobRunState"] == "SUCCEEDED", run
    assert "ErrorMessage" not in run
    lines = _lines(aws, run_id)
    assert lines[0] == "hello world"
    assert _lines(aws, run_id, "error") == ["to stderr"]
    found = json.loads(next(line for line in lines if line.startswith("FOUND"))[5:])
    assert found["arguments"]["--day"] == "2017-01-01"
    assert found["arguments"]["--JOB_RUN_ID"] == run_id
    assert not any("additional-python-modules" in word for word in found["arguments"])
    assert {name: found[name] for name in ("pytest", "moto", "dagster", "retail_lake", "boto3", "pyspark")} == {
        "pytest": False,
        "moto": False,
        "dagster": False,
        "retail_lake": False,
        "boto3": False,
        "pyspark": True,
    }
    assert "RETAIL_LAKE_PROFILE" not in found["environment"]
    assert found["environment"]["AWS_ENDPOINT_URL"] == aws.endpoint
    assert found["prefix"] != sys.prefix
    here = str(Path.cwd())
    assert not [p for p in [*found["path"], found["environment"]["PYTHONPATH"]] if p == here or p.startswith(sys.prefix)]


def test_usage_is_by_execution_time_and_workers(mini: Mini) -> None:
    mini.glue_job(mini.entry("import time; time.sleep(1.2)"), DefaultArguments={"--enable-auto-scaling": "true"})
    run = mini.glue_ended(mini.glue_run())
    assert (run["WorkerType"], run["NumberOfWorkers"], run["MaxCapacity"]) == ("G.1X", 2, 2.0)
    assert 1 <= run["ExecutionTime"] <= (run["CompletedOn"] - run["StartedOn"]).total_seconds() + 1
    assert run["DPUSeconds"] == 2.0 * run["ExecutionTime"]
    assert run["StartedOn"] < run["CompletedOn"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ValueError('no such day')", "ValueError: no such day"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import not_in_the_artifact", "ModuleNotFoundError: No module named 'not_in_the_artifact'"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "Command failed with exit code 137"),
    ],
)
def test_a_failing_program_fails_the_run_with_its_own_words(mini: Mini, source: str, message: str) -> None:
    mini.glue_job(mini.entry(source))
    run = mini.glue_ended(mini.glue_run())
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", message)


def test_an_artifact_that_lacks_a_part_does_not_start(mini: Mini) -> None:
    needy = wheel("needy", "x = 1", requires="absent-dependency")
    mini.glue_job(mini.entry("import needy"), wheels=mini.wheels(needy))
    run = mini.glue_ended(mini.glue_run())
    assert run["JobRunState"] == "FAILED"
    assert "absent-dependency" in run["ErrorMessage"]


def test_an_entry_script_that_is_not_there_does_not_start(mini: Mini) -> None:
    mini.glue_job("s3://lake/mini/nowhere.py")
    run = mini.glue_ended(mini.glue_run())
    assert run["JobRunState"] == "FAILED"
    assert "s3://lake/mini/nowhere.py" in run["ErrorMessage"]
    assert "404" in run["ErrorMessage"]


def test_a_new_upload_under_the_same_name_is_a_new_environment(mini: Mini) -> None:
    entry = mini.entry("import versioned, sys; sys.exit(versioned.number)")
    for number in (3, 4):
        wheels = mini.wheels(wheel("versioned", f"number = {number}"))
        if number == 3:
            mini.glue_job(entry, wheels=wheels)
        assert mini.glue_ended(mini.glue_run())["ErrorMessage"] == f"SystemExit: {number}"


def test_stopping_a_run_kills_it_and_what_it_started(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("import subprocess, time; subprocess.Popen(['sleep', '1000'], process_group=0); time.sleep(1000)"))
    run_id = mini.glue_run()
    until(lambda: mini.glue_state(run_id)["JobRunState"], lambda state: state == "RUNNING")
    process = aws.runtime.jobs[-1].process
    assert process is not None
    until(process.alive, lambda pids: len(pids) == 2)
    answer = aws.client("glue").batch_stop_job_run(JobName="mini", JobRunIds=[run_id, "jr_0"])
    assert [s["JobRunId"] for s in answer["SuccessfulSubmissions"]] == [run_id]
    assert answer["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    assert mini.glue_ended(run_id, 5)["JobRunState"] == "STOPPED"
    assert process.alive() == []
    again = aws.client("glue").batch_stop_job_run(JobName="mini", JobRunIds=[run_id])
    assert again["SuccessfulSubmissions"] == []


def test_a_run_that_takes_too_long_is_ended(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("import time; time.sleep(1000)"), Timeout=1)
    run_id = mini.glue_run()
    until(lambda: mini.glue_state(run_id)["JobRunState"], lambda state: state == "RUNNING")
    # A minute is the least that can be asked for; the test makes it shorter.
    aws.runtime.jobs[-1].timeout = 0.5
    assert mini.glue_ended(run_id, 10)["JobRunState"] == "TIMEOUT"


def test_no_more_runs_at_once_than_the_definition_allows(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("import time; time.sleep(1000)"), runs=1)
    first = mini.glue_run()
    with pytest.raises(ClientError, match="ConcurrentRunsExceededException"):
        mini.glue_run()
    aws.client("glue").batch_stop_job_run(JobName="mini", JobRunIds=[first])
    mini.glue_ended(first, 10)
    mini.glue_run()


def test_a_definition_is_updated_as_a_whole_and_made_once(aws: Aws, mini: Mini) -> None:
    glue = aws.client("glue")
    mini.glue_job(mini.entry("raise SystemExit(1)"), Description="first", Tags={"team": "retail"})
    with pytest.raises(ClientError, match="AlreadyExistsException"):
        mini.glue_job("s3://lake/mini/other.py")
    entry = mini.put("second.py", "print('second')")
    command = {"Name": "glueetl", "ScriptLocation": entry}
    glue.update_job(
        JobName="mini",
        JobUpdate={"Role": "r", "Command": command, "GlueVersion": "6.0", "WorkerType": "G.2X", "NumberOfWorkers": 3},
    )
    found = glue.get_job(JobName="mini")["Job"]
    assert "Description" not in found
    assert (found["WorkerType"], found["NumberOfWorkers"]) == ("G.2X", 3)
    assert glue.get_tags(ResourceArn="arn:aws:glue:us-east-1:123456789012:job/mini")["Tags"] == {"team": "retail"}
    assert mini.glue_ended(mini.glue_run())["JobRunState"] == "SUCCEEDED"


def test_runs_are_listed_from_the_newest_in_pages(aws: Aws, mini: Mini) -> None:
    mini.glue_job(mini.entry("pass"))
    started = [mini.glue_run() for _ in range(3)]
    pages = aws.client("glue").get_paginator("get_job_runs").paginate(JobName="mini", PaginationConfig={"PageSize": 2})
    assert [run["Id"] for page in pages for run in page["JobRuns"]] == started[::-1]

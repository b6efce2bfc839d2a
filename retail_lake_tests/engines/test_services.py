"""What is asked of each service, and what its answers mean: requests and answers are held against botocore's own models."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from retail_lake.config import Settings
from retail_lake.deploy.artifact import Artifact
from retail_lake.engines import emr, emr_serverless, glue, launches, logs, open_control, open_engine
from retail_lake.engines.control import Launch, Log, State
from retail_lake.failure import ConfigurationFailure
from retail_lake.storage import write_bytes
from retail_lake_tests.engines.service import ago

Stub = Callable[[str], Stubber]
ARTIFACT = Artifact("spark-4.1", "1", "3.11", "s3://b/a/main.py", "s3://b/a/x.gluewheels.zip", "s3://b/a/environment.tar.gz")
LAUNCH = Launch(
    token="0123456789abcdef01234567",
    name="retail-lake silver.sales 2017-01-01",
    arguments=("--description", "s3://b/d.json", "--report", "s3://b/r.json"),
    workers=3,
    timeout=3600,
    tags={
        "engine": "theirs",
        "retail-lake:run": "run-1",
        "retail-lake:table": "silver.sales",
        "retail-lake:days": "2017-01-01..2017-01-02",
    },
)
BEGAN, ENDED = datetime(2026, 5, 4, 3, 0, tzinfo=UTC), datetime(2026, 5, 4, 3, 2, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/jobs"


def settings_for(tmp_path: Path, **more: Any) -> Settings:
    given: dict[str, Any] = {
        "home": tmp_path, "lake_uri": "s3://b/lake", "artifacts_uri": "s3://b/artifacts", "glue_role": ROLE,
        "emr_serverless_application": "00abc", "emr_serverless_role": ROLE, "emr_cluster": "j-1",
    }  # fmt: skip
    return Settings(**{**given, **more})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    """Clients that answer only what is expected, in turn; one of each service for everybody."""
    stubs: dict[str, Stubber] = {}

    def of(service: str) -> Stubber:
        if service not in stubs:
            made = boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
            stubs[service] = Stubber(made)
            stubs[service].activate()
        return stubs[service]

    for module in (glue, emr, emr_serverless, logs):
        monkeypatch.setattr(module, "client", lambda service, settings, **options: of(service).client)
    return of


def test_glue_starts_a_run_known_by_its_arguments(settings: Settings, stub: Stub) -> None:
    stub("glue").add_response(
        "start_job_run",
        {"JobRunId": "jr_1"},
        {
            "JobName": "retail-lake",
            "Arguments": {
                "--description": "s3://b/d.json",
                "--report": "s3://b/r.json",
                "--retail-lake-token": LAUNCH.token,
                "--retail-lake-run": "run-1",
                "--retail-lake-table": "silver.sales",
                "--retail-lake-days": "2017-01-01..2017-01-02",
            },
            "Timeout": 61,
            "WorkerType": "G.1X",
            "NumberOfWorkers": 4,
        },
    )
    assert glue.Glue(settings).submit(LAUNCH) == "jr_1"


def test_glue_finds_a_run_by_its_token_within_bounds(settings: Settings, stub: Stub) -> None:
    other = {"Id": "jr_9", "Arguments": {"--retail-lake-token": "other"}}
    pages = [
        {"JobRuns": [other], "NextToken": "n"},
        {"JobRuns": [{"Id": "jr_8"}, {"Id": "jr_2", "Arguments": {glue.TOKEN: "t"}}]},
    ]
    for page in pages:
        stub("glue").add_response("get_job_runs", page)
    assert glue.Glue(settings).find("t") == "jr_2"
    for _ in range(5):
        stub("glue").add_response("get_job_runs", pages[0])
    assert glue.Glue(settings).find("t") is None
    stub("glue").assert_no_pending_responses()


@pytest.mark.parametrize(
    ("run", "state", "reason", "dpu_seconds"),
    [
        ({"JobRunState": "WAITING", "StateDetail": "queued"}, State.WAITING, "queued", 0),
        ({"JobRunState": "RUNNING", "ExecutionTime": 100, "WorkerType": "G.2X", "NumberOfWorkers": 3}, State.RUNNING, "", 600),
        ({"JobRunState": "STOPPING"}, State.RUNNING, "", 0),
        ({"JobRunState": "STOPPED"}, State.STOPPED, "", 0),
        ({"JobRunState": "SUCCEEDED", "ExecutionTime": 100, "DPUSeconds": 250.5}, State.SUCCEEDED, "", 250.5),
        ({"JobRunState": "SUCCEEDED", "ExecutionTime": 30, "WorkerType": "G.1X", "NumberOfWorkers": 2}, State.SUCCEEDED, "", 120),
        ({"JobRunState": "SUCCEEDED", "ExecutionTime": 100, "MaxCapacity": 2.0}, State.SUCCEEDED, "", 200),
        ({"JobRunState": "FAILED", "ErrorMessage": "exit code 1"}, State.FAILED, "exit code 1", 0),
        ({"JobRunState": "ERROR", "ErrorMessage": "internal"}, State.FAILED, "internal", 0),
        ({"JobRunState": "TIMEOUT"}, State.TIMED_OUT, "", 0),
        ({"JobRunState": "EXPIRED"}, State.FAILED, "the run waited in the queue until it expired.", 0),
    ],
)
def test_glue_s_states(
    settings: Settings, stub: Stub, run: dict[str, Any], state: State, reason: str, dpu_seconds: float
) -> None:
    stub("glue").add_response("get_job_run", {"JobRun": {"Id": "jr_1", "CompletedOn": ENDED, **run}})
    found = glue.Glue(settings).status("jr_1")
    assert (found.state, found.reason, dict(found.usage)) == (state, reason, {"dpu_seconds": dpu_seconds})
    assert found.ended_at == (ENDED if state.ended else None)


def test_every_state_of_the_services_is_known() -> None:
    def states(service: str, shape: str) -> set[str]:
        return set(boto3.client(service, region_name="us-east-1").meta.service_model.shape_for(shape).enum)

    assert glue.STATES.keys() == states("glue", "JobRunState")
    assert emr_serverless.STATES.keys() == states("emr-serverless", "JobRunState")
    assert emr.STATES.keys() == states("emr", "StepState")


def test_glue_stops_a_run_and_shows_its_log(settings: Settings, stub: Stub) -> None:
    stub("glue").add_response(
        "batch_stop_job_run",
        {"Errors": [{"JobRunId": "jr_1", "ErrorDetail": {"ErrorCode": "JobRunCannotBeStoppedException"}}]},
        {"JobName": "retail-lake", "JobRunIds": ["jr_1"]},
    )
    service = glue.Glue(settings)
    service.cancel("jr_1")
    stub("glue").add_response("get_job_run", {"JobRun": {"Id": "jr_1", "LogGroupName": "/aws-glue/jobs"}})
    stream = {"logGroupName": "/aws-glue/jobs/error", "logStreamName": "jr_1", "limit": 2, "startFromHead": False}
    stub("logs").add_client_error("get_log_events", "ResourceNotFoundException", expected_params=stream)
    stub("logs").add_response("get_log_events", {"events": [{"message": "one\ntwo\n"}, {"message": "three\n"}]})
    assert service.log_tail("jr_1", 2) == Log(("two", "three"))
    assert service.console("jr_1").endswith("gluestudio/home?region=us-east-1#/job/retail-lake/run/jr_1")


@pytest.mark.parametrize(("seconds", "minutes"), [(60, 5), (239, 5), (299, 5), (300, 6), (7200, 121)])
def test_emr_serverless_is_given_no_less_than_its_least_timeout(
    settings: Settings, stub: Stub, seconds: int, minutes: int
) -> None:
    arn = f"arn:aws:emr-serverless:us-east-1:{'1' * 12}:/applications/0/jobruns/0"
    sent: list[int] = []
    events = stub("emr-serverless").client.meta.events
    events.register("provide-client-params.*.StartJobRun", lambda params, **_: sent.append(params["executionTimeoutMinutes"]))
    stub("emr-serverless").add_response("start_job_run", {"applicationId": "00abc", "jobRunId": "00run", "arn": arn})
    emr_serverless.EmrServerless(settings, lambda _: ARTIFACT).submit(replace(LAUNCH, timeout=seconds))
    assert sent == [minutes]


def test_emr_serverless_starts_the_packed_environment(settings: Settings, stub: Stub) -> None:
    expected = {
        "applicationId": "00abc",
        "clientToken": LAUNCH.token,
        "name": f"{LAUNCH.name} {LAUNCH.token}",
        "executionRoleArn": ROLE,
        "jobDriver": ANY,
        "configurationOverrides": {
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": "s3://b/artifacts/logs/"}}
        },
        "executionTimeoutMinutes": 61,
        "tags": dict(LAUNCH.tags),
    }
    answer = {
        "applicationId": "00abc",
        "jobRunId": "00run",
        "arn": f"arn:aws:emr-serverless:us-east-1:{'1' * 12}:/applications/0/jobruns/0",
    }
    sent: list[dict[str, Any]] = []
    client = stub("emr-serverless").client
    client.meta.events.register("provide-client-params.*.StartJobRun", lambda params, **_: sent.append(params))
    stub("emr-serverless").add_response("start_job_run", answer, expected)
    assert emr_serverless.EmrServerless(settings, lambda _: ARTIFACT).submit(LAUNCH) == "00run"
    driver = sent[0]["jobDriver"]["sparkSubmit"]
    assert (driver["entryPoint"], driver["entryPointArguments"]) == ("s3://b/a/main.py", list(LAUNCH.arguments))
    conf = dict(part.split("=", 1) for part in driver["sparkSubmitParameters"].replace("--conf ", "").split())
    assert conf["spark.archives"] == "s3://b/a/environment.tar.gz#environment"
    python = "./environment/bin/python"
    where = ("spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON", "spark.emr-serverless.driverEnv.PYSPARK_PYTHON")
    assert {conf[key] for key in (*where, "spark.executorEnv.PYSPARK_PYTHON")} == {python}
    assert conf["spark.dynamicAllocation.maxExecutors"] == "3"


@pytest.mark.parametrize(
    ("state", "details", "found"),
    [
        ("QUEUED", "waits", State.WAITING),
        ("SCHEDULED", "-", State.WAITING),
        ("RUNNING", "-", State.RUNNING),
        ("CANCELLING", "-", State.RUNNING),
        ("SUCCESS", "-", State.SUCCEEDED),
        ("FAILED", "exit code 137", State.FAILED),
        ("CANCELLED", "cancelled by the user", State.STOPPED),
        ("CANCELLED", "Job run timed out after 61 minutes", State.TIMED_OUT),
    ],
)
def test_emr_serverless_s_states(settings: Settings, stub: Stub, state: str, details: str, found: State) -> None:
    arn = f"arn:aws:emr-serverless:us-east-1:{'1' * 12}:/applications/0/jobruns/0"
    run = {
        "applicationId": "0", "jobRunId": "0", "arn": arn, "createdBy": arn, "createdAt": BEGAN, "updatedAt": ENDED,
        "executionRole": ROLE, "state": state, "stateDetails": details, "releaseLabel": "emr-spark-8.1.0",
        "jobDriver": {"sparkSubmit": {"entryPoint": "main.py"}},
        "endedAt": ENDED, "totalResourceUtilization": {"vCPUHour": 9.0},
        "billedResourceUtilization": {"vCPUHour": 0.5, "memoryGBHour": 2.0, "storageGBHour": 0.0},
    }  # fmt: skip
    stub("emr-serverless").add_response("get_job_run", {"jobRun": run})
    status = emr_serverless.EmrServerless(settings).status("0")
    assert (status.state, status.reason) == (found, details)
    assert dict(status.usage) == {"vcpu_hours": 0.5, "gb_hours": 2.0, "storage_gb_hours": 0.0}


def test_emr_submits_to_yarn_and_gives_back_cluster_and_step(settings: Settings, stub: Stub) -> None:
    sent: list[dict[str, Any]] = []
    client = stub("emr").client
    client.meta.events.register("provide-client-params.*.AddJobFlowSteps", lambda params, **_: sent.append(params))
    stub("emr").add_response("add_job_flow_steps", {"StepIds": ["s-1"]}, {"JobFlowId": "j-1", "Steps": ANY})
    assert emr.Emr(settings, lambda _: ARTIFACT).submit(LAUNCH) == "j-1/s-1"
    (step,) = sent[0]["Steps"]
    assert step["Name"].endswith(LAUNCH.token) and step["ActionOnFailure"] == "CONTINUE"
    command = step["HadoopJarStep"]["Args"]
    assert step["HadoopJarStep"]["Jar"] == "command-runner.jar" and command[:3] == ["spark-submit", "--deploy-mode", "cluster"]
    assert command[command.index("--archives") + 1] == "s3://b/a/environment.tar.gz#environment"
    assert "spark.yarn.appMasterEnv.PYSPARK_PYTHON=./environment/bin/python" in command
    assert "spark.executorEnv.PYSPARK_PYTHON=./environment/bin/python" in command
    tags = "retail-lake:run:run-1,retail-lake:table:silver.sales,retail-lake:days:2017-01-01..2017-01-02"
    assert command[command.index(f"spark.yarn.tags={tags}") - 1] == "--conf"
    assert command[-5:] == ["s3://b/a/main.py", *LAUNCH.arguments]


@pytest.mark.parametrize(("tagged", "said"), [((), "none has it"), (("j-1", "j-2"), "2 have it: j-1, j-2")])
def test_emr_wants_exactly_one_cluster(tmp_path: Path, stub: Stub, tagged: tuple[str, ...], said: str) -> None:
    service = emr.Emr(settings_for(tmp_path, emr_cluster="team=data"))
    clusters(stub, tagged)
    with pytest.raises(ConfigurationFailure, match=said):
        service.cluster()
    clusters(stub, ("j-2",))
    assert service.cluster() == "j-2"


def clusters(stub: Stub, tagged: tuple[str, ...]) -> None:
    """Three clusters are live, these have the tag."""
    live = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
    names = ("j-1", "j-2", "j-3")
    stub("emr").add_response("list_clusters", {"Clusters": [{"Id": name} for name in names]}, {"ClusterStates": live})
    for name in names:
        tags = [{"Key": "team", "Value": "data" if name in tagged else "other"}]
        stub("emr").add_response("describe_cluster", {"Cluster": {"Id": name, "Tags": tags}}, {"ClusterId": name})


def test_emr_s_steps_are_found_watched_and_stopped(settings: Settings, stub: Stub) -> None:
    service = emr.Emr(settings)
    steps = [{"Id": "s-2", "Name": "retail-lake x other"}, {"Id": "s-1", "Name": f"retail-lake silver.sales {LAUNCH.token}"}]
    stub("emr").add_response("list_steps", {"Steps": steps}, {"ClusterId": "j-1"})
    assert service.find(LAUNCH.token) == "j-1/s-1"
    status = {
        "State": "FAILED",
        "FailureDetails": {"Reason": "Unknown Error.", "LogFile": "s3://b/l"},
        "Timeline": {"StartDateTime": BEGAN, "EndDateTime": ENDED},
    }
    stub("emr").add_response("describe_step", {"Step": {"Id": "s-1", "Status": status}}, {"ClusterId": "j-7", "StepId": "s-1"})
    stub("emr").add_response("list_instances", {"Instances": [{"Id": "1"}, {"Id": "2"}]})
    found = service.status("j-7/s-1")
    assert (found.state, found.reason, dict(found.usage)) == (State.FAILED, "Unknown Error.", {"instance_seconds": 240.0})
    stub("emr").add_response(
        "cancel_steps", {}, {"ClusterId": "j-7", "StepIds": ["s-1"], "StepCancellationOption": "SEND_INTERRUPT"}
    )
    service.cancel("j-7/s-1")


@pytest.mark.parametrize(
    ("times", "reports", "found"),
    [
        ({"StartDateTime": ago(90), "EndDateTime": ago(30)}, False, State.RUNNING),
        ({"StartDateTime": ago(90), "EndDateTime": ago(30)}, True, State.STOPPED),
        ({"StartDateTime": ago(9000), "EndDateTime": ago(8000)}, False, State.STOPPED),
        ({"EndDateTime": ago(30)}, False, State.STOPPED),
    ],
    ids=["its driver lives", "its driver has said so", "long ago", "before its turn"],
)
def test_a_cancelled_step_of_emr_s_has_stopped_when_its_driver_has(
    settings: Settings, stub: Stub, times: dict[str, datetime], reports: bool, found: State
) -> None:
    here = settings.model_copy(update={"artifacts_uri": str(settings.home / "artifacts")})
    if reports:
        write_bytes(launches.report(here, LAUNCH.token), b"{}", here)
    step = {"Id": "s-1", "Name": f"{LAUNCH.name} {LAUNCH.token}", "Status": {"State": "CANCELLED", "Timeline": times}}
    stub("emr").add_response("describe_step", {"Step": step}, {"ClusterId": "j-7", "StepId": "s-1"})
    stub("emr").add_response("list_instances", {"Instances": [{"Id": "1"}]})
    status = emr.Emr(here).status("j-7/s-1")
    assert (status.state, status.ended_at) == (found, times["EndDateTime"] if found.ended else None)


def test_a_cancelled_step_of_emr_s_may_live_while_nobody_can_tell(settings: Settings, stub: Stub) -> None:
    (settings.home / "no folder").write_bytes(b"")
    here = settings.model_copy(update={"artifacts_uri": str(settings.home / "no folder")})
    times = {"StartDateTime": ago(90), "EndDateTime": ago(30)}
    step = {"Id": "s-1", "Name": f"{LAUNCH.name} {LAUNCH.token}", "Status": {"State": "CANCELLED", "Timeline": times}}
    stub("emr").add_response("describe_step", {"Step": step}, {"ClusterId": "j-7", "StepId": "s-1"})
    stub("emr").add_response("list_instances", {"Instances": [{"Id": "1"}]})
    assert emr.Emr(here).status("j-7/s-1").state is State.RUNNING


def test_the_end_of_a_log_on_s3(tmp_path: Path, settings: Settings) -> None:
    folder = str(tmp_path / "driver")
    assert logs.s3_tail(settings, folder, 4) == Log((), arrived=False)
    write_bytes(f"{folder}/stdout.gz", gzip.compress(b""), settings)
    assert logs.s3_tail(settings, folder, 4) == Log((), arrived=False), "the other stream may be on its way"
    os.utime(f"{folder}/stdout.gz", (time.time() - 60,) * 2)
    assert logs.s3_tail(settings, folder, 4) == Log(()), "there is no other one"
    write_bytes(f"{folder}/stderr.gz", gzip.compress("".join(f"line {n}\n" for n in range(100)).encode()), settings)
    assert logs.s3_tail(settings, folder, 4) == Log(("line 98", "line 99"))
    write_bytes(f"{folder}/stdout.gz", gzip.compress(b"only\n"), settings)
    assert logs.s3_tail(settings, folder, 4) == Log(("line 98", "line 99", "only"))


def test_a_cluster_that_keeps_no_logs_has_none_to_wait_for(settings: Settings, stub: Stub) -> None:
    stub("emr").add_response("describe_cluster", {"Cluster": {"Id": "j-1"}}, {"ClusterId": "j-1"})
    assert emr.Emr(settings).log_tail("j-1/s-1") == Log((), arrived=True)


@pytest.mark.parametrize(
    ("name", "without", "said"),
    [
        ("glue", {"glue_role": ""}, "RETAIL_LAKE_GLUE_ROLE is not set"),
        ("emr_serverless", {"emr_serverless_application": ""}, "RETAIL_LAKE_EMR_SERVERLESS_APPLICATION is not set"),
        ("emr", {"emr_cluster": ""}, "RETAIL_LAKE_EMR_CLUSTER is not set"),
        ("awslambda", {"artifacts_uri": ""}, "RETAIL_LAKE_ARTIFACTS_URI is not set"),
        ("glue", {"lake_uri": "/lake"}, "RETAIL_LAKE_LAKE_URI must be s3"),
        ("nonsense", {}, "There is no engine 'nonsense'"),
    ],
)
def test_an_engine_that_cannot_run_says_which_setting_is_missing(
    tmp_path: Path, name: str, without: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationFailure, match=said):
        open_engine(settings_for(tmp_path, **without), name)


@pytest.mark.parametrize("name", ["glue", "emr_serverless", "emr", "awslambda"])
def test_opening_an_engine_asks_nothing_of_aws(settings: Settings, name: Any) -> None:
    assert open_engine(settings, name).name == open_control(settings, name).name == name

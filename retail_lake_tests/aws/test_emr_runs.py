"""EMR Serverless job runs and EMR steps are the packed environment's Python in a process of its own."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from retail_lake_tests.aws.mini import ROLE, Mini, until
from retail_lake_tests.aws.server import Aws

TELL = """
    import json, os, sys
    import packed
    print("FOUND" + json.dumps([packed.word(), sys.executable, os.getcwd(), sys.argv[1:]]))
    sys.exit(int(sys.argv[1]) if sys.argv[1:] else 0)
"""
PACKED = "def word(): return 'packed'"
PYTHON = "./environment/bin/python"


def _log(mini: Mini, key: str) -> str:
    where = {"Bucket": mini.aws.s3.bucket, "Key": f"mini/{key}"}
    until(lambda: mini.s3.list_objects_v2(Bucket=where["Bucket"], Prefix=where["Key"])["KeyCount"], lambda found: found == 1)
    return gzip.decompress(mini.s3.get_object(**where)["Body"].read()).decode()


def _found(text: str) -> list[Any]:
    found: list[Any] = json.loads(next(line for line in text.splitlines() if line.startswith("FOUND"))[5:])
    return found


class TestServerless:
    """Job runs of an application."""

    @pytest.fixture
    def application(self, aws: Aws) -> str:
        made = aws.client("emr-serverless").create_application(name="x", releaseLabel="emr-spark-8.1.0", type="SPARK")
        return str(made["applicationId"])

    def _start(self, mini: Mini, application: str, token: str, *arguments: str, **more: Any) -> str:
        archive = mini.environment("packed", PACKED)
        driver = {
            "entryPoint": mini.entry(TELL),
            "entryPointArguments": list(arguments),
            "sparkSubmitParameters": f"--conf spark.archives={archive}#environment "
            f"--conf spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON={PYTHON} --conf spark.executor.instances=2",
        }
        logs = {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{mini.aws.s3.bucket}/mini/logs/"}}}
        started = mini.aws.client("emr-serverless").start_job_run(
            **{
                "applicationId": application,
                "clientToken": token,
                "executionRoleArn": ROLE,
                "jobDriver": {"sparkSubmit": driver},
                "configurationOverrides": logs,
                "tags": {"run": "1"},
                **more,
            }
        )
        return str(started["jobRunId"])

    def _ended(self, aws: Aws, application: str, run_id: str) -> dict[str, Any]:
        emr = aws.client("emr-serverless")
        ended = ("SUCCESS", "FAILED", "CANCELLED")
        found: dict[str, Any] = until(
            lambda: emr.get_job_run(applicationId=application, jobRunId=run_id)["jobRun"], lambda run: run["state"] in ended
        )
        return found

    def test_a_run_is_the_artifact_with_its_own_python(self, aws: Aws, mini: Mini, application: str) -> None:
        run_id = self._start(mini, application, "token-1", "0", "word")
        run = self._ended(aws, application, run_id)
        assert (run["state"], run["stateDetails"], run["tags"]) == ("SUCCESS", "", {"run": "1"})
        said = _log(mini, f"logs/applications/{application}/jobs/{run_id}/SPARK_DRIVER/stdout.gz")
        word, python, folder, arguments = _found(said)
        assert (word, arguments) == ("packed", ["0", "word"])
        assert python == f"{folder}/environment/bin/python"
        # A driver of 4 vCPUs and two executors of 4, a minute at least.
        assert run["billedResourceUtilization"]["vCPUHour"] == 0.2

    def test_a_failure_says_how_it_ended(self, aws: Aws, mini: Mini, application: str) -> None:
        run = self._ended(aws, application, self._start(mini, application, "token-1", "3"))
        assert run["state"] == "FAILED"
        assert "ExitCode: 3" in run["stateDetails"]

    def test_a_token_starts_one_run(self, aws: Aws, mini: Mini, application: str) -> None:
        first = self._start(mini, application, "token-1", "0")
        assert self._start(mini, application, "token-1", "0") == first
        with pytest.raises(ClientError, match="ConflictException"):
            self._start(mini, application, "token-1", "1")
        assert self._start(mini, application, "token-2", "0") != first
        listed = aws.client("emr-serverless").get_paginator("list_job_runs").paginate(applicationId=application)
        assert [run["id"] for page in listed for run in page["jobRuns"]][-1] == first

    def test_a_hanging_run_is_cancelled_and_leaves_no_process(self, aws: Aws, mini: Mini, application: str) -> None:
        aws.faults.order_job("emr-serverless", "hangs")
        run_id, emr = self._start(mini, application, "token-1", "0"), aws.client("emr-serverless")
        until(lambda: emr.get_job_run(applicationId=application, jobRunId=run_id)["jobRun"]["state"], lambda s: s == "RUNNING")
        process = aws.runtime.jobs[-1].process
        emr.cancel_job_run(applicationId=application, jobRunId=run_id)
        assert self._ended(aws, application, run_id)["state"] == "CANCELLED"
        assert process is not None
        assert process.alive() == []
        with pytest.raises(ClientError, match="ValidationException"):
            emr.cancel_job_run(applicationId=application, jobRunId=run_id)

    def test_an_unknown_option_is_refused(self, aws: Aws, mini: Mini, application: str) -> None:
        driver = {"sparkSubmit": {"entryPoint": "s3://lake/x.py", "sparkSubmitParameters": "--cnof a=b"}}
        with pytest.raises(ClientError, match="Unrecognized option: --cnof"):
            self._start(mini, application, "token-1", jobDriver=driver)


class TestSteps:
    """Steps of a cluster."""

    @pytest.fixture
    def cluster(self, aws: Aws) -> str:
        made = aws.client("emr").run_job_flow(
            Name="c",
            ReleaseLabel="emr-7.13.0",
            LogUri=f"s3://{aws.s3.bucket}/mini/emr/",
            Instances={
                "MasterInstanceType": "m5.xlarge",
                "SlaveInstanceType": "m5.xlarge",
                "InstanceCount": 2,
                "KeepJobFlowAliveWhenNoSteps": True,
            },
            Tags=[{"Key": "lake", "Value": "retail"}],
        )
        return str(made["JobFlowId"])

    def _step(self, mini: Mini, *arguments: str, mode: str = "cluster", entry: str = TELL, **more: Any) -> dict[str, Any]:
        archive = mini.environment("packed", PACKED)
        command = ["spark-submit", "--deploy-mode", mode, "--archives", f"{archive}#environment"]
        command += ["--conf", f"spark.yarn.appMasterEnv.PYSPARK_PYTHON={PYTHON}", mini.entry(entry), *arguments]
        return {"Name": "s", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": command}, **more}

    def _add(self, mini: Mini, cluster: str, *arguments: str, **more: Any) -> str:
        step = self._step(mini, *arguments, **more)
        return str(mini.aws.client("emr").add_job_flow_steps(JobFlowId=cluster, Steps=[step])["StepIds"][0])

    def _state(self, mini: Mini, cluster: str, step: str) -> dict[str, Any]:
        found: dict[str, Any] = mini.aws.client("emr").describe_step(ClusterId=cluster, StepId=step)["Step"]["Status"]
        return found

    def _ended(self, mini: Mini, cluster: str, step: str) -> dict[str, Any]:
        live = ("PENDING", "RUNNING", "CANCEL_PENDING")
        found: dict[str, Any] = until(lambda: self._state(mini, cluster, step), lambda status: status["State"] not in live)
        return found

    def test_a_step_is_the_artifact_with_its_own_python(self, mini: Mini, cluster: str) -> None:
        step = self._add(mini, cluster, "0", mode="client")
        status = self._ended(mini, cluster, step)
        assert status["State"] == "COMPLETED"
        assert status["Timeline"]["StartDateTime"] <= status["Timeline"]["EndDateTime"]
        until(lambda: mini.s3.list_objects_v2(Bucket="lake", Prefix=f"mini/emr/{cluster}/")["KeyCount"], lambda n: n == 2)
        assert _found(_log(mini, f"emr/{cluster}/steps/{step}/stdout.gz"))[0] == "packed"

    def test_a_driver_on_the_cluster_leaves_its_output_there(self, mini: Mini, cluster: str) -> None:
        step = self._add(mini, cluster, "3")
        status = self._ended(mini, cluster, step)
        assert status["State"] == "FAILED"
        assert "finished with failed status" in status["FailureDetails"]["Message"]
        keys = until(
            lambda: [o["Key"] for o in mini.s3.list_objects_v2(Bucket="lake", Prefix=f"mini/emr/{cluster}/").get("Contents", [])],
            lambda found: len(found) == 4,
        )
        assert "User application exited with status 3" in _log(mini, f"emr/{cluster}/steps/{step}/stderr.gz")
        container = next(key for key in keys if "/containers/" in key and key.endswith("stdout.gz"))
        assert _found(_log(mini, container.removeprefix("mini/")))[0] == "packed"

    def test_steps_run_one_after_another(self, mini: Mini, cluster: str) -> None:
        wait = "import time; time.sleep(1000)"
        first, second = self._add(mini, cluster, entry=wait, mode="client"), self._add(mini, cluster, "0")
        until(lambda: self._state(mini, cluster, first)["State"], lambda state: state == "RUNNING")
        assert self._state(mini, cluster, second)["State"] == "PENDING"
        self._cancel(mini, cluster, first)
        assert self._ended(mini, cluster, first)["State"] == "CANCELLED"
        assert self._ended(mini, cluster, second)["State"] == "COMPLETED"

    def test_cancelling_the_step_of_a_driver_on_the_cluster_leaves_the_driver(self, mini: Mini, cluster: str) -> None:
        step = self._add(mini, cluster, entry="import time; time.sleep(1000)")
        process = until(lambda: mini.aws.runtime.jobs[-1].process, lambda started: started is not None)
        self._cancel(mini, cluster, step)
        assert self._state(mini, cluster, step)["State"] == "CANCELLED"
        assert len(process.alive()) == 1
        mini.aws.client("emr").terminate_job_flows(JobFlowIds=[cluster])
        until(process.alive, lambda pids: pids == [])

    def test_a_failed_step_can_end_those_that_wait(self, mini: Mini, cluster: str) -> None:
        # One request, so that the second waits before the first can fail.
        steps = [self._step(mini, "1", ActionOnFailure="CANCEL_AND_WAIT"), self._step(mini, "0")]
        first, second = mini.aws.client("emr").add_job_flow_steps(JobFlowId=cluster, Steps=steps)["StepIds"]
        assert self._ended(mini, cluster, first)["State"] == "FAILED"
        assert self._ended(mini, cluster, second)["State"] == "CANCELLED"

    def test_what_a_cluster_cannot_run_fails_when_its_turn_comes(self, mini: Mini, cluster: str) -> None:
        step = {"Name": "s", "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["hive-script"]}}
        added = mini.aws.client("emr").add_job_flow_steps(JobFlowId=cluster, Steps=[step])["StepIds"][0]
        status = self._ended(mini, cluster, added)
        assert "Cannot run program hive-script" in status["FailureDetails"]["Message"]

    def _cancel(self, mini: Mini, cluster: str, step: str) -> None:
        answer = mini.aws.client("emr").cancel_steps(ClusterId=cluster, StepIds=[step], StepCancellationOption="SEND_INTERRUPT")
        assert [info["Status"] for info in answer["CancelStepsInfoList"]] == ["SUBMITTED"]

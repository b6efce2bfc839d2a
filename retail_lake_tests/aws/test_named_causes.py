"""What each service says of a job that was disturbed is what its engine names the cause by."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.engines import causes
from retail_lake.engines.control import Quiet, Status
from retail_lake.engines.emr import Emr
from retail_lake.engines.emr_serverless import EmrServerless
from retail_lake.engines.glue import Glue
from retail_lake.engines.last_words import last_words
from retail_lake_tests.aws.account import Account, prepare
from retail_lake_tests.aws.mini import Mini, until
from retail_lake_tests.aws.server import Aws

SERVICES = ("glue", "emr-serverless", "emr")
CAUSES = {
    "capacity": "capacity",
    "fails": "driver error",
    "out of memory": "out of memory",
    "driver lost": "driver killed",
    "silent": "never reported",
}


@pytest.fixture
def account(aws: Aws, tmp_path: Path) -> Account:
    """The settings that the engines read."""
    return prepare(aws, tmp_path, "causes", glue_job="mini")


def _ended(mini: Mini, settings: Settings, service: str) -> tuple[Status, list[str]]:
    """Run an entry script that would do well, by the service's own calls, and see it through the engine's eyes."""
    entry, aws = mini.entry("import time; time.sleep(0.3)"), mini.aws
    control: Glue | EmrServerless | Emr
    if service == "glue":
        mini.glue_job(entry)
        control, remote_id = Glue(settings), mini.glue_run()
    elif service == "emr-serverless":
        logs = {"monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"{settings.artifacts_uri}/logs/"}}}
        started = aws.client("emr-serverless").start_job_run(
            applicationId=settings.emr_serverless_application,
            clientToken="t",
            executionRoleArn=settings.emr_serverless_role,
            jobDriver={"sparkSubmit": {"entryPoint": entry}},
            configurationOverrides=logs,
        )
        control, remote_id = EmrServerless(settings), started["jobRunId"]
    else:
        jar = {"Jar": "command-runner.jar", "Args": ["spark-submit", "--deploy-mode", "cluster", entry]}
        steps = [{"Name": "s", "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar}]
        added = aws.client("emr").add_job_flow_steps(JobFlowId=settings.emr_cluster, Steps=steps)
        control, remote_id = Emr(settings), f"{settings.emr_cluster}/{added['StepIds'][0]}"
    status = until(lambda: control.status(remote_id), lambda s: s.state.ended)
    return status, last_words(control, remote_id, Quiet(), time.sleep, longest=0.1, within=20)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("fault", CAUSES)
def test_the_cause_is_named(aws: Aws, mini: Mini, account: Account, service: str, fault: str) -> None:
    aws.faults.order_job(service, fault)
    status, log = _ended(mini, account.settings, service)
    assert causes.name(status.state, status.reason, log).name == CAUSES[fault], (status, log)
    if fault == "fails":
        # In the program's own words, wherever the service keeps them, and however late.
        assert "RuntimeError: the test ordered this job to fail" in log

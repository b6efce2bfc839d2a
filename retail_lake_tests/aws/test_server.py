"""Requests are held against botocore's models, and the faults of requests happen as ordered."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from retail_lake_tests.aws.mini import ROLE, Mini
from retail_lake_tests.aws.server import Aws


def _sent(aws: Aws, target: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """A request as botocore would never send it."""
    service = {"AWSGlue": "glue", "ElasticMapReduce": "elasticmapreduce"}[target.partition(".")[0]]
    headers = {
        "X-Amz-Target": target,
        "Content-Type": "application/x-amz-json-1.1",
        "Authorization": f"AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/{service}/aws4_request, Signature=0",
    }
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
    connection.request("POST", "/", json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.parametrize(
    ("target", "body", "code", "words"),
    [
        ("AWSGlue.StartJobRun", {}, "ValidationException", 'Missing required parameter in input: "JobName"'),
        ("AWSGlue.StartJobRun", {"JobName": 7}, "ValidationException", "Invalid type for parameter JobName"),
        ("AWSGlue.StartJobRun", {"JobName": "x", "Arguements": {}}, "SerializationException", "no parameter Arguements"),
        ("AWSGlue.StartJobRun", {"JobName": "x", "WorkerType": "G.3X"}, "ValidationException", "enum value set"),
        ("AWSGlue.StartJobRun", {"JobName": "x" * 256}, "ValidationException", "less than or equal to 255"),
        ("AWSGlue.StartJobRum", {}, "UnknownOperationException", "no such operation"),
        ("ElasticMapReduce.CancelSteps", {"ClusterId": "j-1"}, "ValidationException", "StepIds"),
    ],
)
def test_a_wrong_request_is_refused(aws: Aws, target: str, body: dict[str, Any], code: str, words: str) -> None:
    status, answer = _sent(aws, target, body)
    assert status in (400, 404)
    assert answer["__type"] == code
    assert words in (answer.get("Message") or answer["message"])


def test_a_rule_that_only_the_service_checks_is_checked(aws: Aws) -> None:
    with pytest.raises(ClientError, match=r"ValidationException.*regular expression pattern"):
        aws.client("emr-serverless").get_job_run(applicationId="No Such Id!", jobRunId="00abc")


def test_an_unsigned_request_is_refused(aws: Aws) -> None:
    connection = http.client.HTTPConnection(urlsplit(aws.endpoint).netloc)
    connection.request("POST", "/", "{}", {"X-Amz-Target": "AWSGlue.GetJobs"})
    assert connection.getresponse().status == 403


def test_what_came_in_is_known_and_forgotten(aws: Aws, mini: Mini) -> None:
    mini.glue_job("s3://lake/mini/x.py")
    assert aws.called("glue", "CreateJob")[0]["Command"]["ScriptLocation"] == "s3://lake/mini/x.py"
    aws.reset()
    assert aws.calls == []
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        aws.client("glue").get_job(JobName="mini")


def test_an_ordered_error_happens_so_often_and_a_client_that_tries_again_gets_through(aws: Aws) -> None:
    aws.faults.order("glue", "GetJobs", error="ThrottlingException", times=2)
    with pytest.raises(ClientError, match="ThrottlingException"):
        aws.client("glue").get_jobs()
    assert aws.client("glue", attempts=2).get_jobs()["Jobs"] == []
    assert len(aws.called("glue", "GetJobs")) == 3
    assert aws.faults.pending() == []


def test_an_ordered_refusal_names_itself_in_every_protocol(aws: Aws) -> None:
    tries: list[tuple[str, str, Callable[[Any], Any]]] = [
        ("emr-serverless", "ListApplications", lambda c: c.list_applications()),
        ("emr", "ListClusters", lambda c: c.list_clusters()),
        ("iam", "ListRoles", lambda c: c.list_roles()),
        ("lambda", "ListFunctions", lambda c: c.list_functions()),
        ("athena", "ListWorkGroups", lambda c: c.list_work_groups()),
    ]
    for service, operation, ask in tries:
        aws.faults.order(service, operation, error="AccessDeniedException", message="not for you", status=403)
        with pytest.raises(ClientError, match=r"AccessDeniedException.*not for you"):
            ask(aws.client(service))


def test_a_lost_answer_is_of_a_request_that_was_carried_out(aws: Aws, mini: Mini) -> None:
    aws.faults.order("glue", "CreateJob", lost_answer=True)
    with pytest.raises(ConnectionClosedError):
        mini.glue_job("s3://lake/mini/x.py")
    assert aws.client("glue").get_job(JobName="mini")["Job"]["Role"] == ROLE


def test_an_order_can_wait_and_choose(aws: Aws) -> None:
    glue = aws.client("glue")
    aws.faults.order("glue", "GetDatabase", error="InternalServiceException", after=1, where=lambda p: p["Name"] == "silver")
    for name in ("silver", "gold"):
        glue.create_database(DatabaseInput={"Name": name})
    glue.get_database(Name="silver")
    glue.get_database(Name="gold")
    with pytest.raises(ClientError, match="InternalServiceException"):
        glue.get_database(Name="silver")


def test_a_late_answer_is_late(aws: Aws) -> None:
    aws.faults.order("glue", "GetJobs", delay=0.4)
    started = time.monotonic()
    aws.client("glue").get_jobs()
    assert time.monotonic() - started >= 0.4


class TestCatalog:
    """The Glue Data Catalog: a commit to an Iceberg table is an update of the version that it was made from."""

    def test_of_two_updates_of_one_version_the_second_is_refused(self, aws: Aws) -> None:
        glue = aws.client("glue")
        glue.create_database(DatabaseInput={"Name": "gold"})
        glue.create_table(DatabaseName="gold", TableInput={"Name": "t", "Parameters": {"metadata_location": "0"}})
        version = glue.get_table(DatabaseName="gold", Name="t")["Table"]["VersionId"]
        refused, lock = [], threading.Lock()

        def commit(number: int) -> None:
            try:
                parameters = {"metadata_location": str(number)}
                aws.client("glue").update_table(
                    DatabaseName="gold", TableInput={"Name": "t", "Parameters": parameters}, VersionId=version, SkipArchive=True
                )
            except ClientError as error:
                with lock:
                    refused.append(error.response["Error"]["Code"])

        threads = [threading.Thread(target=commit, args=(n,)) for n in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert refused == ["ConcurrentModificationException"] * 3
        table = glue.get_table(DatabaseName="gold", Name="t")["Table"]
        assert table["VersionId"] != version
        glue.update_table(DatabaseName="gold", TableInput={"Name": "t"}, VersionId=table["VersionId"])

    def test_pyiceberg_meets_the_conflict_and_commits_again(self, aws: Aws) -> None:
        import pyarrow as pa
        from pyiceberg.catalog import load_catalog

        properties = {"type": "glue", "warehouse": f"s3://{aws.s3.bucket}/iceberg", "s3.endpoint": aws.s3.endpoint}
        catalog = load_catalog("glue", **properties)
        catalog.create_namespace("conflict")
        rows = pa.table({"x": [1, 2]})
        table = catalog.create_table("conflict.t", rows.schema)
        aws.faults.order("glue", "UpdateTable", error="ConcurrentModificationException")
        table.append(rows)
        assert catalog.load_table("conflict.t").scan().to_arrow().num_rows == 2
        assert [p["DatabaseName"] for p in aws.called("glue", "UpdateTable")] == ["conflict"] * 2

"""An invocation runs the real handler, by Lambda's own runtime client, in a process of its own."""

from __future__ import annotations

import base64
import json
import os
import textwrap
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from retail_lake_tests.aws.awslambda import Lambda
from retail_lake_tests.aws.lambda_images import Broken, Image, build
from retail_lake_tests.aws.mini import ROLE, Mini, until, wheel
from retail_lake_tests.aws.server import Aws

URI = "123456789012.dkr.ecr.us-east-1.amazonaws.com/retail-lake:1"
HANDLER = """
    import os, sys, time

    def handle(event, context):
        print("handling", event["what"])
        if event["what"] == "fail":
            raise ValueError("no such day")
        if event["what"] == "hang":
            time.sleep(1000)
        if event["what"] == "exit":
            os._exit(3)
        left = context.get_remaining_time_in_millis()
        return {"pid": os.getpid(), "id": context.aws_request_id, "left": left, "environment": dict(os.environ), "path": sys.path}
"""


@pytest.fixture
def function(aws: Aws, mini: Mini) -> str:
    """A function of an image with that handler."""
    role = aws.client("iam").create_role(RoleName="jobs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    assert role == ROLE
    service = aws.services["lambda"]
    assert isinstance(service, Lambda)
    service.push(URI, Image("handling.handle", wheels=[mini.wheels(wheel("handling", HANDLER))]))
    aws.client("lambda").create_function(
        FunctionName="small",
        PackageType="Image",
        Code={"ImageUri": URI},
        Role=ROLE,
        Timeout=30,
        MemorySize=1024,
        Environment={"Variables": {"COLOUR": "green"}},
    )
    return "small"


def _invoke(aws: Aws, function: str, what: str, **more: Any) -> dict[str, Any]:
    payload = json.dumps({"what": what})
    answer: dict[str, Any] = aws.client("lambda").invoke(FunctionName=function, Payload=payload, LogType="Tail", **more)
    return {**answer, "Payload": json.loads(answer["Payload"].read() or b"null")}


def test_the_handler_answers_from_its_own_process(aws: Aws, function: str) -> None:
    answer = _invoke(aws, function, "work")
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    payload = answer["Payload"]
    assert payload["pid"] != os.getpid()
    assert 0 < payload["left"] <= 30_000
    assert payload["environment"]["COLOUR"] == "green"
    assert payload["environment"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "1024"
    assert not [name for name in payload["environment"] if name.startswith(("RETAIL_LAKE", "PYTEST"))]
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.startswith(f"START RequestId: {payload['id']}")
    assert "handling work" in log
    assert "REPORT RequestId" in log
    streams = aws.client("logs").describe_log_streams(logGroupName="/aws/lambda/small")["logStreams"]
    assert len(streams) == 1


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [("fail", "ValueError", "no such day"), ("exit", "Runtime.ExitError", "exit status 3")],
)
def test_a_handler_that_fails_is_a_function_error(aws: Aws, function: str, what: str, kind: str, words: str) -> None:
    answer = _invoke(aws, function, what)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert answer["Payload"]["errorType"] == kind
    assert words in answer["Payload"]["errorMessage"]


def test_a_handler_that_takes_too_long_is_ended(aws: Aws, function: str) -> None:
    aws.client("lambda").update_function_configuration(FunctionName=function, Timeout=2)
    answer = _invoke(aws, function, "hang")
    assert answer["Payload"]["errorType"] == "Sandbox.Timedout"
    assert "Task timed out after 2.00 seconds" in answer["Payload"]["errorMessage"]
    process = aws.runtime.jobs[-1].process
    assert process is not None
    assert process.alive() == []


def test_an_event_is_taken_and_handled_later(aws: Aws, function: str) -> None:
    answer = aws.client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=b'{"what": "work"}')
    assert answer["StatusCode"] == 202
    logs = aws.client("logs")

    def said() -> list[str]:
        streams = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/small")["logGroups"]
        events = logs.filter_log_events(logGroupName="/aws/lambda/small")["events"] if streams else []
        return [event["message"] for event in events]

    assert "handling work" in until(said, lambda lines: lines)


def test_limits_are_those_of_lambda(aws: Aws, function: str) -> None:
    client = aws.client("lambda")
    with pytest.raises(ClientError, match="RequestTooLargeException"):
        client.invoke(FunctionName=function, Payload=b'"' + b"x" * 6_300_000 + b'"')
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client.invoke(FunctionName="other")
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        client.invoke(FunctionName=function, Payload=b"{")
    aws.faults.order_job("lambda", "capacity")
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        client.invoke(FunctionName=function, Payload=b"{}")


def test_a_killed_function_says_so(aws: Aws, function: str) -> None:
    aws.faults.order_job("lambda", "out of memory")
    answer = _invoke(aws, function, "work")
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == "Runtime.OutOfMemory"


DOCKERFILE = """
    # A comment.
    FROM public.ecr.aws/lambda/python:3.13
    COPY wheels /tmp/wheels
    RUN pip install --no-cache-dir --no-index --find-links /tmp/wheels -r /tmp/wheels/requirements.txt \\
        && rm -rf /tmp/wheels
    ENV COLOUR=blue
    CMD ["handling.handle"]
"""


def test_an_image_is_what_its_folder_makes(aws: Aws, function: str, tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / "wheels").mkdir(parents=True)
    name, data = wheel("handling", "def handle(event, context):\n    import os\n    return os.environ['COLOUR']")
    (context / "wheels" / name).write_bytes(data)
    (context / "wheels" / "requirements.txt").write_text("handling==1.0\n")
    (context / "Dockerfile").write_text(textwrap.dedent(DOCKERFILE))
    service = aws.services["lambda"]
    assert isinstance(service, Lambda)
    service.push(URI, build(context, tmp_path / "image"))
    aws.client("lambda").update_function_configuration(FunctionName=function, Environment={"Variables": {}})
    assert _invoke(aws, function, "work")["Payload"] == "blue"


def test_an_image_that_lacks_a_wheel_is_not_built(tmp_path: Path) -> None:
    context = tmp_path / "context"
    (context / "wheels").mkdir(parents=True)
    (context / "wheels" / "requirements.txt").write_text("handling==1.0\n")
    (context / "Dockerfile").write_text(textwrap.dedent(DOCKERFILE))
    with pytest.raises(Broken, match="handling"):
        build(context, tmp_path / "image")

"""Causes are told by the words that the services, Spark and Python use."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from retail_lake.engines import causes
from retail_lake.engines.control import State
from retail_lake.failure import ConfigurationFailure, Failure, TransientFailure

REASONS = [
    ("Command failed with exit code 137", causes.KILLED),
    ("An error occurred while calling o91.save. java.lang.OutOfMemoryError: Java heap space", causes.OUT_OF_MEMORY),
    ("Job failed, please check complete logs in configured logging destination. ExitCode: 137.", causes.KILLED),
    (
        "ExecutorLostFailure (executor 3 exited): Container killed by YARN for exceeding physical memory limits.",
        causes.OUT_OF_MEMORY,
    ),
    ("Runtime.ExitError RequestId: 1 Error: Runtime exited with error: signal: killed", causes.OUT_OF_MEMORY),
    ("duckdb.OutOfMemoryException: Out of Memory Error: failed to allocate data of size 32.0 MiB", causes.OUT_OF_MEMORY),
    ("Insufficient capacity: no G.1X workers in us-east-1a", causes.CAPACITY),
    ("Worker could not be allocated as the application has exceeded maximumCapacity settings: [cpu: 16 vCPU]", causes.CAPACITY),
    ("Exceeded maximum concurrent capacity for your account: 100 DPU (ResourceNumberLimitExceededException)", causes.CAPACITY),
    ("TooManyRequestsException: Rate Exceeded.", causes.CAPACITY),
    ("An error occurred (AccessDenied) when calling the GetObject operation: Access Denied", causes.ACCESS_DENIED),
    ("User: arn:aws:sts::1:assumed-role/x is not authorized to perform: s3:PutObject", causes.ACCESS_DENIED),
    ("Amazon S3: Forbidden (Service: Amazon S3; Status Code: 403; Error Code: 403 Forbidden)", causes.ACCESS_DENIED),
    ("ModuleNotFoundError: No module named 'retail_lake'", causes.NOT_STARTED),
    ("/usr/bin/python3: can't open file '/tmp/main.py': [Errno 2]", causes.NOT_STARTED),
    ('Cannot run program "./environment/bin/python": error=2, No such file or directory', causes.NOT_STARTED),
    ("Command failed with exit code 1", causes.DRIVER_ERROR),
    ("Task timed out after 900.00 seconds", causes.TIMED_OUT),
    ("", causes.LOST),
    ("The driver is gone", causes.LOST),
]


@pytest.mark.parametrize(("reason", "cause"), REASONS)
def test_a_reason_tells_its_cause(reason: str, cause: causes.Cause) -> None:
    assert causes.name(State.FAILED, reason) is cause


@pytest.mark.parametrize(("said", "cause"), [r for r in REASONS if r[1] not in (causes.TIMED_OUT, causes.LOST)])
def test_so_does_a_log_where_the_service_only_says_that_it_failed(said: str, cause: causes.Cause) -> None:
    assert causes.name(State.FAILED, "Command failed with exit code 1", ["before", said, "after"]) is cause


def test_the_service_s_own_words_count_before_the_log() -> None:
    assert causes.name(State.FAILED, "exit code 137", ["AccessDenied, tried again"]) is causes.KILLED


@pytest.mark.parametrize(
    ("state", "cause"),
    [(State.SUCCEEDED, causes.NEVER_REPORTED), (State.TIMED_OUT, causes.TIMED_OUT), (State.STOPPED, causes.STOPPED)],
)
def test_some_states_say_enough(state: State, cause: causes.Cause) -> None:
    assert causes.name(state, "exit code 1", ["Traceback (most recent call last):"]) is cause


@pytest.mark.parametrize(
    ("code", "kind", "named"),
    [
        ("ConcurrentRunsExceededException", TransientFailure, "capacity"),
        ("TooManyRequestsException", TransientFailure, "capacity"),
        ("AccessDeniedException", ConfigurationFailure, "access denied"),
        ("ThrottlingException", TransientFailure, "submitting: "),
        ("EntityNotFoundException", ConfigurationFailure, "submitting: "),
    ],
)
def test_a_refusal_names_its_cause(code: str, kind: type[Failure], named: str) -> None:
    refused = causes.refusal(ClientError({"Error": {"Code": code, "Message": "no"}}, "StartJobRun"), "submitting")
    assert type(refused) is kind and named in str(refused) and code in str(refused)

"""AWS clients, made one way: region, timeouts and retries from one place, refusals as failures that say what to do.

Belongs here: making a client, and what an AWS error means. Does not: what is asked of a service. Credentials come from
AWS's own chain and are neither settings nor logged; `AWS_ENDPOINT_URL` and its kin point elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from retail_lake.failure import ConfigurationFailure, Failure, TransientFailure

if TYPE_CHECKING:
    from retail_lake.config import Settings

ATTEMPTS: Final = 6
_MAKING = threading.Lock()
"""Clients may be shared by threads, but boto3 makes one at a time."""
_PASSING: Final = frozenset(
    {
        # What botocore calls an answer that is not in AWS's own words: of a load balancer, or of a proxy on the way.
        "500",
        "502",
        "503",
        "504",
        "ActiveSessionsExceededException",
        "ActiveStatementsExceededException",
        "ConcurrentModificationException",
        "ConcurrentRunsExceededException",
        "EC2ThrottledException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServerException",
        "InternalServiceError",
        "InternalServiceException",
        "OperationTimeoutException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ResourceNumberLimitExceededException",
        "ServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Error codes that another try may well not meet."""


def client(service: str, settings: Settings, *, read_timeout: float = 60, attempts: int = ATTEMPTS) -> Any:
    """A boto3 client of that service. Throttling, 5xx and network faults are tried again with backoff and jitter."""
    import boto3
    from botocore.config import Config

    config = Config(
        region_name=settings.region,
        connect_timeout=10,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        # A call of a Lambda function is silent for as long as it works, and routers forget silent connections.
        tcp_keepalive=True,
        # As many as threads use one at once: botocore opens and closes what is above it, and warns of each.
        max_pool_connections=16,
        # An S3 server by its address has no name per bucket.
        s3={"addressing_style": "path"} if service == "s3" and settings.s3_endpoint else None,
    )
    endpoint = settings.s3_endpoint if service == "s3" else ""
    with _MAKING:
        return boto3.client(service, config=config, endpoint_url=endpoint or None)


@contextmanager
def refusals(what: str) -> Iterator[None]:
    """Turn AWS errors into failures by what may be done about them; `what` says what was being done."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise failure_of(error, what) from error


def failure_of(error: Exception, what: str) -> Failure:
    """An AWS error as a failure: transient if another try may succeed, else a matter of configuration."""
    from botocore.exceptions import ConnectionError, HTTPClientError

    code = code_of(error)
    if code in _PASSING or isinstance(error, (ConnectionError, HTTPClientError)):
        return TransientFailure(f"{what}: {error}")
    hint = " Grant it to the caller's role, or run `retail-lake doctor`." if "AccessDenied" in code else ""
    return ConfigurationFailure(f"{what}: {error}{hint}")


def code_of(error: BaseException) -> str:
    """The error code that AWS answered with; empty for an error of another kind."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` as bucket and key."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key

"""Moto's server with what it lacks, remembering which operations change something.

Belongs here: the control planes that a deployment talks to. Does not: any that runs something.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.glue.responses import GlueResponse
from moto.server import ThreadedMotoServer

from retail_lake_tests.s3 import ENVIRONMENT

_FIELDS = (
    *("Description", "Role", "Command", "DefaultArguments", "GlueVersion", "WorkerType", "NumberOfWorkers"),
    *("ExecutionClass", "Timeout", "MaxRetries", "ExecutionProperty"),
)
_ACCOUNTS = itertools.count(210_000_000_000)


@dataclass
class Recorded:
    """An account of its own on a running server, and the operations it was asked that are not reads, in order."""

    endpoint: str
    account: str
    changes: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        """A client of it."""
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1")

    @property
    def role(self) -> str:
        """ARN of the role that jobs run as."""
        return f"arn:aws:iam::{self.account}:role/retail-lake-job"

    def named(self, bucket: str) -> str:
        """A bucket's name: no two accounts have the same."""
        return f"{bucket}-{self.account}"

    def prepare(self) -> None:
        """Make what is there before a deployment: a role that Lambda may take, and buckets."""
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        self.client("iam").create_role(RoleName=self.role.rpartition("/")[2], AssumeRolePolicyDocument=document)
        for bucket in ("lake", "landing", "artifacts"):
            self.client("s3").create_bucket(Bucket=self.named(bucket))
        self.changes.clear()


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Run a server until the end of the block, this process's environment pointing at it."""
    monkeypatch.setattr(GlueResponse, "update_job", _update_job, raising=False)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        plane = Recorded(f"http://{host}:{port}", f"{next(_ACCOUNTS):012d}")
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": plane.endpoint}.items():
            monkeypatch.setenv(name, value)
        _listen(monkeypatch, plane)
        yield plane
    finally:
        server.stop()


def _listen(monkeypatch: pytest.MonkeyPatch, plane: Recorded) -> None:
    """Send what this process asks to the account, and note it. Moto's accounts are of the process: others may use theirs."""

    def noted(model: Any, params: Any, **_: Any) -> None:
        params["headers"]["x-moto-account-id"] = plane.account
        if not model.name.startswith(("Get", "Head", "List", "Describe")):
            plane.changes.append(model.name)

    session = boto3.Session()
    session.events.register("before-call", noted)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)


def _update_job(self: GlueResponse) -> str:
    """As Glue documents it: the whole definition is replaced; the name, the tags and the time of creation stay."""
    name, update = self.parameters["JobName"], self.parameters["JobUpdate"]
    job = self.glue_backend.get_job(name)
    for key in _FIELDS:
        setattr(job, re.sub("(?<!^)([A-Z])", r"_\1", key).lower(), update.get(key))
    return json.dumps({"JobName": name})

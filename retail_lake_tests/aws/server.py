"""One HTTP endpoint for every service but S3: our own operations in front, moto's server behind, in this process's threads.

Belongs here: receiving a request, logging it, the faults of requests, who carries it out. Does not: reading and writing the
protocols (`protocol.py`), any service's operations.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import boto3
from botocore.config import Config
from moto.core.model import OperationModel
from moto.core.request import Request
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.test import Client as TestClient
from werkzeug.wrappers import Response

from retail_lake_tests.aws import protocol
from retail_lake_tests.aws.faults import Faults, Order
from retail_lake_tests.aws.runtime import Runtime
from retail_lake_tests.aws.service import REGION, AwsError, Call, Service
from retail_lake_tests.s3 import KEY, SECRET, S3Server


class _Dropped(ConnectionError):
    """The connection was cut on purpose; the server takes it as gone."""


class QuietHandler(WSGIRequestHandler):
    """A server's handler of requests that leaves no log."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing: what came in is in `Aws.calls`."""


class Aws:
    """An AWS in this process. `environment` points any SDK at it; `calls` is all that came in, refused requests too."""

    def __init__(self, s3: S3Server, folder: Path, services: Iterable[Service] = ()) -> None:
        self.s3, self.folder, self.faults = s3, folder, Faults()
        self.calls: list[Call] = []
        self.s3_endpoint = s3.endpoint
        """Where processes find S3; `s3_front.serve` puts itself in between."""
        self.services = {service.name: service for service in services}
        for service in self.services.values():
            service.aws = self
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = ThreadedWSGIServer("127.0.0.1", 0, self._application, handler=QuietHandler)
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, name="aws", daemon=True)
        self._local = threading.local()
        self._around = {name: os.environ.get(name) for name in self.environment}
        self.runtime = Runtime(self)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to talk to this AWS and to nothing else."""
        return {
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ENDPOINT_URL_S3": self.s3_endpoint,
            "RETAIL_LAKE_S3_ENDPOINT": self.s3_endpoint,
            # No shared files: what a person has configured on this machine is not part of a test.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def hidden(self) -> AbstractContextManager[None]:
        """This process's environment as it was before, until the end of the block: for tests that know of no AWS."""
        return variables(self._around)

    def client(self, service: str, *, attempts: int = 1, read_timeout: float = 60) -> Any:
        """A boto3 client of this AWS that tries `attempts` times, for tests and for services among themselves."""
        config = Config(
            region_name=REGION,
            retries={"mode": "standard", "total_max_attempts": attempts},
            read_timeout=read_timeout,
            s3={"addressing_style": "path"} if service == "s3" else None,
        )
        endpoint = self.s3.endpoint if service == "s3" else self.endpoint
        return boto3.client(service, endpoint_url=endpoint, config=config, aws_access_key_id=KEY, aws_secret_access_key=SECRET)

    def called(self, service: str, operation: str) -> list[dict[str, Any]]:
        """The parameters of every request of that operation, in order."""
        return [call.params for call in list(self.calls) if (call.service, call.operation) == (service, operation)]

    def moto(self, call: Call) -> Response:
        """Moto's own answer to the request that is being carried out in this thread; its backends change accordingly."""
        environ = self._local.environ
        return Response.from_app(self._moto, environ)

    def reset(self) -> None:
        """Everything as at the start: services, moto's records, faults and the log. S3 keeps its objects."""
        self.faults.clear()
        self.runtime.stop()
        for service in self.services.values():
            service.reset()
        TestClient(self._moto).post("/moto-api/reset")
        self.calls.clear()

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop what the services started, then answer no more."""
        try:
            self.runtime.close()
            for service in self.services.values():
                service.close()
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(10)

    def _application(self, environ: dict[str, Any], start_response: Any) -> Any:
        response = self._respond(environ)
        response.headers.setdefault("x-amzn-RequestId", str(uuid.uuid4()))
        return response(environ, start_response)

    def _respond(self, environ: dict[str, Any]) -> Response:
        if environ["PATH_INFO"].startswith("/moto-api"):
            return Response.from_app(self._moto, environ)
        # Read once: moto reads the body again.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        operation: OperationModel | None = None
        request_id = str(uuid.uuid4())
        try:
            call, operation = protocol.read(Request(dict(environ, **{"wsgi.input": io.BytesIO(body)})))
            self.calls.append(call)
            fault = self.faults.due(call.service, call.operation, call.params)
            if fault is not None:
                self._before(fault)
            self._local.environ = environ
            response = self._carry_out(call, operation, request_id)
        except AwsError as error:
            return protocol.refusal(operation, error, request_id)
        if fault is not None and fault.lost_answer:
            drop(environ)
        return response

    def _before(self, fault: Order) -> None:
        if fault.delay:
            time.sleep(fault.delay)
        if fault.error:
            raise AwsError(fault.error, fault.message or f"{fault.error} (ordered by the test)", fault.status)

    def _carry_out(self, call: Call, operation: OperationModel, request_id: str) -> Response:
        service = self.services.get(call.service)
        method = service.operation(call.operation) if service else None
        if method is None:
            return self.moto(call)
        result = method(call.params, call)
        return result if isinstance(result, Response) else protocol.answer(operation, result, request_id)


def drop(environ: Mapping[str, Any]) -> NoReturn:
    """Cut the connection that a request came on, instead of answering it."""
    connection: socket.socket = environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
    raise _Dropped("the answer is lost")


@contextmanager
def variables(chosen: Mapping[str, str | None]) -> Iterator[None]:
    """This process's environment with these variables, or without those that are None, until the end of the block."""
    before = {name: os.environ.get(name) for name in chosen}
    _set(chosen)
    try:
        yield
    finally:
        _set(before)


def _set(chosen: Mapping[str, str | None]) -> None:
    for name, value in chosen.items():
        os.environ.pop(name, None)
        os.environ.update({name: value} if value is not None else {})


@contextmanager
def serve(s3: S3Server, folder: Path, services: Iterable[Service]) -> Iterator[Aws]:
    """Run an AWS until the end of the block, with this process's environment pointing at it."""
    aws = Aws(s3, folder, services)
    aws.start()
    try:
        with variables(aws.environment):
            yield aws
    finally:
        aws.close()

"""A front of the S3 server through which faults of S3 are made: errors, uploads that break off, answers that are lost.

Belongs here: handing requests on as they are, signature and all, and the faults ordered for `s3`. Does not: S3. Only tests
that order such faults go through it.
"""

from __future__ import annotations

import http.client
import io
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import NotFound
from werkzeug.serving import ThreadedWSGIServer
from werkzeug.wrappers import Response

from retail_lake_tests.aws.server import QuietHandler, drop, variables
from retail_lake_tests.aws.service import Call

if TYPE_CHECKING:
    from retail_lake_tests.aws.faults import Order
    from retail_lake_tests.aws.server import Aws
    from retail_lake_tests.s3 import S3Server

_CHUNK = 1 << 16
_OF_THE_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "expect", "content-length")


class Due(Protocol):
    """Says of each request which fault happens to it."""

    def due(self, service: str, operation: str, params: Mapping[str, Any]) -> Order | None:
        """The fault of this request, if one is due."""
        ...


@dataclass
class Behind:
    """What a front needs where there is no AWS: the server, and which faults are due."""

    s3: S3Server
    faults: Due
    calls: MutableSequence[Call] = field(default_factory=lambda: deque(maxlen=100))


class Front:
    """The application: hands requests on to the S3 server of `aws`, but for the faults that are due."""

    def __init__(self, aws: Aws | Behind) -> None:
        self._aws, self._server = aws, urlsplit(aws.s3.endpoint).netloc

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(dict(environ, **{"wsgi.input": io.BytesIO()}))
        try:
            operation, params = get_service_router("s3").match(request)
            call = Call("s3", operation.name, params)
        except NotFound:
            call = Call("s3", request.method, {})
        self._aws.calls.append(call)
        fault = self._aws.faults.due("s3", call.operation, call.params)
        chunked = environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"
        sent: bytes = environ["wsgi.input"].read(*([] if chunked else [int(environ.get("CONTENT_LENGTH") or 0)]))
        if fault is not None and fault.delay:
            time.sleep(fault.delay)
        if fault is not None and fault.error:
            return _refusal(fault)(environ, start_response)
        answer = self._forward(environ["RAW_URI"], request, sent, cut=fault is not None and fault.cut_upload)
        if answer is None or (fault is not None and fault.lost_answer):
            drop(environ)
        hidden = {*_OF_THE_CONNECTION} - {"content-length"}
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in hidden]
        response = Response(_chunks(answer), answer.status, headers, direct_passthrough=True)
        return response(environ, start_response)

    def _forward(self, path: str, request: Request, body: bytes, *, cut: bool) -> http.client.HTTPResponse | None:
        """The server's answer; None after breaking off in the middle of the body."""
        connection = http.client.HTTPConnection(self._server, timeout=60)
        connection.putrequest(request.method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name.lower() not in _OF_THE_CONNECTION:
                connection.putheader(name, value)
        if body or request.method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body[: len(body) // 2] if cut else body)
        if cut:
            connection.close()
            return None
        return connection.getresponse()


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read(_CHUNK):
        yield chunk


def _refusal(fault: Order) -> Response:
    message = fault.message or "ordered by the test"
    body = f"<?xml version='1.0'?><Error><Code>{fault.error}</Code><Message>{message}</Message></Error>"
    return Response(body, fault.status if fault.status != 400 else 503, content_type="application/xml")


@contextmanager
def serve(aws: Aws) -> Iterator[str]:
    """Until the end of the block, this process and the jobs of that AWS reach S3 through a front; gives its address."""
    server = ThreadedWSGIServer("127.0.0.1", 0, Front(aws), handler=QuietHandler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="s3 front", daemon=True)
    thread.start()
    aws.s3_endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        with variables(aws.environment):
            yield aws.s3_endpoint
    finally:
        aws.s3_endpoint = aws.s3.endpoint
        server.shutdown()
        server.server_close()
        thread.join(5)

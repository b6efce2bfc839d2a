"""The interface that a Lambda runtime asks for its event and gives its answer to, for one invocation.

Belongs here: the Runtime API's addresses and headers (version 2018-06-01). Does not: starting the process (`awslambda.py`).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_ROOT = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Answer:
    """What an invocation gave: the body, and which kind of error it is, if it is one (`Unhandled`)."""

    body: bytes
    error: str = ""


class RuntimeApi:
    """Hands out one event, takes one answer."""

    def __init__(self, invocation_id: str, payload: bytes, timeout: float, arn: str) -> None:
        self._answer: Answer | None = None
        self._answered = threading.Event()
        deadline = str(int((time.time() + timeout) * 1000))
        headers = {
            "Lambda-Runtime-Aws-Request-Id": invocation_id,
            "Lambda-Runtime-Deadline-Ms": deadline,
            "Lambda-Runtime-Invoked-Function-Arn": arn,
            "Lambda-Runtime-Trace-Id": "Root=1-00000000-000000000000000000000000;Sampled=0",
            "Content-Type": "application/json",
        }
        api = self
        waiting = [payload]

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                if self.path != f"{_ROOT}/invocation/next":
                    self.send_error(404)
                elif waiting:
                    self._reply(200, waiting.pop(), headers)
                else:
                    # There is no next event: the runtime is frozen until it is ended.
                    api._answered.wait(3600)
                    time.sleep(60)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == f"{_ROOT}/invocation/{invocation_id}/response":
                    api._take(Answer(body))
                elif self.path in (f"{_ROOT}/invocation/{invocation_id}/error", f"{_ROOT}/init/error"):
                    api._take(Answer(body, "Unhandled"))
                else:
                    self.send_error(404)
                    return
                self._reply(202, json.dumps({"status": "OK"}).encode(), {"Content-Type": "application/json"})

            def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="lambda runtime", daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"

    def _take(self, answer: Answer) -> None:
        if self._answer is None:
            self._answer = answer
            self._answered.set()

    def wait(self, over: Callable[[], bool]) -> Answer | None:
        """The answer, as soon as there is one; None once `over` is true without any."""
        while not self._answered.wait(0.05):
            if over() and not self._answered.wait(0.2):
                return None
        return self._answer

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

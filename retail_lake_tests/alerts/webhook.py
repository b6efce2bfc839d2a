"""A webhook of the tests': a real HTTP server that keeps what it is sent and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0SECRET/B0SECRET/abcdefghijklmnop"


@dataclass
class Webhook:
    """`texts` are the messages taken. `answers` are statuses for the next requests, 200 when there are no more."""

    address: str
    texts: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    asked: int = 0


@contextmanager
def serve() -> Iterator[Webhook]:
    """Run one on this machine until the end of the block; its path is a secret."""
    webhook = Webhook("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            webhook.asked += 1
            status = webhook.answers.pop(0) if webhook.answers else 200
            if status == 200 and self.path == f"/services/{SECRET}":
                webhook.texts.append(body["text"])
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    webhook.address = f"http://127.0.0.1:{server.server_port}/services/{SECRET}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield webhook
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)

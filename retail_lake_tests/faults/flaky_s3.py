"""An S3 server that can be killed, behind a front at which a share of the calls can be made to fail.

Belongs here: both, at addresses that stay. Does not: when (`kinds/`). S3 itself is SeaweedFS (`s3.py`).
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import boto3
from werkzeug.serving import ThreadedWSGIServer

from retail_lake_tests.aws.faults import Order
from retail_lake_tests.aws.s3_front import Behind, Front
from retail_lake_tests.aws.server import QuietHandler
from retail_lake_tests.s3 import ENVIRONMENT, SeaweedFS

_WAYS: Final[tuple[dict[str, Any], ...]] = (
    {"error": "SlowDown", "status": 503},
    {"error": "InternalError", "status": 500},
    {"lost_answer": True},
    {"cut_upload": True},
    {"delay": 1.0},
)


class Chances:
    """Every call may fail, with the same chance, in any of the ways S3 calls do."""

    def __init__(self, chance: random.Random) -> None:
        self.share, self.failed = 0.0, 0
        self._chance, self._one_at_a_time = chance, threading.Lock()

    def due(self, service: str, operation: str, params: Mapping[str, Any]) -> Order | None:
        """The fault of this call, or none."""
        with self._one_at_a_time:
            if self._chance.random() >= self.share:
                return None
            self.failed += 1
            return Order(service, operation, 1, **self._chance.choice(_WAYS))


class _Front(Front):
    """A front that, like a server that is down, cuts the connection when there is no server behind it."""

    def _forward(self, *args: Any, **how: Any) -> Any:
        try:
            return super()._forward(*args, **how)
        except OSError:
            return None


class FlakyS3:
    """`endpoint` is the front's, for the flow; `direct` the server's own, for readers and for what arrives."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        folder.mkdir(parents=True)
        os.environ.update(ENVIRONMENT)
        self._server = SeaweedFS(folder)
        self._server.start()
        self.chances, self.direct, self.bucket = Chances(chance), self._server.server.endpoint, self._server.server.bucket
        self._front = ThreadedWSGIServer("127.0.0.1", 0, _Front(Behind(self._server.server, self.chances)), handler=QuietHandler)
        self._front.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._front.server_port}"
        self._client: Any = boto3.client("s3", endpoint_url=self.direct, region_name="us-east-1")
        self._thread = threading.Thread(target=self._front.serve_forever, name="s3 front", daemon=True)
        self._thread.start()

    def put(self, key: str, content: bytes) -> None:
        """Write an object past the front."""
        self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def kill(self) -> None:
        """End the server at once."""
        self._server.kill()

    def restart(self) -> None:
        """Start it again over what it had."""
        self._server.start()

    def close(self) -> None:
        """End both."""
        self._front.shutdown()
        self._front.server_close()
        self._thread.join(5)
        self._server.kill()

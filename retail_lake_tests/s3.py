"""A real S3 server for tests: SeaweedFS in one process, on free ports, with one bucket; gone when the session ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

KEY, SECRET = "retail-lake-tests", "not-a-secret"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
BUCKET = "lake"
START_SECONDS = 60


@dataclass(frozen=True)
class S3Server:
    """A running server: its address with scheme, the bucket that is there, and the filer behind it (`host:port.grpc-port`)."""

    endpoint: str
    bucket: str = BUCKET
    filer: str = ""


class SeaweedFS:
    """The server's process over a folder, at one address however often it is started."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "s3.json").write_text(
            json.dumps(
                {
                    "identities": [
                        {
                            "name": "tests",
                            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
                            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                        }
                    ]
                }
            )
        )
        (folder / "data").mkdir()
        # SeaweedFS puts each service's gRPC port 10,000 above its own unless told.
        names = [f"{service}.port{kind}" for service in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        filer = f"127.0.0.1:{self._ports['filer.port']}.{self._ports['filer.port.grpc']}"
        self.server = S3Server(f"http://127.0.0.1:{self._ports['s3.port']}", filer=filer)

    def start(self) -> None:
        """Start it and wait until its bucket can be written to; the credentials must be in the environment."""
        folder = self._folder
        binary = Path(sys.executable).with_name("weed")
        command = [str(binary), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
        command += [
            f"-s3.config={folder / 's3.json'}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=50",
        ]
        command += [f"-{name}={port}" for name, port in self._ports.items()]
        with (folder / "weed.log").open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _create_bucket(self.server, self._process, folder / "weed.log")

    def kill(self) -> None:
        """End it as SIGKILL does; what it has answered for is on disk."""
        if self._process:
            self._process.kill()
            self._process.wait()


@contextmanager
def serve(folder: Path) -> Iterator[S3Server]:
    """Run a server over a folder until the end of the block, with credentials for it in this process's environment."""
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    seaweed = SeaweedFS(folder)
    try:
        os.environ.update(ENVIRONMENT)
        seaweed.start()
        yield seaweed.server
    finally:
        seaweed.kill()
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value is not None else {})


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _create_bucket(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a bucket can be made and written to: the server answers before its storage does."""
    once = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1})
    client = boto3.client("s3", endpoint_url=server.endpoint, region_name="us-east-1", config=once)
    limit = time.monotonic() + START_SECONDS
    while True:
        try:
            client.create_bucket(Bucket=server.bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou", "InternalError"):
                raise
        except BotoCoreError:
            pass
        try:
            client.put_object(Bucket=server.bucket, Key="ready", Body=b"yes")
            client.delete_object(Bucket=server.bucket, Key="ready")
            return
        except (BotoCoreError, ClientError):
            if process.poll() is not None or time.monotonic() > limit:
                raise RuntimeError(f"the S3 server did not start:\n{log.read_text()[-3000:]}") from None
            time.sleep(0.3)

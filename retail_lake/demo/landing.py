"""Writing files to where they land: a local folder or an S3 prefix.

Belongs here: one `put` per kind of place, which leaves a file alone that is already there, byte for byte. Does not: what
is written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from retail_lake.failure import ConfigurationFailure


class Place(Protocol):
    """Where files land."""

    def put(self, key: str, content: bytes) -> bool:
        """Have the file hold these bytes. Returns whether it had to be written."""


class LocalFolder:
    """Files below a folder; a file appears whole or not at all."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, content: bytes) -> bool:
        path = self._root / key
        if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        half = path.with_name(f".{path.name}.{os.getpid()}.part")
        half.write_bytes(content)
        half.replace(path)
        return True


class S3Prefix:
    """Objects below `bucket/prefix`. Credentials come from the environment's own chain; the bucket must exist."""

    def __init__(self, bucket_and_prefix: str, endpoint: str, region: str) -> None:
        from pyarrow import fs

        server = urlsplit(endpoint)
        where = {"endpoint_override": server.netloc, "scheme": server.scheme} if endpoint else {}
        self._root = bucket_and_prefix.rstrip("/")
        self._file_system = fs.S3FileSystem(region=region, allow_delayed_open=True, **where)
        self._absent = fs.FileType.NotFound

    def put(self, key: str, content: bytes) -> bool:
        path = f"{self._root}/{key}"
        info = self._file_system.get_file_info(path)
        if info.type != self._absent and info.size == len(content):
            with self._file_system.open_input_stream(path) as stream:
                if stream.read() == content:
                    return False
        with self._file_system.open_output_stream(path) as stream:
            stream.write(content)
        return True


def open_place(uri: str | Path, s3_endpoint: str = "", region: str = "us-east-1") -> Place:
    """The place of a path, a `file://` or an `s3://bucket/prefix` URI. Raises `ConfigurationFailure` for any other scheme."""
    parts = urlsplit(str(uri))
    if parts.scheme in ("s3", "s3a"):
        return S3Prefix(f"{parts.netloc}{parts.path}", s3_endpoint, region)
    if parts.scheme == "file":
        return LocalFolder(Path(parts.path))
    if "://" in str(uri):
        raise ConfigurationFailure(f"The landing location {uri} is neither a path nor an s3:// URI.")
    return LocalFolder(Path(uri))

"""Files by URI: a local path or `s3://bucket/key`, alike.

Belongs here: which file system a URI means, and reading, writing, listing and deleting by URI. Does not: what the files
are (`sources/`, `lake/`). Credentials come from the AWS chain (environment, profile, role) and are neither settings nor logged.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from pyarrow import fs

from retail_lake.config import PREFIX, Settings
from retail_lake.failure import ConfigurationFailure, Failure, TransientFailure

CONNECT_SECONDS: Final = 10
# Without a limit, a connection that the other side forgot waits for hours.
REQUEST_SECONDS: Final = 60
# How the S3 client words what no retry will change.
_REFUSALS: Final = re.compile(
    "access.?denied|permission denied|forbidden|no.?such.?bucket|invalid.?access.?key|signature|credentials", re.IGNORECASE
)


_EPOCH: Final = datetime(1970, 1, 1)


class Stored(NamedTuple):
    """One stored file: its key below the listed location, its size in bytes, when it was written (UTC, without zone), and its
    ETag where whoever listed it was told one."""

    key: str
    size: int
    modified: datetime
    etag: str = ""


def filesystem(uri: str, settings: Settings) -> tuple[fs.FileSystem, str]:
    """The file system a URI is on and the path of the URI there. Raises `ConfigurationFailure` for an unknown scheme."""
    if uri.startswith(("s3://", "s3a://")):
        return _s3(settings.s3_endpoint, settings.region), uri.partition("://")[2].rstrip("/")
    if uri.startswith("file://"):
        return fs.LocalFileSystem(), urlsplit(uri).path
    if "://" in uri:
        raise ConfigurationFailure(f"{uri}: unknown kind of location; give a local path or s3://bucket/prefix")
    return fs.LocalFileSystem(), str(Path(uri).absolute())


def read_bytes(uri: str, settings: Settings) -> bytes:
    """All bytes of one file. Raises FileNotFoundError if there is none."""
    system, path = filesystem(uri, settings)
    with failures(uri), system.open_input_file(path) as file:
        return file.read()


def is_there(uri: str, settings: Settings) -> bool:
    """Whether there is such a small file, by reading it: a job may do no more. Raises a `Failure` where nobody can tell."""
    try:
        read_bytes(uri, settings)
    except FileNotFoundError:
        return False
    return True


def write_bytes(uri: str, data: bytes, settings: Settings) -> None:
    """Write one file, with its folders, replacing one of the same name. It appears whole or not at all, as on S3."""
    system, path = filesystem(uri, settings)
    with failures(uri):
        if isinstance(system, fs.LocalFileSystem):
            _write_local(Path(path), data)
            return
        # By the name's end, pyarrow would compress.
        with system.open_output_stream(path, compression=None) as file:
            file.write(data)


def _write_local(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Threads of one process may write the same file.
    half = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        half.write_bytes(data)
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise


def list_files(uri: str, settings: Settings, *, hidden: bool = False) -> list[Stored]:
    """Every file below a location, in the order of the keys, by one listing. A location that is not there has none.

    Folders are left out, and so, unless `hidden`, are keys any part of which starts with `.` or `_`: they are somebody's
    work in progress.
    """
    system, path = filesystem(uri, settings)
    with failures(uri):
        found = system.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    files = _files(found, path)
    return sorted(f for f in files if hidden or (f.key[0] not in "._" and "/." not in f.key and "/_" not in f.key))


def list_level(uri: str, settings: Settings) -> tuple[list[Stored], list[str]]:
    """The files right below a location, hidden ones too, and the names of the folders there. A location that is not there has
    none."""
    system, path = filesystem(uri, settings)
    with failures(uri):
        found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
    return sorted(_files(found, path)), sorted(info.base_name for info in found if info.type == fs.FileType.Directory)


def list_folders(uri: str, settings: Settings) -> list[str]:
    """The names of the folders right below a location, sorted. A location that is not there has none."""
    return list_level(uri, settings)[1]


def _files(found: Iterable[fs.FileInfo], path: str) -> Iterator[Stored]:
    start = len(path.rstrip("/")) + 1
    for info in found:
        if info.type == fs.FileType.File:
            yield Stored(info.path[start:], info.size, _EPOCH + timedelta(microseconds=info.mtime_ns // 1000))


def delete_prefix(uri: str, settings: Settings) -> None:
    """Delete everything below a location; deleting what is not there does nothing. Refuses a bucket or file system root."""
    system, path = filesystem(uri, settings)
    if len([part for part in path.split("/") if part]) < 2:
        raise ConfigurationFailure(f"{uri}: refusing to delete a whole bucket or top folder")
    with failures(uri):
        system.delete_dir_contents(path, missing_dir_ok=True)


def delete_files(uris: Iterable[str], settings: Settings) -> None:
    """Delete these files; one that is not there any more is no matter."""
    for uri in uris:
        system, path = filesystem(uri, settings)
        with suppress(FileNotFoundError), failures(uri):
            system.delete_file(path)


def copy(source: str, target: str, settings: Settings) -> None:
    """Copy one file or everything below a location, between any two kinds of location."""
    (from_system, from_path), (to_system, to_path) = filesystem(source, settings), filesystem(target, settings)
    with failures(f"{source} to {target}"):
        if isinstance(to_system, fs.LocalFileSystem):
            to_system.create_dir(str(Path(to_path).parent), recursive=True)
        fs.copy_files(from_path, to_path, source_filesystem=from_system, destination_filesystem=to_system)


@lru_cache(maxsize=8)
def _s3(endpoint: str, region: str) -> fs.S3FileSystem:
    address = urlsplit(endpoint)
    if endpoint and not (address.scheme in {"http", "https"} and address.netloc):
        raise ConfigurationFailure(f"{PREFIX}S3_ENDPOINT: {endpoint!r} is not an address such as http://localhost:8333")
    return fs.S3FileSystem(
        region=region,
        scheme=address.scheme or "https",
        endpoint_override=address.netloc or None,
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=5),
    )


@contextmanager
def failures(uri: str) -> Iterator[None]:
    """Turn the file systems' errors into failures by what may be done about them; a missing file stays what it is."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigurationFailure(f"{uri}: {error}") from error
    except OSError as error:
        raise _failure(uri, error) from error


@contextmanager
def failures_of_duckdb(what: str) -> Iterator[None]:
    """The same for DuckDB, which reads and writes by itself and has its own error for a server that does not answer."""
    import duckdb

    try:
        yield
    except duckdb.IOException as error:
        raise _failure(what, error) from error


def _failure(what: str, error: Exception) -> Failure:
    refused = _REFUSALS.search(str(error))
    return ConfigurationFailure(f"{what}: {error}") if refused else TransientFailure(f"{what}: {error}")

"""Files by URI, on the local disk; the S3 side runs in the tests that have a server."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import fs

from retail_lake import storage
from retail_lake.config import Settings
from retail_lake.failure import ConfigurationFailure
from retail_lake_tests.sources.contracts import settings_of


def test_what_is_written_is_listed_read_copied_and_deleted(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    storage.write_bytes(f"{tmp_path}/a/b/c.txt", b"123", settings)
    storage.write_bytes(f"file://{tmp_path}/a/d.txt", b"", settings)
    assert [(f.key, f.size) for f in storage.list_files(f"{tmp_path}/a/", settings)] == [("b/c.txt", 3), ("d.txt", 0)]
    storage.copy(f"{tmp_path}/a/b/c.txt", f"{tmp_path}/e/f.txt", settings)
    storage.copy(f"{tmp_path}/a", f"{tmp_path}/g/h", settings)
    assert (
        storage.read_bytes(f"{tmp_path}/e/f.txt", settings) == storage.read_bytes(f"{tmp_path}/g/h/b/c.txt", settings) == b"123"
    )
    storage.delete_prefix(f"{tmp_path}/a", settings)
    storage.delete_prefix(f"{tmp_path}/nowhere", settings)
    assert storage.list_files(f"{tmp_path}/a", settings) == [] and Path(tmp_path / "g/h/d.txt").exists()
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(f"{tmp_path}/a/b/c.txt", settings)


def test_an_s3_address_is_a_bucket_and_a_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, s3_endpoint="http://localhost:8333")
    system, path = storage.filesystem("s3://bucket/prefix/", settings)
    assert isinstance(system, fs.S3FileSystem) and path == "bucket/prefix" and system.region == "us-east-1"
    assert storage.filesystem("s3://other", settings)[0] is system


@pytest.mark.parametrize("uri", ["/", "s3://bucket", "s3://bucket/", "/tmp"])
def test_a_whole_bucket_is_never_deleted(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ConfigurationFailure, match="refusing to delete"):
        storage.delete_prefix(uri, settings_of(tmp_path))


def test_an_unknown_location_and_a_wrong_endpoint_are_wrong_configurations(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFailure, match=r"gs://x/y: unknown kind of location"):
        storage.filesystem("gs://x/y", settings_of(tmp_path))
    with pytest.raises(ConfigurationFailure, match="RETAIL_LAKE_S3_ENDPOINT: 'localhost:8333' is not an address"):
        storage.filesystem("s3://x/y", Settings(home=tmp_path, s3_endpoint="localhost:8333"))

"""What a reader takes for lost, and what for a server that is away: in the words of real clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from retail_lake.lake.lake import Lake
from retail_lake.storage import delete_files
from retail_lake_tests.faults.clients import Clients, Read
from retail_lake_tests.faults.reader import is_gone
from retail_lake_tests.lake.chain import DAYS, build, settings
from retail_lake_tests.s3 import S3Server

TABLE = "gold.dim_date"
Client = Callable[[Clients, str], Read]


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A lake of one table of gold."""
    where = {}
    if request.param == "s3":
        s3: S3Server = request.getfixturevalue("s3")
        where = {"lake_uri": f"s3://{s3.bucket}/{tmp_path.name}", "s3_endpoint": s3.endpoint}
    lake = Lake(settings(tmp_path, tmp_path, **where))
    build(lake, DAYS, [TABLE])
    return lake


@pytest.mark.parametrize("lost", ["data", "metadata"])
@pytest.mark.parametrize("read", [Clients.with_pyiceberg, Clients.with_duckdb])
def test_a_file_that_is_not_there_is_gone(lake: Lake, read: Client, lost: str) -> None:
    assert read(Clients(lake.settings), TABLE).days
    stored = lake.stored(TABLE)
    assert stored
    files = [f.uri for f in lake.current_files(TABLE).files] if lost == "data" else [stored.metadata_location]
    delete_files(files, lake.settings)
    with pytest.raises(Exception) as error:  # a client's own
        read(Clients(lake.settings), TABLE)
    assert is_gone(error.value)


@pytest.mark.parametrize("read", [Clients.with_pyiceberg, Clients.with_duckdb])
def test_a_server_that_is_away_has_not_lost_anything(s3: S3Server, tmp_path: Path, read: Client) -> None:
    there = settings(tmp_path, tmp_path, lake_uri=f"s3://{s3.bucket}/{tmp_path.name}", s3_endpoint=s3.endpoint)
    build(Lake(there), DAYS, [TABLE])
    with pytest.raises(Exception) as error:
        read(Clients(there.model_copy(update={"s3_endpoint": "http://127.0.0.1:404"})), TABLE)
    assert not is_gone(error.value) and "404" in str(error.value)

"""S3 that does not answer a job on DuckDB is a passing trouble, to be tried again, and not a fault of the program."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.failure import TransientFailure
from retail_lake.jobs.duckdb_session import DuckDBSession


def test_a_server_that_is_down_is_a_transient_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    with socket.socket() as nobody:
        # Bound and not listening: whoever connects is refused.
        nobody.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        session = DuckDBSession(Settings(home=tmp_path, lake_uri="s3://lake/nowhere", s3_endpoint=address))
        try:
            with pytest.raises(TransientFailure, match="nowhere"):
                session.stage("SELECT 1 AS n", "s3://lake/nowhere/rows", None)
        finally:
            session.close()

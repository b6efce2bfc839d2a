"""Small jobs, and the control planes of Glue, Lambda and S3 in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.jobs.description import JobDescription
from retail_lake_tests.deploy.control_plane import Recorded, recorded
from retail_lake_tests.deploy.small_job import describe


@pytest.fixture(scope="session")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, JobDescription]:
    """Descriptions of small jobs by table."""
    return describe(tmp_path_factory.mktemp("small"))


@pytest.fixture
def control_plane(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """A fresh AWS without anything in it, and what it was asked."""
    with recorded(monkeypatch) as plane:
        yield plane


@pytest.fixture
def on_aws(tmp_path: Path, control_plane: Recorded) -> Settings:
    """Settings of the aws profile for that AWS."""
    control_plane.prepare()
    lake, landing, artifacts = (f"s3://{control_plane.named(name)}/retail" for name in ("lake", "landing", "artifacts"))
    return Settings(
        home=tmp_path,
        profile="aws",
        lake_uri=lake,
        landing_uri=landing,
        artifacts_uri=artifacts,
        s3_endpoint=control_plane.endpoint,
        glue_role=control_plane.role,
        emr_serverless_application="00f1r2",
        emr_serverless_role=control_plane.role,
        lambda_role=control_plane.role,
        redshift_workgroup="retail",
        kms_key=f"arn:aws:kms:us-east-1:{control_plane.account}:key/0f1e",
        tags={"team": "data"},
    )

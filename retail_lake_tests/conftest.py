"""What every room's tests share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from retail_lake.deploy.artifact import Built
    from retail_lake_tests.aws.server import Aws
    from retail_lake_tests.s3 import S3Server


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One real Spark session for the whole run, with the settings that every Spark engine has."""
    from retail_lake.engines.spark_session import local_session

    session = local_session("retail_lake_tests")
    yield session
    session.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server with one bucket; its credentials are in the environment while it runs."""
    from retail_lake_tests.s3 import serve

    with serve(tmp_path_factory.mktemp("s3")) as server:
        yield server


_AWS: pytest.StashKey[Aws] = pytest.StashKey()


@pytest.fixture(scope="session")
def aws(s3: S3Server, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Aws]:
    """An AWS that executes, on that S3 server; this process's environment points at it. `aws.reset()` forgets everything."""
    from retail_lake_tests.aws.server import serve
    from retail_lake_tests.aws.services import all_services

    with serve(s3, tmp_path_factory.mktemp("aws"), all_services()) as running:
        pytestconfig.stash[_AWS] = running
        yield running


@pytest.fixture(autouse=True)
def no_aws_unasked(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> Iterator[None]:
    """Once the AWS runs it does so to the end, but a test that does not ask for it has the environment it had before."""
    running = pytestconfig.stash.get(_AWS, None)
    if running is None or "aws" in request.fixturenames:
        yield
        return
    with running.hidden():
        yield


@pytest.fixture(scope="session")
def built_artifact(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The deployment artifact of this checkout for this Python, on disk: to be published to an S3, or unpacked."""
    from retail_lake.config import Settings
    from retail_lake.deploy import artifact

    plan = artifact.blueprint(Settings(), python=f"{sys.version_info[0]}.{sys.version_info[1]}")
    # The packed Python need not start in Amazon's images: it is this machine's, for this machine.
    return artifact.build(plan, tmp_path_factory.mktemp("artifact"), glibc=None)

"""What every room's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

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

"""What every room's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    """One real Spark session for the whole run, with the settings that every Spark engine has."""
    from retail_lake.engines.spark_session import local_session

    session = local_session("retail_lake_tests")
    yield session
    session.stop()

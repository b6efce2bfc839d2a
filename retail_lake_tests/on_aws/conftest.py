"""Lakes on one AWS for all tests of this room."""

from __future__ import annotations

import warnings
from functools import partial

import pytest

from retail_lake.deploy.artifact import Built
from retail_lake_tests.aws.mount import unavailable
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.on_aws.lakes import OpenLake, open_lake


@pytest.fixture(scope="session")
def lake_on_aws(aws: Aws, built_artifact: Built) -> OpenLake:
    """Make a lake on AWS. Where Spark cannot run, its jobs run without it, and whoever reads the results should know."""
    if reason := unavailable():
        warnings.warn(pytest.PytestWarning(f"jobs for Spark run on DuckDB here: {reason}"), stacklevel=1)
    return partial(open_lake, aws, built_artifact)

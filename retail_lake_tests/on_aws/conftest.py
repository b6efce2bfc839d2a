"""Lakes on one AWS for all tests of this room."""

from __future__ import annotations

from functools import partial

import pytest

from retail_lake.deploy.artifact import Built
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.on_aws.lakes import OpenLake, open_lake


@pytest.fixture(scope="session")
def lake_on_aws(aws: Aws, built_artifact: Built) -> OpenLake:
    """Make a lake on AWS."""
    return partial(open_lake, aws, built_artifact)

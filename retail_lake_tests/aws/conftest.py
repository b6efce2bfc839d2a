"""What the tests of this AWS share: a clean one for each test, and the smallest artifacts that show what runs where."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retail_lake_tests.aws.mini import Mini
from retail_lake_tests.aws.server import Aws


@pytest.fixture(autouse=True)
def clean(aws: Aws) -> Iterator[None]:
    """Nothing of another test's."""
    aws.reset()
    yield
    aws.reset()


@pytest.fixture
def mini(aws: Aws) -> Mini:
    """Artifacts of a few lines."""
    return Mini(aws)

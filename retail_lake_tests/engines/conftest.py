"""Settings of this room's tests: a lake and an artifacts location of each test's own, on a real S3 server."""

from __future__ import annotations

from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake_tests.engines.service import Service, settings_on
from retail_lake_tests.s3 import S3Server


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path) -> Settings:
    """See `settings_on`."""
    return settings_on(s3, tmp_path)


@pytest.fixture
def service(settings: Settings) -> Service:
    """A service whose jobs report."""
    return Service(settings)

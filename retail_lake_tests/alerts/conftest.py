"""What the tests of alerts share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake_tests.alerts import webhook as servers


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[servers.Webhook]:
    with servers.serve() as running:
        monkeypatch.setenv("RETAIL_LAKE_ALERT_WEBHOOK", running.address)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield running

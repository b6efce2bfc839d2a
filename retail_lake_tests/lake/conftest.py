"""The tables that staged jobs are of, in the place of the project's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from retail_lake.lake import publish
from retail_lake_tests.lake import staged


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Publish jobs of the tables of `staged`."""
    monkeypatch.setattr(publish, "TABLES", staged.TABLES)
    yield

"""The tables that staged jobs are of, in the place of the project's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from retail_lake.lake import publish
from retail_lake.lake.lake import Lake
from retail_lake_tests.lake import chain, staged


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Publish jobs of the tables of `staged`."""
    monkeypatch.setattr(publish, "TABLES", staged.TABLES)
    yield


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of the demo as landed; tests only read it."""
    from retail_lake.demo.serve import serve

    folder = tmp_path_factory.mktemp("served")
    serve(folder / "landing", folder / "ledger", chain.DAYS[0], len(chain.DAYS))
    return folder / "landing"


@pytest.fixture(scope="session")
def undisturbed(landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake whose chain was built day by day and without a fault; tests only read it."""
    lake = Lake(chain.settings(tmp_path_factory.mktemp("undisturbed"), landing))
    for day in chain.DAYS:
        chain.build(lake, [day])
    return lake

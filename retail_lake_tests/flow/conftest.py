"""Six demo days, served once; the lake built from them, which tests only read; and fresh lakes for tests that change them."""

from __future__ import annotations

from pathlib import Path

import pytest

from retail_lake.demo.serve import serve
from retail_lake_tests.flow.pilot import FIRST, LAST, SERVED, MakePilot, Outcomes, Pilot, days


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with `landing` and `ledger` of the days served."""
    folder = tmp_path_factory.mktemp("served")
    serve(folder / "landing", folder / "ledger", FIRST, SERVED)
    return folder


@pytest.fixture
def new_pilot(tmp_path_factory: pytest.TempPathFactory, served: Path) -> MakePilot:
    """Make an empty lake."""
    return lambda: Pilot(tmp_path_factory.mktemp("pilot"), served)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, served: Path) -> tuple[Pilot, Outcomes]:
    """The lake of all days served, built in one range, and what became of it. Tests only read it."""
    pilot = Pilot(tmp_path_factory.mktemp("built"), served)
    pilot.deliver(LAST)
    return pilot, pilot.build(days(SERVED), run_id="first")


@pytest.fixture(scope="session")
def pilot(built: tuple[Pilot, Outcomes]) -> Pilot:
    """The lake of all days served. Tests only read it."""
    return built[0]


@pytest.fixture(scope="session")
def outcomes(built: tuple[Pilot, Outcomes]) -> Outcomes:
    """What became of its tables."""
    return built[1]

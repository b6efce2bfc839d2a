"""The worlds that the warehouse's tests run in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from retail_lake_tests.aws.server import Aws
    from retail_lake_tests.warehouse.worlds import OnAws, World


@pytest.fixture
def on_aws(aws: Aws, tmp_path: Path) -> Iterator[OnAws]:
    """Redshift, empty."""
    from retail_lake_tests.aws.server import variables
    from retail_lake_tests.warehouse.worlds import OnAws

    # A test of every warehouse does not name the AWS, and so would not see it.
    with variables(aws.environment):
        world = OnAws(aws, tmp_path)
        world.redshift.reset()
        aws.faults.clear()
        yield world
        world.redshift.reset()


@pytest.fixture
def loaded(on_aws: OnAws) -> OnAws:
    """Redshift with the state `OLD` of `fact_sales`, and the state `NEW` published."""
    from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, fact

    on_aws.lake.sales(DAY1, 3)
    on_aws.warehouse.load(fact(), None, on_aws.lake, run_id="old")
    on_aws.lake.sales(DAY1, 4, value="2.25")
    on_aws.lake.sales(DAY2, 1)
    on_aws.aws.calls.clear()
    return on_aws


@pytest.fixture(params=["duckdb", "redshift"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Each warehouse in turn, empty."""
    from retail_lake_tests.warehouse.worlds import Embedded

    if request.param == "duckdb":
        return Embedded(tmp_path)
    found: World = request.getfixturevalue("on_aws")
    return found

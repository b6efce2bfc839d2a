"""Days that were built since their files came, by whomever, are known from the lake and not asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retail_lake.arrivals.due import as_published
from retail_lake.arrivals.tick import Tick
from retail_lake.engines.local import LocalEngine
from retail_lake.lake.lake import Lake
from retail_lake.materialize import materialize
from retail_lake.tables import TABLES
from retail_lake_tests.arrivals.world import DAY_1, DAY_2, DAY_3, DAY_4, World, asked, settings_of

TABLE = TABLES["bronze.redemptions"]


class Real(World):
    """With a real lake."""

    def tick(self) -> Tick:
        lake = Lake(self.settings)
        return Tick(
            self.settings, self.tables, lambda: self.clock, self.runs.__contains__, self.told.append, lambda: as_published(lake)
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    return Real(settings_of(tmp_path, settle_seconds=0), [TABLE], clock=datetime.now(UTC))


def put(world: World, day: object, version: int = 1) -> None:
    world.put(f"events/redemptions/{day}/redemptions_{day:%Y%m%d}_v{version}.jsonl", "{}\n")


def build(world: World, *days: object) -> None:
    materialize(Lake(world.settings), LocalEngine(world.settings), TABLE, list(days), run_id="by hand")  # type: ignore[arg-type]


def test_only_what_the_lake_does_not_have_as_it_is_now_is_asked_for(world: World) -> None:
    for day in (DAY_1, DAY_2, DAY_4):
        put(world, day)
    # The third had nothing, and was built as such.
    build(world, DAY_1, DAY_2, DAY_3)
    found = world.look()
    assert asked(found) == [(("bronze.redemptions",), DAY_4, DAY_4)]
    build(world, DAY_4)
    world.run(found.requests)
    assert asked(world.look()) == []
    # Two corrections that came since, one of which somebody has built by hand.
    put(world, DAY_2, 2)
    build(world, DAY_2)
    world.clock += timedelta(minutes=1)
    put(world, DAY_1, 2)
    assert asked(world.look()) == [(("bronze.redemptions",), DAY_1, DAY_1)]

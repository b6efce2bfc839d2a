"""The conditions of gold and warehouse assets, evaluated by Dagster over a lake whose state the test gives."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from retail_lake.orchestration.assets import external_assets, lake_assets
from retail_lake.orchestration.automation import automation, conditioned
from retail_lake.orchestration.due import Day
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.outlook import Outlook, Surveyed
from retail_lake.orchestration.touched_days import touched_days
from retail_lake_tests.orchestration.fakes import INPUTS, TABLES, FakeFlow, fake_definitions, fake_settings
from retail_lake_tests.orchestration.ticks import Ticks

FIRST = date(2017, 1, 1)
DAYS = [FIRST + timedelta(days=i) for i in range(14)]
A, B, C = "a" * 20, "b" * 20, "c" * 20
LAKE = [name for name in TABLES if name.startswith("gold.")]


class World:
    """A lake to set up, the definitions over it, and what Dagster finds in each tick."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance = fake_settings(home), instance
        self.published: dict[str, dict[Day, str]] = {n: dict.fromkeys(DAYS if t.day else [None], A) for n, t in TABLES.items()}
        self.changed: dict[str, dict[Day, str]] = {}
        self._cursor: Any = None
        self.restart()
        with instance.event_log_storage.batch():  # type: ignore[attr-defined]
            for name in LAKE:  # the warehouse holds what the lake publishes
                for day in self.published[name]:
                    self.load(name, day)

    def restart(self) -> None:
        """A new code server: nothing is left in memory."""
        graph = Graph.of(self.settings, TABLES, INPUTS)
        outlook = Outlook(graph, lambda: Surveyed(self.changed, self.published))
        self.definitions = dg.Definitions(
            assets=[*external_assets(graph), conditioned(lake_assets(graph, FakeFlow().materialize), outlook)],
            sensors=[touched_days(outlook), automation(outlook)],
            resources=fake_definitions(self.settings, FakeFlow()).resources,
            executor=dg.in_process_executor,
        )

    def change(self, name: str, days: Collection[Day], fingerprint: str = B) -> None:
        self.changed.setdefault(name, {}).update(dict.fromkeys(days, fingerprint))

    def publish(self, name: str, days: Collection[Day], fingerprint: str = B) -> None:
        self.published.setdefault(name, {}).update(dict.fromkeys(days, fingerprint))
        self.changed[name] = {d: f for d, f in self.changed.get(name, {}).items() if d not in days}

    def load(self, name: str, day: Day) -> None:
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                ["warehouse", TABLES[name].name],
                partition=day.isoformat() if day else None,
                tags={"dagster/data_version": self.published[name][day]},
            )
        )

    def tick(self) -> dict[str, set[str | None]]:
        """What the conditions ask for: partitions by asset."""
        found = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=self._cursor)
        self._cursor = found.cursor
        keys = [dg.AssetKey(["warehouse", TABLES[n].name]) for n in LAKE] + [dg.AssetKey(n.split(".")) for n in LAKE]
        return {".".join(k.path): set(asked) for k in keys if (asked := found.get_requested_partitions(k))}


pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")  # of Dagster's own tester


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_instance(fake_settings(tmp_path)) as instance:
        yield World(tmp_path, instance)


def said(**days: Day) -> Mapping[str, set[str | None]]:
    return {name.replace("__", "."): {day.isoformat() if day else None} for name, day in days.items()}


def test_nothing_is_asked_for_where_nothing_changed(world: World) -> None:
    assert world.tick() == {}
    assert world.tick() == {}


def test_a_changed_day_goes_up_to_the_warehouse_in_one_go_and_once(world: World) -> None:
    day = DAYS[3]
    world.change("gold.fact", [day])
    assert world.tick() == said(gold__fact=day, gold__mart=day, warehouse__fact=day, warehouse__mart=day)
    for _ in range(5):  # it failed, say: nothing was published
        assert world.tick() == {}
    world.restart()
    assert world.tick() == {}
    world.change("gold.fact", [day], C)
    assert set(world.tick()) == {"gold.fact", "gold.mart", "warehouse.fact", "warehouse.mart"}


def test_dimensions_come_first_and_then_the_days_that_see_the_change(world: World) -> None:
    world.change("gold.dim_person", [None])
    world.change("gold.fact", [DAYS[5]])
    assert world.tick() == said(gold__dim_person=None, warehouse__dim_person=None)
    world.publish("gold.dim_person", [None])
    world.load("gold.dim_person", None)
    day = DAYS[5]
    assert world.tick() == said(gold__fact=day, gold__mart=day, warehouse__fact=day, warehouse__mart=day)
    for name in ("gold.fact", "gold.mart"):
        world.publish(name, [day])
        world.load(name, day)
    world.change("gold.mart", [DAYS[6]])  # which reads the day before too
    assert world.tick() == said(gold__mart=DAYS[6], warehouse__mart=DAYS[6])


def test_what_the_lake_has_and_the_warehouse_has_not_is_loaded(world: World) -> None:
    day = DAYS[2]
    world.publish("gold.fact", [day])  # by somebody who did not load it
    assert world.tick() == said(warehouse__fact=day)
    assert world.tick() == {}, "it failed, and nothing has changed"
    world.publish("gold.fact", [day], C)
    assert world.tick() == said(warehouse__fact=day)
    world.load("gold.fact", day)
    world.publish("gold.dim_person", [None])
    assert world.tick() == said(warehouse__dim_person=None)


def test_a_lost_cursor_loses_nothing(world: World) -> None:
    day = DAYS[2]
    world.change("gold.fact", [day])
    world.publish("gold.mart", [DAYS[7]])
    assert world.tick()
    world._cursor = None  # Dagster forgets it when a daemon dies within a tick
    assert set(world.tick()) == {"gold.fact", "gold.mart", "warehouse.fact", "warehouse.mart"}


def test_what_is_under_way_is_not_asked_for(world: World) -> None:
    day = DAYS[3]
    world.change("gold.fact", [day])
    run = world.instance.create_run_for_job(
        world.definitions.resolve_implicit_global_asset_job_def(),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/asset_partition_range_start": str(DAYS[1]), "dagster/asset_partition_range_end": str(DAYS[4])},
        asset_selection=frozenset({dg.AssetKey(["silver", "lines"])}),
    )
    assert world.tick() == {}, "the silver day that it is built from is on its way"
    world.instance.report_run_failed(run)
    assert "gold.fact" in world.tick()


def test_days_of_a_tick_are_asked_for_in_ranges(world: World) -> None:
    world.change("gold.fact", [*DAYS[2:6], DAYS[9]])
    requests = Ticks(world.definitions, world.instance).requests("automation")
    together = {"gold.fact", "gold.mart", "warehouse.fact", "warehouse.mart"}
    assert [{".".join(k.path) for k in r.asset_selection or ()} for r in requests] == [together, together]
    assert [r.tags.get("dagster/asset_partition_range_end") for r in requests] == [DAYS[5].isoformat(), None]
    assert requests[1].tags["dagster/partition"] == DAYS[9].isoformat()


def test_silver_is_asked_for_in_ranges_and_once_for_each_content(world: World) -> None:
    ticks = Ticks(world.definitions, world.instance)
    world.change("silver.lines", DAYS[2:6])
    world.change("silver.people", DAYS[2:6])
    (request,) = ticks.requests("touched_days")
    assert {".".join(k.path) for k in request.asset_selection or ()} == {"silver.lines", "silver.people"}
    assert ticks.requests("touched_days") == []
    world.publish("silver.people", DAYS[2:6])
    world.publish("silver.lines", DAYS[3:6])
    assert ticks.requests("touched_days") == [], "a day that failed is not asked for again"
    ticks.cursors.clear()
    (again,) = ticks.requests("touched_days")
    assert again.tags["dagster/partition"] == DAYS[2].isoformat()
    world.change("silver.lines", [DAYS[2]], C)
    (changed,) = ticks.requests("touched_days")
    assert changed.run_key != again.run_key

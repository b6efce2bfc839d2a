"""Tables several at a time: the same comes of them as one after the other, and what is to stop, stops. Without Dagster."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retail_lake.config import Settings
from retail_lake.contract import Column, Layer, Table
from retail_lake.engines.base import Stopped
from retail_lake.failure import ConfigurationFailure, DataFailure, TransientFailure
from retail_lake.orchestration.at_once import run_all
from retail_lake.orchestration.flow import ATTEMPTS, AssetResult, Flow
from retail_lake.orchestration.graph import Graph

FIRST = date(2017, 1, 1)
STATES = ("published", "incomplete", "unchanged", "blocked", "superseded")
COLUMNS = (Column("id", "bigint", "Key."), Column("day", "date", "Business day."))


def table(number: int, layer: Layer = Layer.GOLD, day: str | None = None) -> Table:
    return Table(f"t{number}", layer, "A table.", "id", COLUMNS, ("id",), "id", day, sql="SELECT id, day FROM somewhere")


@dataclass
class World:
    """What becomes of each table and day, and what was asked. `slow` is seconds by name: it makes the order of ends another."""

    tables: dict[str, Table]
    inputs: dict[str, tuple[str, ...]]
    days: list[date]
    states: dict[tuple[str, date | None], str]
    raised: dict[str, type[Exception]]
    slow: dict[str, float] = field(default_factory=dict)
    begun: list[tuple[str, tuple[date, ...], frozenset[date]]] = field(default_factory=list)
    before: dict[str, Sequence[str]] = field(default_factory=dict)
    order: list[tuple[str, str]] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def build(self, table: Table, days: Sequence[date], unavailable: frozenset[date]) -> Any:
        name = table.full_name
        self._begin(name, tuple(days), unavailable, self.inputs[name])
        found = [
            SimpleNamespace(
                day=d, status="skipped" if d in unavailable else self.states[name, d], rows=1, previous_rows=None, report=None,
                reason="", known=None, engine="glue", console="", usage={},
            )
            for d in (days or [None])
        ]  # fmt: skip
        self._end(name)
        return SimpleNamespace(days=found, samples={}, snapshot_id=None, engine="glue")

    def load(self, table: Table, days: Sequence[date] | None) -> Any:
        name = f"warehouse.{table.name}"
        dimensions = [f"warehouse.{t.name}" for t in self.tables.values() if not t.day and t.layer is Layer.GOLD]
        self._begin(name, tuple(days or ()), frozenset(), [table.full_name, *(dimensions if table.day else ())])
        self._end(name)
        loaded = [SimpleNamespace(day=d, changed=True, rows=1, version="") for d in (days if days is not None else [None])]
        return SimpleNamespace(days=loaded, snapshot_id=1)

    def _begin(self, name: str, days: tuple[date, ...], unavailable: frozenset[date], before: Sequence[str]) -> None:
        with self.lock:
            self.begun.append((name, days, unavailable))
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            self.before[name] = before
            self.order.append(("begin", name))
        time.sleep(self.slow.get(name, 0))
        if error := self.raised.get(name):
            self._end(name)
            raise error(f"{name} is wrong")

    def _end(self, name: str) -> None:
        with self.lock:
            self.under_way -= 1
            self.order.append(("end", name))

    def go(self, selection: Sequence[tuple[Table, bool]], at_once: int) -> tuple[Flow, list[AssetResult]]:
        flow = Flow(Graph(Settings(), self.tables, self.inputs), self.days, self.build, self.load, pause=0.0001)
        told: list[AssetResult] = []
        flow.run_all(selection, told.append, at_once=at_once)
        return flow, told

    def too_early(self) -> list[tuple[str, str]]:
        """Who began before something that it needs had ended. What is skipped altogether does neither."""
        at = {step: i for i, step in enumerate(self.order)}
        pairs = [(name, first) for name, before in self.before.items() for first in before if ("end", first) in at]
        return [(name, first) for name, first in pairs if at["begin", name] < at["end", first]]

    def again(self, **slow: float) -> World:
        return World(self.tables, self.inputs, self.days, self.states, self.raised, slow)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    made: dict[str, Table] = {}
    inputs: dict[str, tuple[str, ...]] = {}
    for number in range(draw(st.integers(1, 8))):
        new = table(number, *draw(st.sampled_from(((Layer.SILVER, "day"), (Layer.GOLD, "day"), (Layer.GOLD, None)))))
        inputs[new.full_name] = tuple(draw(st.sets(st.sampled_from(sorted(made)), max_size=3))) if made else ()
        made[new.full_name] = new
    days = [FIRST + timedelta(days=i) for i in range(draw(st.integers(1, 3)))]
    states = {(n, d): draw(st.sampled_from(STATES)) for n, t in made.items() for d in (days if t.day else [None])}
    names = [*made, *(f"warehouse.{t.name}" for t in made.values() if t.layer is Layer.GOLD)]
    raised = draw(st.dictionaries(st.sampled_from(names), st.sampled_from((DataFailure, TransientFailure)), max_size=2))
    return World(made, inputs, days, states, dict(raised))


def outcome(results: Sequence[AssetResult]) -> list[Any]:
    return [replace(r, seconds=0.0, error=None) for r in results]


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(2, 6), st.data())
def test_several_at_a_time_come_to_what_one_after_the_other_does(world: World, at_once: int, data: st.DataObject) -> None:
    graph = Graph(Settings(), world.tables, world.inputs)
    every = [(t, False) for t in world.tables.values()] + [(t, True) for t in graph.gold()]
    left_out = data.draw(st.sets(st.integers(0, len(every) - 1), max_size=2))
    selection = [pair for i, pair in enumerate(every) if i not in left_out]
    names = [f"warehouse.{t.name}" if w else t.full_name for t, w in selection]
    slow = {n: data.draw(st.sampled_from((0.0, 0.0, 0.002, 0.005))) for n in names}
    in_turn, told_in_turn = world.go(selection, 1)
    other = world.again(**slow)
    together, told = other.go(selection, at_once)
    assert outcome(together.results) == outcome(in_turn.results) == outcome(told_in_turn)
    assert together.summary() == in_turn.summary()
    assert Counter(other.begun) == Counter(world.begun)
    assert sorted(r.name for r in told) == sorted(names)
    assert other.too_early() == [] and other.most <= at_once and world.most <= 1


def straight(*names: str) -> tuple[World, list[tuple[Table, bool]]]:
    """Tables that do not read each other."""
    made = {t.full_name: t for t in (table(i) for i in range(len(names) or 4))}
    world = World(made, dict.fromkeys(made, ()), [FIRST], dict.fromkeys(((n, None) for n in made), "published"), {})
    return world, [(t, False) for t in made.values()]


def test_independent_tables_are_under_way_together() -> None:
    world, selection = straight()
    meeting = threading.Barrier(4, timeout=10)
    world.states = dict(world.states)
    build = world.build

    def met(*arguments: Any) -> Any:
        meeting.wait()
        return build(*arguments)

    world.build = met  # type: ignore[method-assign]
    flow, _ = world.go(selection, 4)
    assert {d.status for r in flow.results for d in r.days} == {"published"}


@pytest.mark.parametrize("at_once", [1, 3])
def test_what_is_transient_is_tried_again_and_what_is_not_is_not(at_once: int) -> None:
    world, selection = straight()
    calls: Counter[str] = Counter()
    said: list[str] = []
    build = world.build

    def sometimes(table: Table, *rest: Any) -> Any:
        calls[table.name] += 1
        if table.name == "t1" and calls["t1"] < ATTEMPTS:
            raise TransientFailure("throttled")
        if table.name == "t2":
            raise TransientFailure("no capacity")
        if table.name == "t3":
            raise DataFailure("not a file")
        return build(table, *rest)

    flow = Flow(Graph(Settings(), world.tables, world.inputs), [FIRST], sometimes, world.load, say=said.append, pause=0.001)
    flow.run_all(selection, lambda _: None, at_once=at_once)
    assert calls == {"t0": 1, "t1": ATTEMPTS, "t2": ATTEMPTS, "t3": 1}
    assert {r.table.name: r.days[0].status for r in flow.results} == {
        "t0": "published", "t1": "published", "t2": "failed", "t3": "failed",
    }  # fmt: skip
    assert sum("throttled" in line for line in said) == ATTEMPTS - 1
    assert "gold.t2: failed: no capacity" in flow.summary() and "gold.t3: failed: not a file" in flow.summary()


def test_a_wrong_configuration_lets_what_is_under_way_end_and_begins_nothing_more() -> None:
    world, selection = straight()
    wrong = threading.Event()

    def build(table: Table, *rest: Any) -> Any:
        if table.name == "t0":
            wrong.set()
            raise ConfigurationFailure("RETAIL_LAKE_X is wrong")
        assert wrong.wait(10)
        time.sleep(0.05)
        return World.build(world, table, *rest)

    flow = Flow(Graph(Settings(), world.tables, world.inputs), [FIRST], build, world.load)
    told: list[AssetResult] = []
    with pytest.raises(ConfigurationFailure, match=r"^gold\.t0: RETAIL_LAKE_X is wrong$"):
        flow.run_all(selection, told.append, at_once=2)
    assert [r.name for r in told] == ["gold.t1"]
    assert [name for name, *_ in world.begun] == ["gold.t1"]


@pytest.mark.parametrize("during", ["a wait", "the telling"])
def test_an_interrupt_stops_those_under_way_and_waits_for_them(during: str) -> None:
    stop = threading.Event()
    ended: list[str] = []
    begun = threading.Barrier(3, timeout=10)

    def work(name: str) -> str:
        if name == "quick":
            begun.wait()
            return name
        begun.wait()
        assert stop.wait(10), "nobody said stop"
        time.sleep(0.05)
        ended.append(name)
        raise Stopped(name)

    def told(name: str) -> None:
        raise KeyboardInterrupt

    def signalled(name: str) -> None:
        # It comes while this thread waits for the others.
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    interrupted = told if during == "the telling" else signalled
    with pytest.raises(KeyboardInterrupt):
        needs = {"never": ["slow"]}
        run_all(["quick", "slow", "slower", "never"], lambda name: needs.get(name, []), work, interrupted, at_once=3, stop=stop)
    assert sorted(ended) == ["slow", "slower"]

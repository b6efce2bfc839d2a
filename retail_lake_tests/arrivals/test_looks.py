"""What is asked for, and when: settled, complete, once per content, exactly the tables and days that were touched."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from retail_lake.arrivals.completeness import judge
from retail_lake.arrivals.due import requests
from retail_lake.arrivals.waiting import load
from retail_lake_tests.arrivals.world import (
    DAY_1,
    DAY_2,
    DAY_3,
    DAY_4,
    NOON,
    ORDERS,
    PRODUCTS,
    TILLS,
    World,
    asked,
    held,
    settings_of,
    table,
)  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(settings_of(tmp_path), [table(x) for x in (TILLS, PRODUCTS, ORDERS)])


def put_lines(world: World, day: date, *groups: int, version: int = 1, of: date | None = None) -> None:
    for group in groups:
        world.put(f"tills/lines/{day}/lines_g{group}_{of or day:%Y%m%d}_v{version}.csv")


LINES = ("bronze.lines",)


def test_many_arrivals_of_a_day_that_settle_become_one_run_and_no_more(world: World) -> None:
    put_lines(world, DAY_2, 1)
    assert asked(world.look()) == []
    put_lines(world, DAY_2, 2)
    found = world.look(40)
    assert asked(found) == [] and held(found) == {("tills/lines", DAY_2): "settles for 60 s more"}
    assert asked(world.look(40)) == []
    found = world.look(20)
    assert asked(found) == [(LINES, DAY_2, DAY_2)]
    # As long as it has not become a run it is asked for in the same words; from then on not again.
    assert world.look(60).requests == found.requests
    world.run(found.requests)
    for _ in range(3):
        assert asked(world.look(600)) == []
    assert load(world.settings).days == {"tills/lines": set()}


def test_something_new_is_asked_for_again_and_the_same_again_is_not(world: World) -> None:
    put_lines(world, DAY_2, 1, 2)
    world.look()
    first = world.look(60)
    world.run(first.requests)
    world.look(30)
    world.put(f"tills/lines/{DAY_2}/lines_g1_20170102_v1.csv", "other")
    world.look(30)
    second = world.look(60)
    assert asked(second) == asked(first) and second.requests[0].key != first.requests[0].key
    world.run(second.requests)
    assert asked(world.look(60)) == []


def test_what_comes_while_a_request_is_under_way_is_a_request_of_its_own(world: World) -> None:
    put_lines(world, DAY_2, 1, 2)
    world.look()
    (first,) = world.look(60).requests
    world.put(f"tills/lines/{DAY_2}/lines_g1_20170102_v2.csv")
    world.look(1)
    again, second = world.look(60).requests
    assert again == first and second.key != first.key
    world.run([first])
    assert world.look(1).requests == [second]


def test_a_day_that_never_comes_to_rest_is_asked_for_after_a_while(world: World) -> None:
    put_lines(world, DAY_2, 1, 2)
    looks = []
    for n in range(12):
        world.put(f"tills/lines/{DAY_2}/lines_g1_20170102_v{n + 2}.csv")
        looks.append(asked(world.look(55)))
    assert looks[0] == [] and looks.index([(LINES, DAY_2, DAY_2)]) <= 11


@pytest.mark.parametrize("moved", [timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_is_moved_holds_nothing_up(world: World, moved: timedelta) -> None:
    put_lines(world, DAY_2, 1, 2)
    world.look()
    world.clock += moved
    assert asked(world.look()) == [(LINES, DAY_2, DAY_2)]


def test_a_day_waits_for_the_parts_it_expects_until_its_time(world: World) -> None:
    put_lines(world, DAY_2, 1)
    world.look()
    waits = {("tills/lines", DAY_2): "waits for g2_20170102 until 2017-01-03 06:00 EST"}
    assert held(world.look(60)) == waits
    world.clock = datetime(2017, 1, 3, 10, 59, tzinfo=UTC)
    assert held(world.look()) == waits
    found = world.look(60)
    assert asked(found) == [(LINES, DAY_2, DAY_2)]
    world.run(found.requests)
    world.look()
    # What was missing is news when it comes.
    put_lines(world, DAY_2, 2)
    world.look()
    assert asked(world.look(60)) == [(LINES, DAY_2, DAY_2)]


def test_a_day_waits_for_its_marker(world: World) -> None:
    for n in range(2):
        world.put(f"shop/orders/{DAY_2}/orders-{n}.csv")
    world.look()
    world.clock += timedelta(days=3)
    assert held(world.look()) == {("shop/orders", DAY_2): "waits for _SUCCESS"}
    world.put(f"shop/orders/{DAY_2}/_SUCCESS", "")
    world.look()
    found = world.look(60)
    assert asked(found) == [(("bronze.orders",), DAY_2, DAY_2)]
    world.run(found.requests)
    world.look()
    # The marker alone is no content.
    world.put(f"shop/orders/{DAY_2}/_SUCCESS", "again")
    world.look()
    assert asked(world.look(60)) == []


def test_a_rule_that_is_a_time_alone(world: World) -> None:
    from dataclasses import replace

    evening = replace(PRODUCTS, start_after=timedelta(hours=2))
    told = [judge(evening, DAY_2, ["a"], (), datetime(2017, 1, 3, hour, tzinfo=UTC), world.settings.zone) for hour in (6, 7)]
    assert [each.may_start for each in told] == [False, True]
    assert told[0].said == "waits for its time until 2017-01-03 02:00 EST"


def test_each_table_has_its_own_days_and_tables_with_the_same_days_one_run(world: World) -> None:
    for day in (DAY_1, DAY_2):
        put_lines(world, day, 1, 2)
        world.put(f"erp/products/{day:%Y/%m/%d}/{day:%Y%m%d}-1.csv")
    world.put(f"shop/orders/{DAY_2}/_SUCCESS")
    world.look()
    assert asked(world.look(60)) == [
        (("bronze.lines", "bronze.products"), DAY_1, DAY_2),
        (("bronze.orders",), DAY_2, DAY_2),
    ]


def test_ranges_have_no_gaps_and_are_not_too_long() -> None:
    days = [date(2017, 1, 1) + timedelta(days=n) for n in range(40) if n != 3]
    found = requests({"bronze.lines": dict.fromkeys(days, "x")}, {"bronze.lines": "tills/lines"})
    assert [(r.first, r.last) for r in found] == [
        (date(2017, 1, 1), date(2017, 1, 3)), (date(2017, 1, 5), date(2017, 2, 4)), (date(2017, 2, 5), date(2017, 2, 9)),
    ]  # fmt: skip
    assert len({r.key for r in found}) == 3


def test_a_look_asks_for_a_bounded_number_of_runs_and_the_rest_follows(world: World) -> None:
    days = [DAY_1 + timedelta(days=2 * n) for n in range(15)]
    for day in days:
        put_lines(world, day, 1, 2)
    # Days between them on which nothing came are not asked about here.
    world.built = {("bronze.lines", DAY_1 + timedelta(days=n)) for n in range(1, 30, 2)}
    world.clock = datetime(2017, 1, 30, 17, tzinfo=UTC)
    world.look()
    seen: list[date] = []
    for _ in range(3):
        found = world.look(60)
        assert len(found.requests) <= 10
        world.run(found.requests)
        seen += [request.first for request in found.requests]
    assert seen == days


def test_what_was_built_since_it_came_is_not_asked_for(world: World) -> None:
    put_lines(world, DAY_2, 1, 2)
    world.built = {("bronze.lines", DAY_2)}
    world.look()
    assert asked(world.look(60)) == [] and load(world.settings).days == {"tills/lines": set()}


def test_days_on_which_nothing_came_are_asked_for_once_time_has_moved_on(world: World) -> None:
    for day in (DAY_1, DAY_4):
        world.put(f"erp/products/{day:%Y/%m/%d}/{day:%Y%m%d}-1.csv")
    put_lines(world, DAY_2, 1, 2)
    world.look()
    found = world.look(60)
    # It is noon of the second day, so that nothing but the first is over, and lines began with the second.
    assert asked(found) == [
        (("bronze.products",), DAY_1, DAY_1),
        (LINES, DAY_2, DAY_2),
        (("bronze.products",), DAY_4, DAY_4),
    ]
    world.run(found.requests)
    world.clock = datetime(2017, 1, 6, 12, tzinfo=UTC)
    world.look()
    found = world.look()
    assert asked(found) == [(("bronze.products",), DAY_2, DAY_3), (LINES, DAY_3, DAY_4)]
    world.run(found.requests)
    # Nothing of any dataset came on the fifth.
    assert asked(world.look(60)) == [] and asked(world.look(60)) == []
    # Nor does a lost cursor ask again.
    world.cursor = type(world.cursor)()
    assert asked(world.look(60)) == [] and asked(world.look(60)) == []


def test_nothing_is_asked_for_in_a_lake_that_has_not_begun(world: World) -> None:
    world.clock = datetime(2026, 1, 1, tzinfo=UTC)
    assert asked(world.look()) == [] and asked(world.look()) == []


def test_days_after_the_lakes_last_wait_until_it_reaches_them(tmp_path: Path) -> None:
    world = World(settings_of(tmp_path, last_day=DAY_2), [table(TILLS)])
    put_lines(world, DAY_3, 1, 2)
    world.look()
    assert held(world.look(60)) == {("tills/lines", DAY_3): "is after the lake's last day, 2017-01-02"} and not world.told
    world.settings = settings_of(tmp_path)
    assert asked(world.look()) == [(LINES, DAY_3, DAY_3)]


def test_a_correction_is_built_with_the_day_it_corrects(world: World) -> None:
    for day in (DAY_1, DAY_2):
        put_lines(world, day, 1, 2)
    world.look()
    world.run(world.look(60).requests)
    world.look()
    put_lines(world, DAY_2, 1, version=2, of=DAY_1)
    world.look()
    assert asked(world.look(60)) == [(LINES, DAY_1, DAY_2)]


def test_a_day_keeps_its_file_until_the_correction_is_published_elsewhere(world: World) -> None:
    for day in (DAY_1, DAY_4):
        put_lines(world, day, 1, 2)
    world.clock = datetime(2017, 1, 4, 17, tzinfo=UTC)
    world.look()
    world.built = {("bronze.lines", DAY_2), ("bronze.lines", DAY_3)}
    world.run(world.look(60).requests)
    world.look()
    put_lines(world, DAY_4, 2, version=2, of=DAY_1)
    world.look()
    found = world.look(60)
    waits = {("tills/lines", DAY_1): "waits for 2017-01-04, which brings part of it"}
    assert asked(found) == [(LINES, DAY_4, DAY_4)] and held(found) == waits
    world.run(found.requests)
    found = world.look(30)
    assert asked(found) == [] and held(found) == waits
    world.built.add(("bronze.lines", DAY_4))
    found = world.look(30)
    assert asked(found) == [(LINES, DAY_1, DAY_1)]
    world.run(found.requests)
    assert asked(world.look(30)) == [] and load(world.settings).days == {"tills/lines": set()}


def test_each_arrival_is_told_once_with_what_is_missing(world: World) -> None:
    put_lines(world, DAY_2, 1)
    world.look()
    put_lines(world, DAY_2, 2)
    world.put(f"erp/products/{DAY_2:%Y/%m/%d}/20170102-1.csv")
    for _ in range(3):
        world.look(30)
    assert [(t.landing.dataset, t.day, sorted(t.files), t.completeness.missing) for t in world.told] == [
        ("lines", DAY_2, ["2017-01-02/lines_g1_20170102_v1.csv"], ("g2_20170102",)),
        ("lines", DAY_2, ["2017-01-02/lines_g2_20170102_v1.csv"], ()),
        ("products", DAY_2, ["2017/01/02/20170102-1.csv"], ()),
    ]


def test_a_table_that_is_gone_is_not_asked_for_any_more(world: World) -> None:
    put_lines(world, DAY_2, 1, 2)
    world.look()
    assert asked(world.look(60)) == [(LINES, DAY_2, DAY_2)]
    world.tables = [t for t in world.tables if t.name != "lines"]
    assert asked(world.look()) == []


def test_two_tables_of_one_dataset_are_asked_for_together(tmp_path: Path) -> None:
    world = World(settings_of(tmp_path), [table(PRODUCTS), table(PRODUCTS, "prices")], clock=NOON)
    world.put("erp/products/2017/01/02/20170102-1.csv")
    world.look()
    assert asked(world.look(60)) == [(("bronze.prices", "bronze.products"), DAY_2, DAY_2)]

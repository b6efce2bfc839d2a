"""What is asked for now and what had better wait, on seven small tables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest

from retail_lake.orchestration.due import Day, Due, from_text, remembered, same, to_text
from retail_lake.orchestration.graph import Graph
from retail_lake.orchestration.ranges import Range, range_of, ranges
from retail_lake_tests.orchestration.fakes import INPUTS, TABLES, fake_settings

FIRST = date(2017, 1, 1)
DAYS = [FIRST + timedelta(days=i) for i in range(14)]
OLD, NEW = "a" * 20, "b" * 20
ALL = {name: dict.fromkeys(DAYS if table.day else [None], OLD) for name, table in TABLES.items()}


def due(
    tmp_path: Path,
    changed: Mapping[str, Collection[Day]],
    published: Mapping[str, Mapping[Day, str]] = ALL,
    running: Mapping[str, Collection[Day]] | None = None,
    asked: Mapping[str, Mapping[Day, str]] | None = None,
) -> Due:
    graph = Graph.of(fake_settings(tmp_path), TABLES, INPUTS)
    return Due(graph, {n: dict.fromkeys(days, NEW) for n, days in changed.items()}, published, running or {}, asked or {})


def ready(found: Due) -> dict[str, set[Day]]:
    """What is asked for, table after table, as the sensors do."""
    asked: dict[str, set[Day]] = {}
    for name, table in TABLES.items():
        days = set(found.ready(table, asked)) if not name.startswith("bronze.") else set()
        asked[name] = days
    return {name: days for name, days in asked.items() if days}


def test_a_changed_day_is_asked_for_with_what_reads_that_day(tmp_path: Path) -> None:
    day = DAYS[4]
    # The mart reads two days: the one after follows when the fact is there.
    assert ready(due(tmp_path, {"gold.fact": [day]})) == {"gold.fact": {day}, "gold.mart": {day}}
    assert ready(due(tmp_path, {"gold.mart": [DAYS[5]]})) == {"gold.mart": {DAYS[5]}}


def test_a_range_with_all_that_reads_it_is_one_run(tmp_path: Path) -> None:
    found = due(tmp_path, {"gold.fact": DAYS}, {**ALL, "gold.fact": {}, "gold.mart": {}})
    assert ready(found) == {"gold.fact": {*DAYS}, "gold.mart": {*DAYS}}


def test_a_window_waits_for_days_of_other_runs(tmp_path: Path) -> None:
    first, later = DAYS[2], DAYS[4]
    found = due(tmp_path, {"gold.fact": [first, later], "gold.mart": [DAYS[3]]})
    # The mart of the day between reads the first one, which is built in a run that it is no part of.
    assert ready(found) == {"gold.fact": {first, later}, "gold.mart": {first, later}}


@pytest.mark.parametrize("upstream", ["silver.people", "silver.lines"])
def test_dimensions_come_after_silver_and_facts_after_dimensions(tmp_path: Path, upstream: str) -> None:
    day = DAYS[3]
    found = due(tmp_path, {upstream: [day], "gold.dim_person": [None], "gold.fact": DAYS})
    assert ready(found) == {upstream: {day}}
    found = due(tmp_path, {"gold.dim_person": [None], "gold.fact": DAYS})
    assert ready(found) == {"gold.dim_person": {None}}


def test_what_is_under_way_is_neither_asked_for_nor_overtaken(tmp_path: Path) -> None:
    day = DAYS[3]
    for running in ({"gold.fact": [day]}, {"silver.lines": [day]}, {"bronze.people": [day]}, {"gold.dim_person": [None]}):
        found = due(tmp_path, {"gold.fact": [day], "gold.mart": [day]}, running=running)
        assert ready(found) == {}, running
    # Another day's arrival holds back the dimension that reads every day, and whoever reads that.
    held = due(tmp_path, {"silver.lines": [day], "gold.fact": [day]}, running={"bronze.lines": [DAYS[9]]})
    assert ready(held) == {"silver.lines": {day}}


def test_the_silver_of_a_day_waits_for_all_that_arrives_on_it(tmp_path: Path) -> None:
    day = DAYS[3]
    changed = {"silver.people": [day, DAYS[4]]}
    assert ready(due(tmp_path, changed, running={"bronze.lines": [day]})) == {"silver.people": {DAYS[4]}}
    assert ready(due(tmp_path, changed)) == {"silver.people": {day, DAYS[4]}}


def test_nobody_waits_for_what_was_asked_for_in_vain(tmp_path: Path) -> None:
    day = DAYS[3]
    changed = {"silver.people": [day], "gold.dim_person": [None]}
    assert "gold.dim_person" not in ready(due(tmp_path, changed))
    assert "gold.dim_person" in ready(due(tmp_path, changed, asked={"silver.people": {day: NEW[:8]}}))
    # What was asked for is another content by now.
    assert "gold.dim_person" not in ready(due(tmp_path, changed, asked={"silver.people": {day: OLD[:8]}}))


def test_inputs_must_exist(tmp_path: Path) -> None:
    day = DAYS[3]
    without_people = {**ALL, "silver.people": {}, "gold.dim_person": {}}
    assert ready(due(tmp_path, {"gold.dim_person": [None]}, without_people)) == {}
    # A mart does not follow a fact into a run in which it could not be built.
    without_fact = {**ALL, "gold.fact": {}}
    assert ready(due(tmp_path, {"gold.mart": [day]}, without_fact)) == {}


def test_what_was_asked_for_is_remembered_as_long_as_it_is_due() -> None:
    asked = remembered({}, {DAYS[0]: NEW, DAYS[1]: NEW, None: NEW}, [DAYS[0], None])
    assert from_text(to_text(asked)) == asked and set(asked) == {DAYS[0], None}
    assert same(asked[None], NEW) and not same(asked[None], OLD) and not same(None, NEW)
    assert set(remembered(asked, {DAYS[0]: NEW}, [])) == {DAYS[0]}
    assert remembered(asked, {DAYS[0]: OLD}, []) == {}
    assert from_text("not ours") == {} and from_text(None) == {} and from_text('["neither"]') == {}


def test_days_are_cut_into_runs_by_month_and_by_what_is_wanted() -> None:
    january, february = date(2017, 1, 30), date(2017, 2, 2)
    days = [january + timedelta(days=i) for i in range(4)]
    wanted = {"a": days, "b": [*days[:2], february + timedelta(days=5)]}
    assert list(ranges(wanted)) == [
        (frozenset("ab"), Range(january, date(2017, 1, 31))),
        (frozenset("a"), Range(date(2017, 2, 1), february)),
        (frozenset("b"), Range(date(2017, 2, 7), date(2017, 2, 7))),
    ]
    for span in (Range(january, january), Range(january, date(2017, 1, 31))):
        assert range_of(span.tags) == span
    assert range_of({}) is None

"""The UI's word for days that older code made: stale until they are built again, and what reads them with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from retail_lake.contract import Table, expect
from retail_lake.orchestration.graph import OPS
from retail_lake.orchestration.instance import open_instance
from retail_lake.orchestration.run import materialize_range
from retail_lake_tests.orchestration.fakes import TABLES, FakeFlow, fake_definitions, fake_settings

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 3)
RULE = expect.column_values_to_be_between("id", max_value=99)
_LINES = TABLES["silver.lines"]
# Of a contract that is copied, what every silver table gets is given again.
CHANGED = {**TABLES, "silver.lines": replace(_LINES, columns=_LINES.columns[:3], rules=(*_LINES.rules[:2], RULE))}


def build(home: Path, tables: Mapping[str, Table], first: date = FIRST, last: date = LAST, names: Any = None) -> None:
    settings = fake_settings(home)
    definitions = fake_definitions(settings, FakeFlow(), dict(tables))
    assert materialize_range(names, first, last, settings=settings, definitions=definitions, progress=lambda _: None).success


def stale(home: Path, tables: Mapping[str, Table], day: date) -> dict[str, list[str]]:
    """The tables whose day the UI shows as stale, each with its causes."""
    settings = fake_settings(home)
    graph = fake_definitions(settings, FakeFlow(), dict(tables)).resolve_asset_graph()
    with open_instance(settings) as instance:
        ask = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        found = {}
        for key in (k for k in graph.executable_asset_keys if k.path[0] != OPS):
            partition = day.isoformat() if graph.get(key).partitions_def else None
            if ask.get_status(key, partition).value != "FRESH":
                found[".".join(key.path)] = [c.reason for c in ask.get_stale_causes(key, partition)]
    return found


def test_what_was_built_is_fresh_and_a_new_rule_makes_its_days_stale(tmp_path: Path) -> None:
    build(tmp_path, TABLES)
    assert stale(tmp_path, TABLES, FIRST) == {}
    assert stale(tmp_path, CHANGED, FIRST) == {"silver.lines": ["has a new code version"]}


def test_only_the_days_that_are_built_again_are_fresh_and_what_reads_them_follows(tmp_path: Path) -> None:
    build(tmp_path, TABLES)
    build(tmp_path, CHANGED, last=FIRST, names=["silver.lines"])
    first, second = (stale(tmp_path, CHANGED, day) for day in (FIRST, date(2017, 1, 2)))
    # Dagster does not look through all days that a dimension reads.
    assert first == {"gold.fact": ["has a new dependency data version"]}
    assert second["silver.lines"] == ["has a new code version"]
    build(tmp_path, CHANGED)
    for day in (FIRST, LAST):
        assert stale(tmp_path, CHANGED, day) == {}


def test_new_rows_of_a_dimension_make_no_day_stale(tmp_path: Path) -> None:
    build(tmp_path, TABLES)
    build(tmp_path, TABLES, first=LAST, names=["silver.people", "gold.dim_person"])
    assert stale(tmp_path, TABLES, FIRST) == {}


def test_the_code_version_is_that_of_the_snapshots(tmp_path: Path) -> None:
    graph = fake_definitions(fake_settings(tmp_path), FakeFlow()).resolve_asset_graph()
    for name, table in TABLES.items():
        assert graph.get(dg.AssetKey(name.split("."))).code_version == table.code_version

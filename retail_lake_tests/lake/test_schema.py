"""What Iceberg holds is what the contract says; a contract grows without rewriting history, and else is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.transforms import IdentityTransform

from retail_lake.contract import Column, Table, expect
from retail_lake.failure import ConfigurationFailure
from retail_lake.jobs.description import PinnedInput
from retail_lake.jobs.duckdb_session import parquet_sql
from retail_lake.lake import publish as module
from retail_lake.lake.publish import publish
from retail_lake.materialize import materialize
from retail_lake.tables import TABLES
from retail_lake_tests.lake.staged import DAYS, DIM, SHELF, items, open_lake, staged, visible

DAY1, DAY2, *_ = DAYS
NOTE = Column("note", "array<struct<text:string,length:int>>", "Notes on the item.")


def _spark_type(type_: Any) -> str:
    """An Iceberg type in the words of a contract."""
    if type_.is_struct:
        return f"struct<{','.join(f'{f.name}:{_spark_type(f.field_type)}' for f in type_.fields)}>"
    if hasattr(type_, "element_type"):
        return f"array<{_spark_type(type_.element_type)}>"
    return {"long": "bigint"}.get(str(type_), str(type_)).replace(", ", ",")


@pytest.mark.parametrize("name", list(TABLES))
def test_iceberg_holds_the_types_comments_and_partitions_of_the_contract(name: str, tmp_path: Path) -> None:
    table = TABLES[name]
    lake = open_lake(tmp_path)
    lake.ensure(table)
    # As a client sees it that knows nothing but the catalog's address.
    stored = SqlCatalog("lake", uri=lake.settings.catalog_uri).load_table(name)
    held = [(f.name, _spark_type(f.field_type), f.doc) for f in stored.schema().fields]
    assert held == [(c.name, c.type, c.comment) for c in table.columns]
    assert not any(f.required for f in stored.schema().fields)
    partitions = [(f.name, stored.schema().find_column_name(f.source_id), f.transform) for f in stored.spec().fields]
    assert partitions == ([(table.day, table.day, IdentityTransform())] if table.day else [])
    assert stored.properties["comment"] == table.description and stored.format_version == 2


def _columns(table: Table, *columns: Column, **changes: Any) -> Table:
    return replace(table, columns=columns, **changes)


def _pinned_rows(pinned: PinnedInput, table: Table) -> list[Any]:
    with duckdb.connect() as connection:
        return sorted(connection.execute(parquet_sql(connection, pinned, table.columns)).fetchall(), key=str)


def test_an_added_column_leaves_history_alone_and_is_null_there(
    by_hand: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 2)}))
    before = lake.pin(SHELF.full_name)
    # In the middle, with another comment beside it and another description.
    day, item, price = SHELF.columns
    grown = _columns(SHELF, day, NOTE, item, Column("price", price.type, "In dollars."), description="Shelves, with notes.")
    monkeypatch.setattr(module, "TABLES", {SHELF.full_name: grown})
    row = {"day": DAY2, "item": 3, "note": [{"text": "new", "length": 3}]}
    publish(lake, *staged(lake, grown, {DAY2: [row]}, sequence=2))
    after = lake.pin(SHELF.full_name)

    stored = SqlCatalog("lake", uri=lake.settings.catalog_uri).load_table(SHELF.full_name)
    assert [(f.name, f.doc) for f in stored.schema().fields][2:] == [("price", "In dollars."), ("note", "Notes on the item.")]
    assert stored.properties["comment"] == "Shelves, with notes."
    first = next(f for f in before.files if f"day={DAY1}" in f.uri)
    assert first in after.files and len(after.files) == 2, "the first day's file is as it was"

    note = [{"text": "new", "length": 3}]
    assert _pinned_rows(after, grown) == [(DAY1, None, 1, None), (DAY2, note, 3, None)]
    assert _pinned_rows(lake.pin(SHELF.full_name, [DAY1], "day"), grown) == [(DAY1, None, 1, None)]
    assert _pinned_rows(before, SHELF) == [(DAY1, 1, None), (DAY2, 2, None)], "the older pin reads what it read"
    assert sorted((r["item"], r["note"]) for r in stored.scan().to_arrow().to_pylist()) == [(1, None), (3, note)]


DAY, ITEM, PRICE = SHELF.columns
INCOMPATIBLE = {
    "dropped": (_columns(SHELF, DAY, ITEM), r"column price is in the lake but no longer in the contract"),
    "retyped": (
        _columns(SHELF, DAY, ITEM, Column("price", "double", "Price.")),
        r"column price is decimal\(10, 2\) in the lake, double in the contract",
    ),
    "not by day": (replace(SHELF, day=None), r"partitions it by \['day'\], the contract by nothing"),
    "by another day": (
        replace(SHELF, day="due", columns=(*SHELF.columns, Column("due", "date", "Due."))),
        r"partitions it by \['day'\], the contract by due",
    ),
}


@pytest.mark.parametrize("change", INCOMPATIBLE)
def test_an_incompatible_contract_is_refused_before_anything_runs(by_hand: None, tmp_path: Path, change: str) -> None:
    contract, message = INCOMPATIBLE[change]
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    before = lake.pin(SHELF.full_name)

    class Engine:
        name = "never"

        def run(self, job: Any) -> Any:
            raise AssertionError("the job ran")

    with pytest.raises(ConfigurationFailure, match=message) as refused:
        materialize(lake, Engine(), contract, [DAY1], run_id="run")
    assert str(refused.value).startswith("gold.shelf: the contract does not fit")
    assert "Keep the column and add a new one under another name" in str(refused.value)
    assert lake.pin(SHELF.full_name) == before and visible(lake, SHELF) == {DAY1: [1]}


def test_a_dimension_cannot_come_to_be_partitioned(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, DIM, {None: items(None, 1)}))
    by_day = replace(DIM, day="day", columns=(*DIM.columns, Column("day", "date", "The day.")))
    with pytest.raises(ConfigurationFailure, match="partitions it by nothing, the contract by day"):
        lake.check(by_day)


def test_rules_and_sql_may_change_freely(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    lake.check(replace(SHELF, sql="SELECT 1", rules=(expect.column_values_to_not_be_null("item"),), key=("item",)))

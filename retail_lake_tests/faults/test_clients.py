"""That no state of a table is too short to be seen by who goes through all of them, and what is not there yet is no error."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from retail_lake.lake.lake import Lake
from retail_lake_tests.faults.clients import Busy, Clients
from retail_lake_tests.lake.chain import DAYS, build, settings

TABLE = "gold.dim_date"


def test_every_state_is_gone_through_once_from_the_first_one(tmp_path: Path) -> None:
    lake = Lake(settings(tmp_path, tmp_path / "landing"))
    build(lake, DAYS, [TABLE])
    clients = Clients(lake.settings)
    (made, empty), (filled, full) = clients.versions(TABLE, "")
    assert not empty.days and full.days, "it is made before it is filled"
    stored = lake.stored(TABLE)
    assert stored
    for note in ("once", "twice"):
        with stored.transaction() as changing:
            changing.set_properties(note=note)
    since = [location for location, _ in clients.versions(TABLE, filled)]
    assert len(since) == 2
    assert [location for location, _ in clients.versions(TABLE, "")] == [made, filled, *since]
    assert [location for location, _ in clients.versions(TABLE, since[-1])] == since[-1:]


def test_a_catalog_whose_tables_somebody_else_is_making_is_read_later(tmp_path: Path) -> None:
    there = settings(tmp_path, tmp_path / "landing")
    clients = Clients(there)
    with closing(sqlite3.connect(there.home / "catalog.db")) as other:
        # An index of that name is no table, and yet there can be no table of that name: as when another process was quicker.
        other.executescript("CREATE TABLE other (name); CREATE INDEX iceberg_tables ON other (name)")
        with pytest.raises(Busy):
            clients.names()
        other.executescript("DROP TABLE other")
    assert clients.names() == []

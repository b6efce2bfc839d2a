"""Two lakes and two warehouses held against each other, row for row."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import duckdb
import pyarrow as pa

from retail_lake.config import Settings
from retail_lake.contract import Layer, Table
from retail_lake.lake.lake import Lake
from retail_lake.tables import TABLES
from retail_lake_tests.aws.redshift import RedshiftData
from retail_lake_tests.aws.server import Aws


def lake_differences(here: Settings, there: Settings, name: str) -> tuple[int, int]:
    """How many rows of the table only the one and only the other lake publishes; doubles are compared to nine digits.

    When a file was landed tells of the delivery, not of the data, and is left out.
    """
    ours, theirs = (_published(settings, name) for settings in (here, there))
    return _extra(ours, theirs), _extra(theirs, ours)


def _published(settings: Settings, name: str) -> pa.Table:
    stored = Lake(settings).stored(name)
    assert stored is not None, f"{name} was never published to {settings.lake_uri}"
    columns = [c.name for c in TABLES[name].columns if c.name != "_ingested_at"]
    return stored.scan().to_arrow().select(columns)


def _extra(ours: pa.Table, theirs: pa.Table) -> int:
    connection = duckdb.connect()
    picked = ", ".join(f"printf('%.8e', \"{f.name}\")" if pa.types.is_floating(f.type) else f'"{f.name}"' for f in ours.schema)
    connection.register("ours", ours)
    connection.register("theirs", theirs)
    counted = connection.execute(f"SELECT count(*) FROM (SELECT {picked} FROM ours EXCEPT ALL SELECT {picked} FROM theirs)")
    return int(counted.fetchall()[0][0])


GOLD: Final = tuple(name for name, table in TABLES.items() if table.layer is Layer.GOLD)


def warehouse_differences(here: Settings, aws: Aws, tables: Sequence[str] = GOLD) -> dict[str, tuple[int, int]]:
    """Tables whose rows in the DuckDB file of `here` and in Redshift are not the same, with how many only the one has."""
    service = aws.services["redshift-data"]
    assert isinstance(service, RedshiftData)
    connection = duckdb.connect(str(here.warehouse_path), read_only=True)
    found = {}
    for table in (TABLES[name] for name in tables):
        columns = ", ".join(f'"{c.name}"' for c in table.columns)
        ours = _counted(table, connection.execute(f'SELECT {columns} FROM main."{table.name}"').fetchall())
        theirs = _counted(table, service.sql(f'SELECT {columns} FROM gold."{table.name}"'))
        assert ours, f"{table.name} has no rows to compare"
        if ours != theirs:
            found[table.name] = (sum((ours - theirs).values()), sum((theirs - ours).values()))
    return found


def _counted(table: Table, rows: list[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(_plain(value) for value in row) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, (Decimal, dt.date)):
        return str(value)
    return str(value) if isinstance(value, (list, dict)) else value

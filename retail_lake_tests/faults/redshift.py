"""A table of gold as Redshift serves it: by SQL on the PostgreSQL behind it, past the Data API and the flow.

Belongs here: reading one once. Does not: where PostgreSQL is, which libpq's own variables say, or what to make of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retail_lake.contract import Table
from retail_lake.sql.types import duckdb_type
from retail_lake_tests.faults.digest import Days, by_day

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class Unanswered(Exception):
    """The server is down, or it has no such table yet."""


def read(table: Table, schema: str, duckdb: DuckDBPyConnection) -> Days:
    """Each day's content, in the types that DuckDB's file has; no table with nested ones is asked for."""
    import psycopg
    import pyarrow as pa

    texts = ", ".join(f'"{c.name}"::text' for c in table.columns)
    try:
        with psycopg.connect(autocommit=True) as connection:
            rows = connection.execute(f'SELECT {texts} FROM "{schema}"."{table.name}"').fetchall()
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable) as error:
        raise Unanswered(f"{table.name}: {error}") from error
    held = {c.name: pa.array([row[place] for row in rows], pa.string()) for place, c in enumerate(table.columns)}
    typed = ", ".join(f'"{c.name}"::{duckdb_type(c.type)} AS "{c.name}"' for c in table.columns)
    duckdb.register("served", pa.table(held))
    try:
        return by_day(duckdb, f"(SELECT {typed} FROM served)", table.day)
    finally:
        duckdb.unregister("served")

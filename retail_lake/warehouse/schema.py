"""A gold contract as a DuckDB table: created with its comments, evolved by adding columns, refused when it cannot be.

Belongs here: DDL of the embedded warehouse. Does not: rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retail_lake.contract import Table
from retail_lake.sql.quote import literal, quoted
from retail_lake.sql.types import duckdb_type
from retail_lake.warehouse.fit import check_fit, table_comment

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Gold tables stand in `main`, so that any DuckDB client finds them by plain name.
SCHEMA = "main"
LEDGER = "warehouse.ops.loads"

_LEDGER_DDL = f"""
CREATE SCHEMA IF NOT EXISTS warehouse.ops;
CREATE TABLE IF NOT EXISTS {LEDGER} (
    table_name VARCHAR NOT NULL, day DATE, files VARCHAR NOT NULL, snapshot_id BIGINT, rows BIGINT NOT NULL,
    run_id VARCHAR NOT NULL, loaded_at TIMESTAMP NOT NULL
);
COMMENT ON TABLE {LEDGER} IS 'What the warehouse holds: one row per table and day, written in the transaction of its rows.';
COMMENT ON COLUMN {LEDGER}.day IS 'The day; empty for a table that is replaced whole.';
COMMENT ON COLUMN {LEDGER}.files IS 'Digest of the published lake files the rows came from.';
COMMENT ON COLUMN {LEDGER}.snapshot_id IS 'Lake snapshot the rows were loaded from.';
"""


def column_types(table: Table) -> dict[str, str]:
    """Each column's type, spelled as DuckDB's own catalog spells it."""
    return {c.name: duckdb_type(c.type).replace(", ", ",") for c in table.columns}


def address(table: Table) -> str:
    """The table's full name in SQL."""
    return f"warehouse.{SCHEMA}.{quoted(table.name)}"


def stored_columns(connection: DuckDBPyConnection, table: Table) -> dict[str, tuple[str, str | None]]:
    """Type and comment of each column in the warehouse; nothing if the table is not there."""
    rows = connection.execute(
        "SELECT column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = 'warehouse' AND schema_name = ? AND table_name = ? ORDER BY column_index",
        [SCHEMA, table.name],
    ).fetchall()
    return {name: (type_, comment) for name, type_, comment in rows}


def check_compatible(connection: DuckDBPyConnection, table: Table) -> None:
    """Raise `Misfit` if a column's stored type can hold what the contract says neither as it is nor widened."""
    stored = {name: type_ for name, (type_, _) in stored_columns(connection, table).items()}
    check_fit(table, stored, column_types(table), _widens)


def ensure_ledger(connection: DuckDBPyConnection) -> None:
    """Create the load ledger if it is not there."""
    known = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'warehouse' AND schema_name = 'ops' AND table_name = 'loads'"
    if not connection.execute(known).fetchone():
        connection.execute(_LEDGER_DDL)


def ensure_table(connection: DuckDBPyConnection, table: Table) -> None:
    """Make the table what its contract says: created, or columns added and widened; comments as written."""
    ensure_ledger(connection)
    stored, wanted = stored_columns(connection, table), column_types(table)
    if not stored:
        columns = ", ".join(f"{quoted(name)} {type_}" for name, type_ in wanted.items())
        connection.execute(f"CREATE TABLE {address(table)} ({columns})")
    check_compatible(connection, table)
    for name, type_ in wanted.items():
        if stored and name not in stored:
            connection.execute(f"ALTER TABLE {address(table)} ADD COLUMN {quoted(name)} {type_}")
        elif stored and stored[name][0] != type_:
            connection.execute(f"ALTER TABLE {address(table)} ALTER COLUMN {quoted(name)} TYPE {type_}")
    _comment(connection, table)


def _comment(connection: DuckDBPyConnection, table: Table) -> None:
    """Write the comments that differ. After every ALTER, because DuckDB forgets a column's comment when its type changes."""
    stored = stored_columns(connection, table)
    for column in table.columns:
        if stored[column.name][1] != column.comment:
            connection.execute(f"COMMENT ON COLUMN {address(table)}.{quoted(column.name)} IS {literal(column.comment)}")
    text = table_comment(table)
    known = "SELECT comment FROM duckdb_tables() WHERE database_name = 'warehouse' AND schema_name = ? AND table_name = ?"
    if connection.execute(known, [SCHEMA, table.name]).fetchone() != (text,):
        connection.execute(f"COMMENT ON TABLE {address(table)} IS {literal(text)}")


def _widens(stored: str, wanted: str) -> bool:
    """Whether every value of the stored type is one of the wanted type: the widenings that Iceberg knows too."""
    if (stored, wanted) == ("INTEGER", "BIGINT"):
        return True
    old, new = (re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", t) for t in (stored, wanted))
    return bool(old and new and old[2] == new[2] and int(old[1]) < int(new[1]))

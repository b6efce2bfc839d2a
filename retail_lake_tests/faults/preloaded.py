"""What is loaded once for all forked processes. Importing it is its use."""

from __future__ import annotations

import importlib
from typing import Final

MODULES: Final = (
    "duckdb",
    "duckdb_extensions",
    "great_expectations",
    "pandas",
    "pyiceberg.catalog.sql",
    "pyiceberg.table",
    "retail_lake.engines.local",
    "retail_lake.lake.publish",
    "retail_lake.orchestration.assets",
    "retail_lake.orchestration.event_storage",
    "retail_lake.orchestration.resources",
    "retail_lake.orchestration.run",
    "retail_lake.warehouse.duckdb",
)

for name in MODULES:
    importlib.import_module(name)

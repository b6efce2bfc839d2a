"""Where gold is served from: an embedded DuckDB file, or a warehouse service. `base` is what every one of them can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retail_lake.config import Settings
    from retail_lake.warehouse.base import Warehouse


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse that the settings name; it connects on use."""
    if settings.warehouse == "redshift":
        from retail_lake.warehouse.redshift import RedshiftWarehouse

        return RedshiftWarehouse(settings)
    from retail_lake.warehouse.duckdb import DuckDBWarehouse

    return DuckDBWarehouse(settings)

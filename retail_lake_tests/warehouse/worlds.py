"""A warehouse, a lake folder that it can read and a look inside: the same for the embedded one and for Redshift."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, cast

import duckdb

from retail_lake.config import Settings
from retail_lake.warehouse import open_warehouse
from retail_lake.warehouse.base import LoadOutcome, Warehouse
from retail_lake.warehouse.redshift import RedshiftWarehouse
from retail_lake_tests.aws.redshift import RedshiftData
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, LakeFolder, fact


class World(Protocol):
    """A warehouse of a test's own, empty at first."""

    warehouse: Warehouse
    lake: LakeFolder

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """A query past the warehouse's own code; tables have plain names."""

    def ledger(self, table: str) -> list[tuple[Any, ...]]:
        """Everything that the ledger says of a table, by day."""

    def comments(self, table: str) -> dict[str, str]:
        """What the database says of each column, and under an empty name of the table."""


def by_day(world: World) -> list[tuple[date, int, Decimal]]:
    """Lines and dollars of each day that `fact_sales` has."""
    return world.rows("SELECT sale_date, count(*), sum(sales_value) FROM fact_sales GROUP BY 1 ORDER BY 1")


@dataclass
class Embedded:
    """DuckDB in a folder."""

    folder: Path
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.folder)
        self.warehouse = open_warehouse(self.settings)
        (self.folder / "lake").mkdir()
        self.lake = LakeFolder(self.folder / "lake")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """See `World`."""
        with duckdb.connect(str(self.settings.warehouse_path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def ledger(self, table: str) -> list[tuple[Any, ...]]:
        """See `World`."""
        columns = "day, files, snapshot_id, rows, run_id, loaded_at"
        return self.rows(f"SELECT {columns} FROM ops.loads WHERE table_name = '{table}' ORDER BY day")

    def comments(self, table: str) -> dict[str, str]:
        """See `World`."""
        columns = self.rows(f"SELECT column_name, comment FROM duckdb_columns() WHERE table_name = '{table}'")
        ((own,),) = self.rows(f"SELECT comment FROM duckdb_tables() WHERE table_name = '{table}'")
        return dict(columns) | {"": own}


@dataclass
class OnAws:
    """Redshift, and a lake in the bucket."""

    aws: Aws
    folder: Path
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        bucket = f"s3://{self.aws.s3.bucket}/warehouse-{uuid.uuid4().hex[:8]}"
        self.settings = Settings(
            home=self.folder,
            warehouse="redshift",
            redshift_workgroup="retail-lake",
            lake_uri=f"{bucket}/lake",
            artifacts_uri=f"{bucket}/artifacts",
            s3_endpoint=self.aws.s3.endpoint,
            poll_seconds=0.02,
        )
        self.warehouse = open_warehouse(self.settings)
        self.lake = LakeFolder(self.folder, remote=self.settings.lake_uri, settings=self.settings)

    @property
    def redshift(self) -> RedshiftData:
        """The database itself."""
        return cast(RedshiftData, self.aws.services["redshift-data"])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """See `World`."""
        return self.redshift.sql(sql, search_path="gold")

    def ledger(self, table: str) -> list[tuple[Any, ...]]:
        """See `World`."""
        return self.rows(f"SELECT day, files, snapshot_id, rows, run_id, loaded_at FROM gold_loads.{table} ORDER BY day")

    def comments(self, table: str) -> dict[str, str]:
        """See `World`."""
        described = f"'gold.{table}'::regclass"
        columns = self.rows(
            f"SELECT attname, col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = {described} AND attnum > 0"
        )
        ((own,),) = self.rows(f"SELECT obj_description({described}, 'pg_class')")
        return dict(columns) | {"": own}


OLD = [(DAY1, 3, Decimal("3.30"))]
NEW = [(DAY1, 4, Decimal("9.00")), (DAY2, 1, Decimal("1.10"))]
"""`by_day` of what is loaded and of what is published, where a test begins with the one and loads the other."""


def load_new(world: OnAws, run_id: str = "new") -> LoadOutcome:
    """Load what is published, as another process would."""
    return RedshiftWarehouse(world.settings).load(fact(), None, world.lake, run_id=run_id)


def batches(world: OnAws) -> list[dict[str, Any]]:
    """Every transaction that was asked for, repeated requests too."""
    return world.aws.called("redshift-data", "BatchExecuteStatement")


def runs(world: OnAws) -> list[tuple[date, str]]:
    """The days that the ledger has, and the run that loaded each."""
    return [(day, run) for day, _, _, _, run, _ in world.ledger("fact_sales")]

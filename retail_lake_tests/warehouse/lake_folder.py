"""Published Parquet files without a catalog: what a load reads of the lake, written by hand so that tests choose every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb

from retail_lake.config import Settings
from retail_lake.contract import Column, Layer, Table
from retail_lake.jobs.description import DataFile, PinnedInput
from retail_lake.storage import copy

DAY1, DAY2, DAY3 = date(2017, 1, 1), date(2017, 1, 2), date(2017, 1, 3)


def fact(*columns: Column, name: str = "fact_sales") -> Table:
    """A fact by day with a money column, and the columns given."""
    return Table(
        name=name,
        layer=Layer.GOLD,
        description="Lines sold.",
        grain="basket line",
        day="sale_date",
        columns=(
            Column("sale_date", "date", "The store's business day."),
            Column("basket_id", "bigint", "Checkout basket."),
            Column("sales_value", "decimal(12,2)", "Paid, in dollars; 'net'."),
            *columns,
        ),
        sql="SELECT * FROM silver.sales",
    )


def dimension() -> Table:
    """An unpartitioned table with a timestamp."""
    return Table(
        name="dim_store",
        layer=Layer.GOLD,
        description="Stores.",
        grain="store",
        columns=(Column("store_id", "bigint", "Store."), Column("valid_from", "timestamp", "First valid (UTC).")),
        sql="SELECT * FROM silver.stores",
    )


@dataclass
class LakeFolder:
    """Files by day in a folder; `publish` replaces a day's files by new ones, as a publish does.

    With `remote`, the prefix of a bucket, the files are there, and the folder is only where they are written first.
    """

    folder: Path
    files: dict[date | None, list[DataFile]] = field(default_factory=dict)
    sequence: int = 0
    remote: str = ""
    settings: Settings | None = None

    def publish(self, day: date | None, *selects: str) -> None:
        """One new file per SELECT holds the day from now on."""
        self.sequence += 1
        self.files[day] = []
        for part, select in enumerate(selects):
            path = self.folder / f"{self.sequence}-{part}.parquet"
            duckdb.sql(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
            rows = duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()[0][0]
            uri = f"file://{path}"
            if self.remote and self.settings:
                uri = f"{self.remote}/{path.name}"
                copy(str(path), uri, self.settings)
            self.files[day].append(DataFile(uri=uri, rows=rows, size=path.stat().st_size, day=day))

    def sales(self, day: date, rows: int, value: str = "1.10", extra: str = "") -> None:
        """A day of that many lines, each sold for `value`."""
        columns = f"DATE '{day}' AS sale_date, range AS basket_id, {value}::DECIMAL(12,2) AS sales_value {extra}"
        self.publish(day, f"SELECT {columns} FROM range({rows})")

    def current_files(self, table: Table | str, days: Sequence[date] | None = None) -> PinnedInput:
        """All files, unpruned: a load has to find its own days."""
        files = tuple(f for day in self.files for f in self.files[day])
        return PinnedInput(table=str(table), snapshot_id=self.sequence, sequence=self.sequence, files=files)

"""A job's session on DuckDB, in process: what the `local` engine and Lambda run on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from retail_lake.config import Settings
from retail_lake.contract import Column, Table
from retail_lake.duckdb_connection import connect, path_of
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import JobDescription, PinnedInput, StagedFile
from retail_lake.jobs.session import FilesRead, Row, as_struct, quarantined
from retail_lake.sql.quote import literal
from retail_lake.sql.render import render
from retail_lake.sql.types import duckdb_type
from retail_lake.storage import failures_of_duckdb

if TYPE_CHECKING:
    import duckdb
    from pyarrow import RecordBatch
    from pyarrow import Table as ArrowTable


def arrow_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> ArrowTable:
    """Rows as an Arrow table of the columns' types."""
    import pyarrow as pa

    from retail_lake.arrow_types import arrow_type

    return pa.Table.from_pylist(list(rows), pa.schema([pa.field(c.name, arrow_type(c.type)) for c in columns]))


def parquet_sql(connection: duckdb.DuckDBPyConnection, pinned: PinnedInput, columns: Sequence[Column]) -> str:
    """DuckDB SQL of a pinned input's rows, in contract order; a column that the files lack is NULL."""
    if not pinned.files:
        nulls = ", ".join(f'CAST(NULL AS {duckdb_type(c.type)}) AS "{c.name}"' for c in columns)
        return f"SELECT {nulls} WHERE false"
    paths = ", ".join(literal(path_of(f.uri)) for f in pinned.files)
    scan = f"read_parquet([{paths}], hive_partitioning = false, union_by_name = {str(pinned.evolved).lower()})"
    present = {c.name for c in columns}
    if pinned.evolved:
        present = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()}
    picked = [f'"{c.name}"' if c.name in present else f'CAST(NULL AS {duckdb_type(c.type)}) AS "{c.name}"' for c in columns]
    return f"SELECT {', '.join(picked)} FROM {scan}"


class DuckDBSession:
    """See `Session`."""

    name = "local"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.connection = connect(settings)
        self._read = FilesRead()

    def _render(self, sql: str) -> str:
        return render(sql, "duckdb", zone=self.settings.store_time_zone)

    def parquet(self, relation: str, pinned: PinnedInput, columns: Sequence[Column], where: str = "") -> None:
        sql = parquet_sql(self.connection, pinned, columns)
        condition = f" WHERE {self._render(where)}" if where else ""
        self.connection.execute(f'CREATE OR REPLACE TEMP VIEW "{relation}" AS SELECT * FROM ({sql}){condition}')

    def landed(self, relation: str, table: Table, job: JobDescription) -> None:
        import pyarrow as pa

        from retail_lake.sources.read import landed_schema

        self.connection.register(relation, pa.RecordBatchReader.from_batches(landed_schema(table), self._batches(table, job)))

    def _batches(self, table: Table, job: JobDescription) -> Iterator[RecordBatch]:
        """Files one after the other, as DuckDB asks for them; what their readers say is kept aside."""
        from retail_lake.sources.read import read_landed

        for file in job.landed:
            result = read_landed(file, table, self.settings)
            self._read.records[file.arrival_day] += result.records
            self._read.refused += quarantined(result)
            self._read.problems += [result.problem] if result.problem else []
            yield from result.batches()

    def read(self) -> FilesRead:
        return self._read

    def rows_of(self, relation: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
        self.connection.register(relation, arrow_rows(rows, columns))

    def view(self, relation: str, sql: str) -> None:
        self.connection.execute(f'CREATE OR REPLACE TEMP VIEW "{relation}" AS {self._render(sql)}')

    def keep(self, relation: str, sql: str) -> None:
        self._execute(f'CREATE OR REPLACE TEMP TABLE "{relation}" AS {self._render(sql)}')

    def query(self, sql: str) -> list[Row]:
        result = self._execute(self._render(sql))
        names = [d[0] for d in result.description or []]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def json(self, columns: Sequence[Column]) -> str:
        return f"to_json({as_struct(columns)})"

    def stage(self, sql: str, uri: str, day: str | None) -> list[StagedFile]:
        target = path_of(uri)
        if "://" not in target:
            Path(target).mkdir(parents=True, exist_ok=True)
        partition = f', PARTITION_BY ("{day}"), WRITE_PARTITION_COLUMNS true' if day else ""
        path = target if day else f"{target}/rows.parquet"
        written = self._execute(f"COPY ({self._render(sql)}) TO {literal(path)} (FORMAT parquet, RETURN_STATS true{partition})")
        names = [d[0] for d in written.description or []]
        files = [dict(zip(names, row, strict=True)) for row in written.fetchall()]
        return [
            StagedFile(
                uri=f"file://{f['filename']}" if "://" not in f["filename"] else f["filename"],
                day=date.fromisoformat(unquote(f["filename"].rsplit(f"/{day}=", 1)[1].split("/")[0])) if day else None,
                rows=f["count"],
            )
            for f in files
            if f["count"] or not day
        ]

    def close(self) -> None:
        self.connection.close()

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        import duckdb

        try:
            with failures_of_duckdb("DuckDB"):
                return self.connection.execute(sql)
        except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
            raise DataFailure(f"a value does not fit its contract type: {error}") from error

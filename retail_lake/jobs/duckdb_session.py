"""A job's session on DuckDB, in process: what the `local` engine and Lambda run on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from retail_lake.config import Settings
from retail_lake.contract import Column, Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import JobDescription, PinnedInput, StagedFile
from retail_lake.jobs.session import FilesRead, Row, as_struct, quarantined
from retail_lake.spill import spill_folder
from retail_lake.sql.render import render
from retail_lake.sql.types import duckdb_type
from retail_lake.storage import failures_of_duckdb

if TYPE_CHECKING:
    import duckdb
    from pyarrow import RecordBatch
    from pyarrow import Table as ArrowTable


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def local_path(uri: str) -> str:
    """A `file://` URI as the path DuckDB takes; any other URI as it is."""
    return uri.removeprefix("file://")


def connect(settings: Settings, database: str = ":memory:", *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection as the project uses it: UTC, bounded memory, no downloads, S3 where the settings name it."""
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": settings.memory_limit,
        "threads": settings.threads or os.cpu_count() or 1,
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    connection = duckdb.connect(database, read_only=read_only, config=config)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET temp_directory = {literal(str(spill_folder(settings)))}")
    connection.execute("SET partitioned_write_max_open_files = 1000")
    if "s3://" in f"{settings.lake_uri} {settings.landing_uri}":
        use_s3(connection, settings)
    return connection


def use_s3(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Let a connection read and write S3, with the credentials of the environment's own chain.

    Raises `DataFailure` never; a missing credential shows when S3 refuses.
    """
    import boto3
    from duckdb_extensions import import_extension

    import_extension("httpfs", con=connection)
    connection.execute("LOAD httpfs")
    found = boto3.Session().get_credentials()
    options = {"REGION": settings.region}
    if found is not None:
        frozen = found.get_frozen_credentials()
        options |= {"KEY_ID": frozen.access_key, "SECRET": frozen.secret_key}
        options |= {"SESSION_TOKEN": frozen.token} if frozen.token else {}
    if settings.s3_endpoint:
        scheme, _, host = settings.s3_endpoint.partition("://")
        options |= {"ENDPOINT": host, "URL_STYLE": "path", "USE_SSL": "true" if scheme == "https" else "false"}
    connection.execute(f"CREATE SECRET (TYPE s3, {', '.join(f'{k} {literal(str(v))}' for k, v in options.items())})")


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
    paths = ", ".join(literal(local_path(f.uri)) for f in pinned.files)
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
        target = local_path(uri)
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

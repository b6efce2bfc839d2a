"""A job's session on Spark: what the `spark`, Glue and EMR engines run on. The same program, the same SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from retail_lake.config import Settings
from retail_lake.contract import Column, Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import FileProblem, JobDescription, LandedFile, PinnedInput, StagedFile
from retail_lake.jobs.session import FilesRead, Row, as_struct, quarantined
from retail_lake.sql.render import render
from retail_lake.sql.types import spark_type

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyspark.sql import DataFrame, SparkSession

# What a file's reader says of it travels beside the records, as JSON in this column.
_SAID = "_said"


class SparkJobSession:
    """See `Session`. The Spark session is the caller's; temporary views and caches are this job's."""

    name = "spark"

    def __init__(self, spark: SparkSession, settings: Settings) -> None:
        self.spark = spark
        self.settings = settings
        self._kept: list[DataFrame] = []
        self._names: set[str] = set()
        self._landed: DataFrame | None = None

    def _render(self, sql: str) -> str:
        return render(sql, "spark", zone=self.settings.store_time_zone)

    def _register(self, relation: str, frame: DataFrame) -> None:
        frame.createOrReplaceTempView(relation)
        self._names.add(relation)

    def parquet(self, relation: str, pinned: PinnedInput, columns: Sequence[Column], where: str = "") -> None:
        schema = ", ".join(f"`{c.name}` {spark_type(c.type)}" for c in columns)
        if pinned.files:
            frame = self.spark.read.schema(schema).parquet(*(f.uri for f in pinned.files))
        else:
            frame = self.spark.createDataFrame([], schema)
        self._register(relation, frame.where(self._render(where)) if where else frame)

    def landed(self, relation: str, table: Table, job: JobDescription) -> None:
        from pyspark.sql.pandas.types import from_arrow_schema

        from retail_lake.sources.read import landed_schema

        settings, name = self.settings, job.table
        schema = from_arrow_schema(landed_schema(table, plain=True), prefer_timestamp_ntz=True).add(_SAID, "string")
        files = [(file.model_dump_json(),) for file in job.landed]
        listed = self.spark.createDataFrame(files, "file string").repartition(max(1, len(files)))

        def read(batches: Iterator[RecordBatch]) -> Iterator[RecordBatch]:
            yield from _read_files(batches, name, settings)

        frame = listed.mapInArrow(read, schema).cache()
        self._kept.append(frame)
        self._landed = frame
        self._register(relation, frame.where(f"{_SAID} IS NULL").drop(_SAID))

    def read(self) -> FilesRead:
        import json

        assert self._landed is not None
        read = FilesRead()
        for row in self._landed.where(f"{_SAID} IS NOT NULL").select(_SAID).collect():
            said = json.loads(row[0])
            if "problem" in said:
                read.problems.append(FileProblem(**said))
            elif "records" in said:
                read.records[date.fromisoformat(said["_day"])] += said["records"]
            else:
                read.refused.append({**said, "_day": date.fromisoformat(said["_day"])})
        read.refused.sort(key=lambda r: (r["source_file"], r["position"]))
        read.problems.sort(key=lambda p: p.key)
        return read

    def rows_of(self, relation: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
        schema = ", ".join(f"`{c.name}` {spark_type(c.type)}" for c in columns)
        data = [tuple(row[c.name] for c in columns) for row in rows]
        self._register(relation, self.spark.createDataFrame(data, schema))

    def view(self, relation: str, sql: str) -> None:
        self._register(relation, self.spark.sql(self._render(sql)))

    def keep(self, relation: str, sql: str) -> None:
        frame = self.spark.sql(self._render(sql)).cache()
        self._kept.append(frame)
        self._register(relation, frame)

    def query(self, sql: str) -> list[Row]:
        with _data_failures():
            return [row.asDict(recursive=True) for row in self.spark.sql(self._render(sql)).collect()]

    def json(self, columns: Sequence[Column]) -> str:
        return f"to_json({as_struct(columns)}, map('ignoreNullFields', 'false'))"

    def stage(self, sql: str, uri: str, day: str | None) -> list[StagedFile]:
        frame = self.spark.sql(self._render(sql))
        with _data_failures():
            if day:
                # A copy names the folders: the file itself must keep the day.
                frame = frame.withColumn("staged_day", frame[day]).repartition("staged_day")
                frame.write.mode("overwrite").partitionBy("staged_day").parquet(uri)
            else:
                frame.coalesce(1).write.mode("overwrite").parquet(uri)
        return self._written(uri, day)

    def _written(self, uri: str, day: str | None) -> list[StagedFile]:
        """The files below `uri` with their rows, as their footers say."""
        import pyarrow.parquet as pq

        from retail_lake.storage import filesystem, list_files

        system, root = filesystem(uri, self.settings)
        staged = []
        for stored in list_files(uri, self.settings):
            if not stored.key.endswith(".parquet"):
                continue
            rows = pq.read_metadata(f"{root}/{stored.key}", filesystem=system).num_rows
            of = date.fromisoformat(unquote(stored.key.split("/")[0].partition("=")[2])) if day else None
            if rows or not day:
                staged.append(StagedFile(uri=f"{uri}/{stored.key}", day=of, rows=rows))
        return staged

    def close(self) -> None:
        for frame in self._kept:
            frame.unpersist()
        for name in self._names:
            self.spark.catalog.dropTempView(name)


class _data_failures:
    """Turn Spark's arithmetic and cast errors into `DataFailure`: the data, not the engine, is at fault."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        from pyspark.errors import ArithmeticException, DateTimeException, NumberFormatException

        if isinstance(error, (ArithmeticException, DateTimeException, NumberFormatException)):
            raise DataFailure(f"a value does not fit its contract type: {str(error).splitlines()[0]}") from error


def _read_files(batches: Iterator[RecordBatch], name: str, settings: Settings) -> Iterator[RecordBatch]:
    """Runs in Spark's Python workers: landed files to rows by the same readers as in process."""
    import json

    import pyarrow as pa

    from retail_lake.sources.read import landed_schema, read_landed
    from retail_lake.tables import TABLES

    table = TABLES[name]
    plain = landed_schema(table, plain=True)
    schema = plain.append(pa.field(_SAID, pa.string()))
    for batch in batches:
        for text in batch.column(0).to_pylist():
            result = read_landed(LandedFile.model_validate_json(text), table, settings)
            for rows in result.batches():
                cast = pa.Table.from_batches([rows]).cast(plain).combine_chunks()
                yield from cast.append_column(_SAID, pa.nulls(len(cast), pa.string())).cast(schema).to_batches()
            said = [json.dumps({"_day": str(result.file.arrival_day), "records": result.records})]
            said += [json.dumps(r, default=str) for r in quarantined(result)]
            said += [result.problem.model_dump_json()] if result.problem else []
            empty = [pa.nulls(len(said), field.type) for field in plain]
            yield pa.record_batch([*empty, pa.array(said)], schema=schema)

"""One landed file as bronze rows, the same way on every engine.

Belongs here: choosing the reader and adding the columns every bronze row carries. Does not: `_day`, which the job computes in
SQL from what the record claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from typing import Final, cast

import numpy as np
import pyarrow as pa

from retail_lake.arrow_types import arrow_schema
from retail_lake.config import Settings
from retail_lake.contract import BRONZE_COLUMNS, Column, Table
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake.jobs.description import FileProblem, LandedFile
from retail_lake.sources.records import Reader, Records, RejectedRecord, UnreadableFile
from retail_lake.storage import read_bytes

# The modules that a landing may name as its `reader`.
READERS: Final = ("csv_files", "dms_csv", "json_lines", "json_pages", "parquet_files")
BATCH_ROWS: Final = 65_536
_ADDED: Final = frozenset(column.name for column in BRONZE_COLUMNS)
_KEY: Final = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class FileResult:
    """What one landed file held. A file with a `problem` has no rows and no rejected records.

    `table` has the columns of `landed_schema`.
    """

    file: LandedFile
    table: pa.Table
    rejected: tuple[RejectedRecord, ...] = ()
    problem: FileProblem | None = None

    @property
    def records(self) -> int:
        """Records in the file, readable or not."""
        return self.table.num_rows + len(self.rejected)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as record batches of at most `BATCH_ROWS` rows; none if there are no rows."""
        yield from self.table.to_batches(max_chunksize=BATCH_ROWS)


def landed_schema(table: Table, *, plain: bool = False) -> pa.Schema:
    """The contract's columns in its order, without `_day`. `_source_file` is a dictionary, unless `plain` asks for strings."""
    schema = arrow_schema(column for column in table.columns if column.name != "_day")
    return schema if plain else schema.set(schema.get_field_index("_source_file"), pa.field("_source_file", _KEY))


def read_landed(file: LandedFile, table: Table, settings: Settings) -> FileResult:
    """Read one landed file of a bronze table; a file that cannot be read is a result with a problem.

    Raises `ConfigurationFailure` for a contract that its reader cannot serve, `TransientFailure` when the file is not the one
    listed.
    """
    reader, own = _reader(table)
    assert table.landing is not None
    try:
        data = read_bytes(file.uri, settings)
    except FileNotFoundError:
        raise TransientFailure(f"{file.key} was listed and is gone: run {table.full_name} of {file.arrival_day} again") from None
    if len(data) != file.size:
        raise TransientFailure(f"{file.key} has changed since it was listed: run {table.full_name} of {file.arrival_day} again")
    try:
        records = reader.read(data, own, table.landing.options)
    except UnreadableFile as error:
        problem = FileProblem(key=file.key, arrival_day=file.arrival_day, rule=error.rule, problem=f"{file.key}: {error}")
        return FileResult(file, landed_schema(table).empty_table(), problem=problem)
    return FileResult(file, _with_source(records, file, table), records.rejected)


def _with_source(records: Records, file: LandedFile, table: Table) -> pa.Table:
    rows = records.table.num_rows
    schema = landed_schema(table)
    added = {
        "_source_file": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([file.key])),
        "_position": records.positions,
        "_ingested_at": pa.repeat(pa.scalar(_utc(file.modified), pa.timestamp("us")), rows),
        "_arrival_day": pa.repeat(pa.scalar(file.arrival_day, pa.date32()), rows),
    }
    return pa.table([added[name] if name in added else records.table[name] for name in schema.names], schema=schema)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


@lru_cache(maxsize=64)
def _reader_named(name: str) -> Reader:
    return cast(Reader, import_module(f"retail_lake.sources.{name}"))


def _reader(table: Table) -> tuple[Reader, tuple[Column, ...]]:
    """The table's reader and own columns. Raises `ConfigurationFailure` where they do not fit."""
    if not table.landing:
        raise ConfigurationFailure(f"{table.full_name} has no landing: only bronze tables read landed files")
    name, own = table.landing.reader, tuple(column for column in table.columns if column.name not in _ADDED)
    if name not in READERS:
        raise ConfigurationFailure(f"{table.full_name}: unknown reader {name!r}; write one of {', '.join(READERS)}")
    reader = _reader_named(name)
    if unknown := sorted(set(table.landing.options) - reader.OPTIONS):
        takes = ", ".join(sorted(reader.OPTIONS)) or "none"
        raise ConfigurationFailure(f"{table.full_name}: reader {name} has no option {', '.join(unknown)}; it takes {takes}")
    if not reader.TYPED and (typed := [field.name for field in arrow_schema(own) if not _is_text(field.type)]):
        raise ConfigurationFailure(f"{table.full_name}: reader {name} gives text; make these columns strings: {', '.join(typed)}")
    return reader, own


def _is_text(type_: pa.DataType) -> bool:
    if pa.types.is_list(type_):
        return _is_text(type_.value_type)
    if pa.types.is_struct(type_):
        return all(_is_text(field.type) for field in type_)
    return pa.types.is_string(type_)

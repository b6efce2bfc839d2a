"""What the job program needs of an engine: relations by name, and Parquet in and out.

Belongs here: the protocol and what both engines share. Does not: any engine (`duckdb_session.py`, `spark_session.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from retail_lake.contract import Column, Table
from retail_lake.jobs.description import FileProblem, JobDescription, PinnedInput, StagedFile
from retail_lake.sources.records import RECORD_RULE

if TYPE_CHECKING:
    from retail_lake.config import Settings
    from retail_lake.sources.read import FileResult

Row = dict[str, Any]


@dataclass
class FilesRead:
    """What the readers say of a job's landed files: their records by arrival day, readable or not; the records that were
    refused, as quarantine rows without the job's own columns; the files that could not be read.
    """

    records: Counter[date] = field(default_factory=Counter)
    refused: list[Row] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)


class Session(Protocol):
    """One job's working space. Relation names are plain identifiers; SQL is portable Spark SQL without macros left out."""

    name: str
    settings: Settings

    def parquet(self, relation: str, pinned: PinnedInput, columns: Sequence[Column], where: str = "") -> None:
        """A relation over exactly the pinned files, with the contract's columns: a column that an older file lacks is NULL."""

    def landed(self, relation: str, table: Table, job: JobDescription) -> None:
        """A relation of the records of a bronze job's landed files: its columns but `_day`. It may be read once."""

    def read(self) -> FilesRead:
        """What the readers say, once the landed relation has been read."""

    def rows_of(self, relation: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> None:
        """A small relation of these rows."""

    def view(self, relation: str, sql: str) -> None:
        """A relation that is computed whenever it is read."""

    def keep(self, relation: str, sql: str) -> None:
        """A relation that is computed once, now."""

    def query(self, sql: str) -> list[Row]:
        """The rows of a small result."""

    def json(self, columns: Sequence[Column]) -> str:
        """An SQL expression of these columns as one JSON object, NULLs included, scalars as text."""

    def stage(self, sql: str, uri: str, day: str | None) -> list[StagedFile]:
        """Write a result as Parquet below `uri`; with `day`, each file holds one day and keeps the column."""

    def close(self) -> None:
        """Give back what the session holds."""


def as_struct(columns: Sequence[Column]) -> str:
    """The columns as one struct whose scalars are text: engines write numbers and times in JSON each in their own way."""
    plain = (c.name if c.type.startswith(("array", "struct")) else f"CAST({c.name} AS STRING) AS {c.name}" for c in columns)
    return f"struct({', '.join(plain)})"


def quarantined(result: FileResult) -> list[Row]:
    """The records that a file's reader refused, as quarantine rows without the job's own columns."""
    return [
        {
            "_day": result.file.arrival_day,
            "rules": RECORD_RULE,
            "reason": rejected.reason,
            "record": rejected.record,
            "source_file": result.file.key,
            "position": rejected.position,
        }
        for rejected in result.rejected
    ]

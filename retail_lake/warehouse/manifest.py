"""Published files as the manifests that COPY reads: files with the same columns together, each at its exact size.

COPY takes Parquet columns by position, so the files themselves are asked what they hold and in which order. A contract
does not tell: files from before a column was added lack it, and the order of a contract's columns is free.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.failure import DataFailure
from retail_lake.jobs.description import DataFile
from retail_lake.storage import failures, filesystem

_READERS = 16


@dataclass(frozen=True)
class Alike:
    """Files that hold the same columns in the same order."""

    columns: tuple[str, ...]
    files: tuple[DataFile, ...]

    @property
    def rows(self) -> int:
        """Rows of all of them."""
        return sum(f.rows for f in self.files)

    def manifest(self) -> bytes:
        """What COPY … MANIFEST reads: every file must be there, and be as long as it was when it was published."""
        entries = [{"url": f.uri, "mandatory": True, "meta": {"content_length": f.size}} for f in self.files]
        return json.dumps({"entries": entries}).encode()


def alike(table: Table, files: Iterable[DataFile], settings: Settings) -> list[Alike]:
    """The files with rows, by the columns they hold. Raises `DataFailure` for a file that is gone or has a column too many."""
    import pyarrow.parquet as pq

    def columns(file: DataFile) -> tuple[str, ...]:
        system, path = filesystem(file.uri, settings)
        try:
            with failures(file.uri):
                return tuple(pq.read_schema(path, filesystem=system).names)
        except FileNotFoundError:
            raise DataFailure(f"{table.full_name}: the published file {file.uri} is gone") from None

    with_rows = [f for f in files if f.rows]
    groups: dict[tuple[str, ...], list[DataFile]] = {}
    with ThreadPoolExecutor(_READERS) as pool:
        for file, held in zip(with_rows, pool.map(columns, with_rows), strict=True):
            groups.setdefault(held, []).append(file)
    known = {c.name for c in table.columns}
    for held, its in groups.items():
        if unknown := [c for c in held if c not in known]:
            raise DataFailure(
                f"{table.full_name}: the published file {its[0].uri} has columns that the contract has not: {unknown}"
            )
    return [Alike(held, tuple(its)) for held, its in groups.items()]

"""CSV files as AWS DMS writes them to S3 (`AddColumnName=true`): full loads and change files of one table.

A change file begins with the column `Op` (I, U or D); a full load has it only by setting, and its rows read NULL there. The
contract's column of that name, in any case, takes it. Options: `null` is DMS's `CsvNullValue`, `NULL` by default. DMS writes no
count: a file cut at the end of a line cannot be told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from retail_lake.contract import Column
from retail_lake.sources.delimited import read_delimited
from retail_lake.sources.records import Records, header_matches

OPTIONS = frozenset({"null"})
TYPED = False


def read(data: bytes, columns: Sequence[Column], options: Mapping[str, Any]) -> Records:
    """Read one file. Positions are line numbers. Raises `UnreadableFile`."""
    operation = next((column.name for column in columns if column.name.lower() == "op"), None)
    own = [column.name for column in columns if column.name != operation]

    def match(found: Sequence[str]) -> Sequence[str]:
        if operation and found and found[0].lower() == "op":
            header_matches(found[1:], own)
            return [operation, *own]
        header_matches(found, own)
        return own

    records = read_delimited(data, match, null=options.get("null", "NULL"))
    table = records.table
    if operation and operation not in table.column_names:
        table = table.append_column(operation, pa.nulls(table.num_rows, pa.string()))
    return Records(table.select([column.name for column in columns]), records.positions, records.rejected)

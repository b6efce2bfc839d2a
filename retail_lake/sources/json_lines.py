"""JSON lines: each line a document, nested as it came. A day without documents is a file with one empty line.

A line that is not a document, or has a field that the contract does not know, is rejected alone. Takes no options.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from retail_lake.contract import Column
from retail_lake.sources.json_values import parse, row_converter, rows_table
from retail_lake.sources.records import Records, RejectedRecord, UnreadableFile, decoded, not_empty

OPTIONS: frozenset[str] = frozenset()
TYPED = False


def read(data: bytes, columns: Sequence[Column], options: Mapping[str, Any]) -> Records:
    """Read one file. Positions are line numbers; empty lines are no records. Raises `UnreadableFile`."""
    not_empty(data)
    convert = row_converter(tuple(columns))
    rows: list[dict[str, Any]] = []
    positions: list[int] = []
    rejected: list[RejectedRecord] = []
    lines = decoded(data).split("\n")
    for position, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        try:
            rows.append(convert(parse(line)))
        except ValueError as error:
            # A broken last line without a line break is a cut file, not a malformed document.
            if position == len(lines) and isinstance(error, json.JSONDecodeError):
                raise UnreadableFile(
                    "file_is_complete", f"line {position}, the last, is cut", "Deliver it again in full"
                ) from None
            rejected.append(RejectedRecord(position, line.rstrip("\r"), str(error)))
        else:
            positions.append(position)
    return Records(rows_table(rows, columns), pa.array(positions, pa.int64()), tuple(rejected))

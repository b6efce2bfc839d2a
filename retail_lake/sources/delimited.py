"""Delimited text into string columns, a malformed line rejected alone.

Belongs here: what till files and DMS files have in common. The parser is Arrow's; this adds what it leaves open: the exact
header, a trailer, quotes left open, blank lines.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import csv as arrow_csv

from retail_lake.sources.records import Records, RejectedRecord, UnreadableFile, not_empty, undecodable

# Takes the header's names; raises `UnreadableFile`, or returns the names to give the columns.
HeaderMatch = Callable[[Sequence[str]], Sequence[str]]

_BLOCK_BYTES: Final = 1 << 30
_AGAIN: Final = "Deliver it again in full"


def read_delimited(data: bytes, match_header: HeaderMatch, *, null: str, trailer: str = "") -> Records:
    """Read comma-separated UTF-8 text with a header line, every column a string.

    An unquoted field that is `null` is NULL. `trailer` starts the last line, which ends with the number of data lines. A
    position is the line number (the header is line 1), where a quoted field with line breaks counts as one line. Raises
    `UnreadableFile`.
    """
    not_empty(data)
    body, lines = _without_trailer(data, trailer) if trailer else (_ends_with_newline(data), None)
    names = match_header(_header(data))
    # One line more, with too many fields: if the parser does not report it as the last line, a quote was left open.
    sentinel = "," * len(names)
    invalid: list[arrow_csv.InvalidRow] = []

    def keep(row: arrow_csv.InvalidRow) -> str:
        invalid.append(row)
        return "skip"

    text = body + sentinel.encode() + b"\n"
    table = arrow_csv.read_csv(
        pa.BufferReader(text),
        # The header stays in the text and is skipped, so that the parser's line numbers are the file's. It tells them only in
        # one thread.
        read_options=arrow_csv.ReadOptions(
            use_threads=False, block_size=min(len(text) + 1, _BLOCK_BYTES), skip_rows=1, column_names=list(names)
        ),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=keep),
        convert_options=arrow_csv.ConvertOptions(
            check_utf8=False,
            column_types={name: pa.string() for name in names},
            null_values=[null],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    if not invalid or invalid[-1].text != sentinel:
        raise UnreadableFile("file_is_parseable", "a quote is opened and never closed", "Close it and deliver the file again")
    *malformed, _ = invalid
    if lines is not None and lines != table.num_rows + len(malformed):
        found = table.num_rows + len(malformed)
        raise UnreadableFile("file_is_complete", f"the last line says {lines} lines, the file has {found}", _AGAIN)
    rejected = [RejectedRecord(r.number, r.text, f"{r.actual_columns} fields instead of {r.expected_columns}") for r in malformed]
    positions = np.arange(2, table.num_rows + len(rejected) + 2)
    if rejected:
        positions = np.delete(positions, [record.position - 2 for record in rejected])
    return _without_blank(Records(table, pa.array(positions, pa.int64()), tuple(rejected)))


def _header(data: bytes) -> list[str]:
    line = data.partition(b"\n")[0].decode("utf-8-sig").rstrip("\r")
    if "\0" in line:
        raise UnreadableFile("file_is_decodable", "line 1 has NUL characters, as UTF-16 text does", "Deliver it again as UTF-8")
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise UnreadableFile("file_is_parseable", f"line 1 is not a header: {error}", "Deliver it with a header line") from None


def _without_trailer(data: bytes, trailer: str) -> tuple[bytes, int]:
    """The text before the trailer, and the number of lines that the trailer tells."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        # A character cut in half at the very end is a matter of length, not of encoding.
        if error.end < len(data) or "unexpected end" not in error.reason:
            raise undecodable(data, error) from None
    start = data.rfind(b"\n", 0, -1) + 1
    told = re.fullmatch(re.escape(trailer.encode()) + rb"([0-9]{1,18})\r?\n", data[start:])
    if start and told:
        return data[:start], int(told[1])
    raise UnreadableFile("file_is_complete", f"the file does not end with a line {trailer}<number of lines>", _AGAIN)


def _ends_with_newline(data: bytes) -> bytes:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise undecodable(data, error) from None
    if not data.endswith(b"\n"):
        raise UnreadableFile("file_is_complete", "the last line does not end with a line break", _AGAIN)
    return data


def _without_blank(records: Records) -> Records:
    """Reject lines that have no value in any field: the parser reads a blank line as a row of NULLs."""
    blank = pa.repeat(True, records.table.num_rows)
    for column in records.table.columns:
        blank = pc.and_(blank, pc.fill_null(pc.equal(column.combine_chunks(), ""), True))
        if not pc.any(blank).as_py():
            return records
    rejected = [RejectedRecord(p, "", "no value in any field") for p in records.positions.filter(blank).to_pylist()]
    return Records(
        records.table.filter(pc.invert(blank)),
        records.positions.filter(pc.invert(blank)),
        tuple(sorted((*records.rejected, *rejected), key=lambda record: record.position)),
    )

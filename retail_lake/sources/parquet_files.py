"""Parquet files, whose values already have types. They must be the contract's, or widen to them without loss.

Takes no options.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from retail_lake.arrow_types import arrow_schema
from retail_lake.contract import Column
from retail_lake.sources.records import Records, UnreadableFile, header_matches, not_empty

OPTIONS: frozenset[str] = frozenset()
TYPED = True
_MAGIC = b"PAR1"
_AGAIN = "Deliver it again"


def read(data: bytes, columns: Sequence[Column], options: Mapping[str, Any]) -> Records:
    """Read one file; its columns may stand in any order. Positions are row numbers from 1. Raises `UnreadableFile`."""
    not_empty(data)
    if data.startswith(_MAGIC) and not data.endswith(_MAGIC):
        raise UnreadableFile("file_is_complete", "the file ends before its Parquet footer", "Deliver it again in full")
    schema = arrow_schema(columns)
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        found = file.schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile("file_is_parseable", f"not a Parquet file: {error}", _AGAIN) from None
    wanted = schema.names
    # Parquet columns are found by name: their order says nothing.
    header_matches(wanted if sorted(found.names) == sorted(wanted) else found.names, wanted, "schema")
    types = [(f.name, found.field(f.name).type, f.type) for f in schema]
    wrong = [f"{name} is {has}, not {wants}" for name, has, wants in types if not widens(has, wants)]
    if wrong:
        what_to_do = "Deliver it again with the contract's types, or change the table's contract"
        raise UnreadableFile("file_header_matches", f"the schema differs: {'; '.join(wrong)}", what_to_do)
    try:
        table = file.read(use_threads=False).select(wanted).cast(schema)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile("file_is_parseable", f"the values cannot be read: {error}", _AGAIN) from None
    return Records(table, pa.array(np.arange(1, table.num_rows + 1), pa.int64()))


def widens(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether every value of the one type is a value of the other (of a finer timestamp: the value itself decides)."""
    is_ = pa.types
    if found == wanted or is_.is_null(found):
        return True
    if is_.is_dictionary(found):
        return widens(found.value_type, wanted)
    if is_.is_string(wanted):
        return is_.is_large_string(found) or is_.is_string_view(found)
    if is_.is_integer(wanted):
        return is_.is_integer(found) and found.bit_width + is_.is_unsigned_integer(found) <= wanted.bit_width
    if is_.is_floating(wanted):
        return is_.is_floating(found) and found.bit_width <= wanted.bit_width
    if is_.is_timestamp(wanted):
        return is_.is_timestamp(found)
    if is_.is_decimal(wanted):
        whole = wanted.precision - wanted.scale
        return is_.is_decimal(found) and found.scale <= wanted.scale and found.precision - found.scale <= whole
    if is_.is_struct(wanted):
        same = is_.is_struct(found) and [f.name for f in found] == [f.name for f in wanted]
        return same and all(widens(has.type, wants.type) for has, wants in zip(found, wanted, strict=True))
    if is_.is_list(wanted):
        return (is_.is_list(found) or is_.is_large_list(found)) and widens(found.value_type, wanted.value_type)
    return False

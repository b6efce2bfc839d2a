"""Parquet files: the contract's types or a refusal that names the column."""

from __future__ import annotations

import io
from datetime import datetime
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from retail_lake.sources.parquet_files import read
from retail_lake.sources.records import UnreadableFile
from retail_lake_tests.sources.contracts import columns_of

COLUMNS = columns_of(store_id="bigint", city="string", updated_at="timestamp")
SOUND = pa.table({"store_id": pa.array([1, 2]), "city": ["a", None], "updated_at": pa.array([0, 1], pa.timestamp("us"))})


def written(table: pa.Table, **options) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def refused(data: bytes, columns=COLUMNS) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        read(data, columns, {})
    return caught.value


rows = st.lists(
    st.fixed_dictionaries(
        {
            "store_id": st.none() | st.integers(-(2**63), 2**63 - 1),
            "city": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
            "updated_at": st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)),
        }
    ),
    max_size=20,
)


@given(rows, st.integers(1, 7))
@hypothesis_settings(max_examples=50, deadline=None)
def test_any_file_reads_as_it_was_written(rows: list[dict], row_group: int) -> None:
    records = read(written(pa.Table.from_pylist(rows, schema=SOUND.schema), row_group_size=row_group), COLUMNS, {})
    assert records.table.to_pylist() == rows and records.table.schema == SOUND.schema
    assert records.positions.to_pylist() == list(range(1, len(rows) + 1)) and records.rejected == ()


def test_narrower_types_and_another_order_of_columns_are_the_contracts() -> None:
    narrow = pa.table(
        {
            "updated_at": pa.array([1, 2], pa.timestamp("s", "UTC")),
            "city": pa.array(["a", "b"]).dictionary_encode(),
            "store_id": pa.array([1, 2], pa.uint32()),
        }
    )
    records = read(written(narrow), COLUMNS, {})
    assert records.table.schema == SOUND.schema
    assert records.table.to_pylist()[1] == {"store_id": 2, "city": "b", "updated_at": datetime(1970, 1, 1, 0, 0, 2)}


@pytest.mark.parametrize(
    ("spoiled", "says"),
    [
        (SOUND.drop_columns("city"), "the schema misses 'city'"),
        (SOUND.append_column("till", pa.array([1, 2])), "the schema has extra 'till'"),
        (SOUND.set_column(0, "store_id", pa.array(["1", "2"])), "store_id is string, not int64"),
        (SOUND.set_column(0, "store_id", pa.array([1.0, 2.0])), "store_id is double, not int64"),
        (SOUND.set_column(0, "store_id", pa.array([1, 2], pa.uint64())), "store_id is uint64, not int64"),
        (SOUND.set_column(2, "updated_at", pa.array([1, 2], pa.date32())), "updated_at is date32[day], not timestamp[us]"),
    ],
)
def test_another_schema_is_refused(spoiled: pa.Table, says: str) -> None:
    problem = refused(written(spoiled))
    assert problem.rule == "file_header_matches" and says in problem.problem and "contract" in problem.what_to_do


@pytest.mark.parametrize(
    ("type_", "fits"), [(pa.decimal128(7, 2), True), (pa.decimal128(9, 1), False), (pa.decimal128(9, 3), False)]
)
def test_decimals_fit_or_are_refused(type_: pa.DataType, fits: bool) -> None:
    data = written(pa.table({"price": pa.array([Decimal("1.5")], type_)}))
    columns = columns_of(price="decimal(9,2)")
    if fits:
        assert read(data, columns, {}).table["price"].to_pylist() == [Decimal("1.50")]
    else:
        assert refused(data, columns).rule == "file_header_matches"


def test_a_value_that_would_lose_digits_is_refused() -> None:
    table = SOUND.set_column(2, "updated_at", pa.array([1000, 1001], pa.timestamp("ns")))
    assert refused(written(table)).rule == "file_is_parseable"


def test_a_file_cut_at_any_byte_is_refused() -> None:
    whole = written(SOUND)
    for end in range(0, len(whole), 7):
        rule = "file_is_not_empty" if end == 0 else "file_is_parseable" if end < 4 else "file_is_complete"
        assert refused(whole[:end]).rule == rule


@pytest.mark.parametrize("data", [b"hello", b"PAR1" + b"x" * 50 + b"PAR1"])
def test_what_is_not_parquet_is_refused(data: bytes) -> None:
    assert refused(data).rule == "file_is_parseable"


def test_a_flipped_byte_in_a_checked_page_is_refused() -> None:
    data = bytearray(written(SOUND, write_page_checksum=True, write_statistics=False, compression="none", use_dictionary=False))
    data[data.index((2).to_bytes(8, "little"))] ^= 0xFF
    assert refused(bytes(data)).rule == "file_is_parseable"

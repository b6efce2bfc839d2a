"""Till and DMS files: what is written is read, and what is spoiled is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from retail_lake.sources import csv_files, dms_csv
from retail_lake.sources.records import Records, UnreadableFile
from retail_lake_tests.sources.contracts import columns_of

COLUMNS = columns_of(store_id="string", basket_id="string", sold_at="string")
TRAILER = {"trailer": "#lines="}
HEADER = "store_id,basket_id,sold_at\n"


def till(*lines: str, told: int | None = None, header: str = HEADER) -> bytes:
    return (header + "".join(f"{line}\n" for line in lines) + f"#lines={len(lines) if told is None else told}\n").encode()


def read(data: bytes) -> Records:
    return csv_files.read(data, COLUMNS, TRAILER)


def rows(records: Records) -> list[tuple]:
    return list(zip(records.positions.to_pylist(), *records.table.to_pydict().values(), strict=True))


def rejected(records: Records) -> list[tuple[int, str, str]]:
    return [(r.position, r.record, r.reason) for r in records.rejected]


def refused(data: bytes, module=csv_files, options=TRAILER, columns=COLUMNS) -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        module.read(data, columns, options)
    return caught.value


def test_an_empty_field_is_null_and_an_empty_string_is_quoted() -> None:
    records = read(till('1,,"a,""b"""', '"",2,é'))
    assert rows(records) == [(2, "1", None, 'a,"b"'), (3, "", "2", "é")]
    assert records.rejected == () and set(map(str, records.table.schema.types)) == {"string"}


def test_no_lines_are_no_rows() -> None:
    assert rows(read(till())) == [] and read(till()).table.column_names == ["store_id", "basket_id", "sold_at"]


def test_a_malformed_line_is_rejected_alone() -> None:
    records = read(till("1,2,3", "4,5", "", "6,7,8,9", "10,11,12", ",,"))
    assert rows(records) == [(2, "1", "2", "3"), (6, "10", "11", "12")]
    assert rejected(records) == [
        (3, "4,5", "2 fields instead of 3"),
        (4, "", "no value in any field"),
        (5, "6,7,8,9", "4 fields instead of 3"),
        (7, "", "no value in any field"),
    ]


@pytest.mark.parametrize("spelled", [till("1,2,3").replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + till("1,2,3")])
def test_line_ends_and_byte_order_marks_of_other_systems_change_nothing(spelled: bytes) -> None:
    assert rows(read(spelled)) == [(2, "1", "2", "3")]


@pytest.mark.parametrize(
    ("data", "rule", "says"),
    [
        (b"", "file_is_not_empty", "no bytes"),
        (till("1,2,3", told=2), "file_is_complete", "says 2 lines, the file has 1"),
        (HEADER.encode() + b"1,2,3\n", "file_is_complete", "does not end with a line #lines=<number of lines>"),
        (till("1,2,3", header="store_id,sold_at\n"), "file_header_matches", "the header misses 'basket_id'"),
        (till("1", header="store_id,basket_id,sold_at,till\n"), "file_header_matches", "the header has extra 'till'"),
        (till("1", header="store_id,basket,sold_at\n"), "file_header_matches", "misses 'basket_id' and has extra 'basket'"),
        (till("1", header="basket_id,store_id,sold_at\n"), "file_header_matches", "in another order: 'basket_id', 'store_id'"),
        (till("1", header="store_id,store_id,basket_id,sold_at\n"), "file_header_matches", "repeats 'store_id'"),
        (till("1,2,3", "4,é,6").decode().encode("latin-1"), "file_is_decodable", "line 3: byte 0xe9"),
        (till("1,2,3").decode().encode("utf-16"), "file_is_decodable", "line 1: byte 0xff"),
        (till("1,2,3").decode().encode("utf-16-le") + b"\n#lines=1\n", "file_is_decodable", "NUL"),
        (till("1,2,3", '4,5,"6'), "file_is_parseable", "a quote is opened and never closed"),
        (till("1,2,3", '4,"5,6', "7,8,9"), "file_is_parseable", "a quote is opened and never closed"),
        (till("1", header='store_id,"basket_id,sold_at\n'), "file_is_parseable", "line 1 is not a header"),
    ],
)
def test_a_spoiled_file_is_refused_as_a_whole_and_says_why(data: bytes, rule: str, says: str) -> None:
    problem = refused(data)
    assert problem.rule == rule
    assert says in problem.problem
    assert problem.what_to_do.startswith(("Deliver", "Ask", "Close")) and problem.what_to_do in str(problem)


fields = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.sampled_from(['"', ",", "\n", "\r", "NULL", "\ufeff"])
)
tables = st.lists(st.tuples(fields, fields, fields), max_size=8)


def written(row: tuple, null: str) -> str:
    """One line, by the rules of RFC 4180 and an unquoted word for NULL."""
    quoted = (null if value is None else '"' + value.replace('"', '""') + '"' for value in row)
    bare = (null if value is None else value for value in row)
    plain = all(value is None or (value not in ("", null) and not set(value) & set('",\n\r')) for value in row)
    return ",".join(bare if plain else quoted)


def expected(table: list[tuple], line: int = 2) -> tuple[list[tuple], list[int]]:
    """The rows with their positions, and the positions of the rows that say nothing."""
    nothing = {line + i for i, row in enumerate(table) if not any(row)}
    return [(line + i, *row) for i, row in enumerate(table) if line + i not in nothing], sorted(nothing)


@given(tables)
@hypothesis_settings(max_examples=200, deadline=None)
def test_any_till_file_reads_as_it_was_written(table: list[tuple]) -> None:
    records = read(till(*(written(row, "") for row in table)))
    assert (rows(records), [r.position for r in records.rejected]) == expected(table)


@given(tables)
@hypothesis_settings(max_examples=100, deadline=None)
def test_any_dms_file_reads_as_it_was_written(table: list[tuple]) -> None:
    data = (HEADER + "".join(f"{written(row, 'NULL')}\n" for row in table)).encode()
    records = dms_csv.read(data, COLUMNS, {})
    assert (rows(records), [r.position for r in records.rejected]) == expected(table)


@given(tables, st.data())
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_till_file_cut_at_any_byte_is_refused(table: list[tuple], data: st.DataObject) -> None:
    whole = till(*(written(row, "") for row in table))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    assert refused(cut).rule == ("file_is_complete" if cut else "file_is_not_empty")


@given(tables, st.data())
@hypothesis_settings(max_examples=200, deadline=None)
def test_a_till_file_without_some_of_its_lines_is_refused(table: list[tuple], data: st.DataObject) -> None:
    lines = [written(row, "") for row in [*table, ("1", "2", "3")]]
    kept = data.draw(st.lists(st.sampled_from(range(len(lines))), unique=True, max_size=len(lines) - 1))
    assert refused(till(*(lines[i] for i in sorted(kept)), told=len(lines))).rule == "file_is_complete"


CHANGES = columns_of(Op="string", product_id="string", brand="string")


def test_a_dms_file_with_and_without_op() -> None:
    change = dms_csv.read(b'Op,product_id,brand\nU,1,NULL\nD,2,"NULL"\n', CHANGES, {})
    assert rows(change) == [(2, "U", "1", None), (3, "D", "2", "NULL")]
    load = dms_csv.read(b"product_id,brand\n1,\n2,3,4\n", CHANGES, {})
    assert rows(load) == [(2, None, "1", "")] and rejected(load) == [(3, "2,3,4", "3 fields instead of 2")]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "file_is_not_empty"),
        (b"Op,product_id\nU,1\n", "file_header_matches"),
        (b"product_id,brand\n1,Nat", "file_is_complete"),
        (b"product_id,brand\n1,\xe9\n", "file_is_decodable"),
        (b'product_id,brand\n1,"Nat\n', "file_is_parseable"),
    ],
)
def test_a_spoiled_dms_file_is_refused(data: bytes, rule: str) -> None:
    assert refused(data, dms_csv, {}, CHANGES).rule == rule


def test_null_is_what_the_options_say() -> None:
    assert rows(dms_csv.read(b"product_id,brand\n1,\\N\n2,NULL\n", CHANGES, {"null": "\\N"})) == [
        (2, None, "1", None),
        (3, None, "2", "NULL"),
    ]

"""JSON lines and pages: values as they were written, structure kept, nothing dropped in silence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from retail_lake.failure import ConfigurationFailure
from retail_lake.sources import json_lines, json_pages
from retail_lake.sources.records import UnreadableFile
from retail_lake_tests.sources.contracts import columns_of

CAMPAIGNS = columns_of(
    campaign_id="string",
    audience="array<struct<household_id:string>>",
    coupons="array<struct<coupon_upc:string,product_ids:array<string>>>",
)
CALENDAR = columns_of(campaign_id="string", start_date="string", as_of="string", page="string")
PAGE = {"items": "items", "page_fields": ["as_of", "page"]}


def lines(*text: str) -> bytes:
    return "".join(f"{line}\n" for line in text).encode()


def test_documents_keep_their_structure_and_numbers_their_digits() -> None:
    records = json_lines.read(
        lines(
            '{"campaign_id": 1.10, "audience": [{"household_id": 1e3}, null], "coupons": []}',
            "",
            '{"campaign_id": true, "coupons": [{"coupon_upc": 123456789012345678901234, "product_ids": [1, "a", null]}]}',
        ),
        CAMPAIGNS,
        {},
    )
    assert records.positions.to_pylist() == [1, 3] and records.rejected == ()
    assert records.table.to_pylist() == [
        {"campaign_id": "1.10", "audience": [{"household_id": "1e3"}, None], "coupons": []},
        {
            "campaign_id": "true",
            "audience": None,
            "coupons": [{"coupon_upc": "123456789012345678901234", "product_ids": ["1", "a", None]}],
        },
    ]


def test_a_day_without_documents_is_one_empty_line() -> None:
    records = json_lines.read(b"\n", CAMPAIGNS, {})
    assert records.table.num_rows == 0 and records.table.column_names == ["campaign_id", "audience", "coupons"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"campaign_id": 1', "delimiter"),
        ("[1]", "the record is an array, not an object"),
        ("null", "the record is null"),
        ('{"campaign_id": NaN}', "NaN is not JSON"),
        ('{"campaign_id": 1, "campaign_id": 2}', '"campaign_id" is named twice'),
        ('{"campaign": 1}', 'does not have the fields "campaign"'),
        ('{"audience": [{"household_id": 1, "age": 2}]}', '"audience[].age"'),
        ('{"audience": {"household_id": 1}}', "field audience is an object, not an array"),
        ('{"audience": [1]}', "field audience[] is a single value, not an object"),
        ('{"campaign_id": {"a": 1}}', "field campaign_id is an object, not a single value"),
        ('{"campaign_id": "\\ud800"}', "surrogates not allowed"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_document_that_cannot_be_kept_whole_is_rejected_alone(line: str, says: str) -> None:
    records = json_lines.read(lines('{"campaign_id": 1}', line, '{"campaign_id": 2}'), CAMPAIGNS, {})
    assert records.table["campaign_id"].to_pylist() == ["1", "2"] and records.positions.to_pylist() == [1, 3]
    (rejected,) = records.rejected
    assert (rejected.position, rejected.record) == (2, line) and says in rejected.reason


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "file_is_not_empty"),
        (b'{"campaign_id": 1}\n{"campaign_id": "\xe9"}\n', "file_is_decodable"),
        (b'{"campaign_id": 1}\n{"campaign_id": ', "file_is_complete"),
    ],
)
def test_a_spoiled_file_of_lines_is_refused(data: bytes, rule: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        json_lines.read(data, CAMPAIGNS, {})
    assert caught.value.rule == rule


def test_a_last_document_without_a_line_break_is_a_document() -> None:
    assert json_lines.read(b'{"campaign_id": 1}', CAMPAIGNS, {}).table.num_rows == 1
    assert len(json_lines.read(b'{"campaign": 1}', CAMPAIGNS, {}).rejected) == 1


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
documents = st.lists(
    st.fixed_dictionaries(
        {
            "campaign_id": st.none() | texts,
            "audience": st.none() | st.lists(st.fixed_dictionaries({"household_id": texts}), max_size=3),
            "coupons": st.none(),
        }
    ),
    max_size=5,
)


@given(documents, st.booleans())
@hypothesis_settings(max_examples=100, deadline=None)
def test_any_documents_read_as_they_were_written(written: list[dict], ascii_only: bool) -> None:
    data = lines(*(json.dumps(document, ensure_ascii=ascii_only) for document in written)) or b"\n"
    records = json_lines.read(data, CAMPAIGNS, {})
    assert records.table.to_pylist() == written and records.positions.to_pylist() == list(range(1, len(written) + 1))


@given(documents.filter(bool), st.data())
@hypothesis_settings(max_examples=100, deadline=None)
def test_a_cut_document_is_never_fewer_rows_in_silence(written: list[dict], data: st.DataObject) -> None:
    whole = lines(*(json.dumps(document, ensure_ascii=False) for document in written))
    start = whole.rfind(b"\n", 0, -1) + 1
    cut = whole[: data.draw(st.integers(start + 1, len(whole) - 2))]
    with pytest.raises(UnreadableFile) as caught:
        json_lines.read(cut, CAMPAIGNS, {})
    assert caught.value.rule in ("file_is_complete", "file_is_decodable")


def page(**changes) -> bytes:
    items = [{"campaign_id": 1, "start_date": "2017-03-03"}, {"campaign_id": 2.50, "start_date": None}]
    return json.dumps({"page": 1, "pages": 3, "as_of": "2017-01-02T05:00:00Z", "items": items} | changes).encode()


def test_each_item_of_a_page_is_a_record_with_the_pages_fields() -> None:
    records = json_pages.read(page(), CALENDAR, PAGE)
    assert records.table.to_pylist() == [
        {"campaign_id": "1", "start_date": "2017-03-03", "as_of": "2017-01-02T05:00:00Z", "page": "1"},
        {"campaign_id": "2.5", "start_date": None, "as_of": "2017-01-02T05:00:00Z", "page": "1"},
    ]
    assert records.positions.to_pylist() == [1, 2]
    assert json_pages.read(page(items=[]), CALENDAR, PAGE).table.num_rows == 0


def test_an_item_that_cannot_be_kept_whole_is_rejected_alone_as_written() -> None:
    data = page(items=[]).replace(b"[]", b'[{"campaign_id": 1.10, "colour": [1e2, null, "x"]}, 7, {"campaign_id": 3}]')
    records = json_pages.read(data, CALENDAR, PAGE)
    assert records.positions.to_pylist() == [3]
    assert [(r.position, r.record) for r in records.rejected] == [
        (1, '{"campaign_id": 1.10, "colour": [1e2, null, "x"]}'),
        (2, "7"),
    ]
    assert '"colour"' in records.rejected[0].reason


@pytest.mark.parametrize(
    ("data", "rule", "says"),
    [
        (b"", "file_is_not_empty", "no bytes"),
        (b"\xff{}", "file_is_decodable", "line 1"),
        (b"<html>", "file_is_parseable", "not JSON"),
        (b"[]", "file_is_parseable", "not a JSON object"),
        (b'{"items": []}', "file_header_matches", "misses the fields as_of, page"),
        (page(items={}), "file_header_matches", "items is not an array"),
        (page(as_of=[]), "file_header_matches", "as_of is an array"),
    ],
)
def test_a_spoiled_page_is_refused(data: bytes, rule: str, says: str) -> None:
    with pytest.raises(UnreadableFile) as caught:
        json_pages.read(data, CALENDAR, PAGE)
    assert caught.value.rule == rule and says in caught.value.problem


def test_a_page_cut_at_any_byte_is_refused() -> None:
    for end in range(1, len(page())):
        with pytest.raises(UnreadableFile) as caught:
            json_pages.read(page()[:end], CALENDAR, PAGE)
        assert caught.value.rule in ("file_is_complete", "file_is_parseable")


def test_the_page_fields_must_be_told() -> None:
    with pytest.raises(ConfigurationFailure, match="page_fields"):
        json_pages.read(page(), CALENDAR, {})

"""Pages of an API's answer, one JSON document per file: each item of the page is a record.

Options: `page_fields` (needed) lists the page's own fields that every record carries, `items` names the field with the items
(`items` by default); the page's other fields are not read. That all pages of an extract are there is not checked here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from retail_lake.contract import Column
from retail_lake.failure import ConfigurationFailure
from retail_lake.sources.json_values import parse, row_converter, rows_table, source_text
from retail_lake.sources.records import Records, RejectedRecord, UnreadableFile, decoded, not_empty

OPTIONS = frozenset({"items", "page_fields"})
TYPED = False


def read(data: bytes, columns: Sequence[Column], options: Mapping[str, Any]) -> Records:
    """Read one page. Positions are the items' numbers in the page, from 1. Raises `UnreadableFile`."""
    if "page_fields" not in options:
        raise ConfigurationFailure("reader json_pages: give the option `page_fields`, an empty list if there are none")
    not_empty(data)
    items_field, page_fields = options.get("items", "items"), tuple(options["page_fields"])
    page = _page(decoded(data))
    if missing := [field for field in (items_field, *page_fields) if field not in page]:
        problem = f"the page misses the fields {', '.join(missing)}"
        raise UnreadableFile("file_header_matches", problem, "Fetch the page again, or change the table's contract")
    if not isinstance(page[items_field], list):
        raise UnreadableFile("file_header_matches", f"the field {items_field} is not an array", "Fetch the page again")
    try:
        own = row_converter(tuple(column for column in columns if column.name in page_fields))({f: page[f] for f in page_fields})
    except ValueError as error:
        raise UnreadableFile("file_header_matches", str(error), "Fetch the page again, or change the table's contract") from None

    convert = row_converter(tuple(column for column in columns if column.name not in page_fields))
    rows: list[dict[str, Any]] = []
    positions: list[int] = []
    rejected: list[RejectedRecord] = []
    for position, item in enumerate(page[items_field], 1):
        try:
            rows.append(convert(item) | own)
        except ValueError as error:
            rejected.append(RejectedRecord(position, source_text(item), str(error)))
        else:
            positions.append(position)
    return Records(rows_table(rows, columns), pa.array(positions, pa.int64()), tuple(rejected))


def _page(text: str) -> dict[str, Any]:
    try:
        page = parse(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise UnreadableFile("file_is_complete", "the JSON ends too early", "Fetch the page again") from None
        raise UnreadableFile("file_is_parseable", f"not JSON: {error}", "Fetch the page again") from None
    except ValueError as error:
        raise UnreadableFile("file_is_parseable", f"not JSON: {error}", "Fetch the page again") from None
    if not isinstance(page, dict):
        raise UnreadableFile("file_is_parseable", "the page is not a JSON object", "Fetch the page again")
    return page

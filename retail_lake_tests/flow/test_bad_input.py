"""Bad input: what cannot be read is named with what to do about it, the day is incomplete, and the other files flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from retail_lake.tables import TABLES
from retail_lake_tests.flow.pilot import FIRST, MakePilot, day_of, days, statuses

DAY = date(2017, 1, 3)
TILL = f"tills/till_lines/{DAY}/till-lines_g2_20170103_v1.csv"
PAGE = "marketing_api/campaign_calendar/2017-01-02/calendar_20170102_page-001_v1.json"
EVENTS = f"events/redemptions/{DAY}/redemptions_20170103_v1.jsonl"
HOUSEHOLDS = f"crm/households/{DAY}/households_20170103_v1.parquet"


@dataclass(frozen=True)
class Bad:
    """A file, what is done to its bytes (None takes it away), the rule it breaks, and what the message must say."""

    table: str
    key: str
    spoil: Callable[[bytes], bytes] | None
    rule: str
    says: tuple[str, ...]


def _lines(data: bytes, change: Callable[[str], str]) -> bytes:
    *body, trailer = data.decode().splitlines()
    return "\n".join([*(change(line) for line in body), trailer, ""]).encode()


def _without_a_line(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[:5] + lines[6:])


def _without_a_column(data: bytes) -> bytes:
    import pyarrow as pa

    out = pa.BufferOutputStream()
    pq.write_table(pq.read_table(pa.BufferReader(data)).drop_columns(["income"]), out)
    return out.getvalue().to_pybytes()


AGAIN = "Deliver it again"
CASES = {
    "truncated": Bad("till_lines", TILL, lambda b: b[: len(b) // 2], "file_is_complete", ("#lines=", AGAIN)),
    "a line lost": Bad("till_lines", TILL, _without_a_line, "file_is_complete", ("the last line says", AGAIN)),
    "empty": Bad("till_lines", TILL, lambda b: b"", "file_is_not_empty", ("no bytes", "deliver it again")),
    "a column missing": Bad(
        "till_lines",
        TILL,
        lambda b: _lines(b, lambda line: line.rpartition(",")[0]),
        "file_header_matches",
        ("misses 'sold_at'", AGAIN, "store_id, basket_id, household_id, product_id, quantity"),
    ),
    "a column more": Bad(
        "till_lines",
        TILL,
        lambda b: _lines(b, lambda line: f"{line},till_id"),
        "file_header_matches",
        ("has extra 'till_id'", AGAIN),
    ),
    "missing": Bad("till_lines", TILL, None, "file_has_arrived", ("g2_20170103 has not arrived", "Ask tills to deliver it")),
    "UTF-16": Bad("till_lines", TILL, lambda b: b.decode().encode("utf-16"), "file_is_decodable", ("UTF-8", AGAIN)),
    "Latin-1": Bad("till_lines", TILL, lambda b: b.replace(b"\n", b"\n\xe9", 3), "file_is_decodable", ("line 2", "0xe9", AGAIN)),
    "a quote left open": Bad(
        "till_lines", TILL, lambda b: b',"'.join(b.rsplit(b",", 1)), "file_is_parseable", ("quote", "Close it and deliver")
    ),
    "JSON in another encoding": Bad("redemptions", EVENTS, lambda b: b"\xff\xfe" + b, "file_is_decodable", ("UTF-8", AGAIN)),
    "no events": Bad("redemptions", EVENTS, None, "file_has_arrived", ("redemptions_20170103 has not arrived", "Ask events")),
    "a page cut off": Bad("campaign_calendar", PAGE, lambda b: b[: len(b) // 2], "file_is_complete", ("Fetch the page again",)),
    "Parquet without its footer": Bad("crm_households", HOUSEHOLDS, lambda b: b[:-20], "file_is_complete", (AGAIN,)),
    "Parquet without a column": Bad("crm_households", HOUSEHOLDS, _without_a_column, "file_header_matches", ("'income'", AGAIN)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file_is_named_and_the_others_flow(new_pilot: MakePilot, case: str) -> None:
    bad = CASES[case]
    table = TABLES[f"bronze.{bad.table}"]
    assert table.landing
    pilot = new_pilot()
    pilot.deliver(DAY, f"{table.landing.system}/{table.landing.dataset}")
    path = pilot.landing / bad.key
    content = path.read_bytes()
    if bad.spoil:
        assert bad.spoil(content) != content
        path.write_bytes(bad.spoil(content))
    else:
        path.unlink()
    outcome = pilot.build(days(3), table.full_name)[table.full_name]
    day = date.fromisoformat(bad.key.split("/")[2])
    assert statuses(outcome) == {d: "incomplete" if d == day else "published" for d in days(3)}

    report = day_of(outcome, day).report
    assert report
    (problem,) = report.problems
    assert problem.rule == bad.rule
    named = bad.key if bad.spoil else "/".join(bad.key.split("/")[:2])
    assert named in problem.problem
    for said in bad.says:
        assert said in problem.problem
    (entry,) = (row for row in pilot.quarantine(table.full_name) if row["position"] is None)
    assert (entry["_day"], entry["source_file"], entry["rules"]) == (day, problem.key, bad.rule)
    assert entry["reason"] == problem.problem

    came = {key for key in pilot.rows(table.full_name)["_source_file"].to_pylist() if arrived(key, day)}
    others = {k for k in pilot.landed(f"{table.landing.system}/{table.landing.dataset}/{day}/*") if k != bad.key}
    assert came == others
    assert report.files_read == len(others) + (bad.spoil is not None)

    # Put right, it is as if nothing had been.
    path.write_bytes(content)
    outcome = pilot.build(days(3), table.full_name)[table.full_name]
    assert statuses(outcome) == {d: "published" if d == day else "unchanged" for d in days(3)}
    assert all(row["position"] for row in pilot.quarantine(table.full_name))


def arrived(key: str, day: date) -> bool:
    return f"/{day}/" in key


def test_silver_takes_what_there_is(new_pilot: MakePilot) -> None:
    pilot = new_pilot()
    pilot.deliver(FIRST, "tills/till_lines", "crm/stores")
    names = ("bronze.till_lines", "bronze.crm_stores", "silver.stores", "silver.sales")
    key = "tills/till_lines/2017-01-01/till-lines_g2_20170101_v1.csv"
    (pilot.landing / key).write_bytes(b"")
    found = pilot.build([FIRST], *names)
    assert statuses(found["bronze.till_lines"]) == {FIRST: "incomplete"}
    assert statuses(found["silver.sales"]) == {FIRST: "published"}
    assert {store % 4 + 1 for store in pilot.rows("silver.sales")["store_id"].to_pylist()} == {1, 3, 4}


def test_a_malformed_line_is_refused_alone(new_pilot: MakePilot) -> None:
    pilot = new_pilot()
    pilot.deliver(FIRST, "events/redemptions")
    path = pilot.landing / "events/redemptions/2017-01-01/redemptions_20170101_v1.jsonl"
    path.write_text(path.read_text() + '{"event_id": "0123456789abcdef", "household_id": \n')
    found = pilot.build([FIRST], "bronze.redemptions")["bronze.redemptions"]
    assert statuses(found) == {FIRST: "published"}
    (entry,) = pilot.quarantine("bronze.redemptions")
    assert (entry["position"], entry["rules"]) == (3, "record_is_well_formed")
    assert entry["record"] == '{"event_id": "0123456789abcdef", "household_id": '
    assert pilot.rows("bronze.redemptions").num_rows == 2


@pytest.mark.parametrize("name", ["till-lines_g1_20170101_v1.txt", "till-lines_g9_20170101_v1.csv"])
def test_a_file_whose_name_nobody_knows_is_named(new_pilot: MakePilot, name: str) -> None:
    pilot = new_pilot()
    pilot.deliver(FIRST, "tills/till_lines")
    pilot.put(f"tills/till_lines/2017-01-01/{name}", b"?")
    report = day_of(pilot.build([FIRST], "bronze.till_lines")["bronze.till_lines"], FIRST).report
    assert report
    (problem,) = report.problems
    assert problem.rule == "file_name_matches"
    assert Path(problem.key).name == name
    assert "Rename the file" in problem.problem
    assert report.published > 3_000

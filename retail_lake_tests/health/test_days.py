"""What the report says of the days, against publications put there by hand, and that the pictures are pictures."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from copy import copy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.cost import ledger
from retail_lake.health.days import LONGEST, State, TableDays, overview, shown_days
from retail_lake.health.freshness import deadline, late
from retail_lake.health.picture import COLOURS, heat_map
from retail_lake.health.report import health
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import survey
from retail_lake.lake.publications import Publication
from retail_lake.tables import TABLES

FIRST, LAST = date(2017, 1, 1), date(2017, 1, 7)
NOW = datetime(2026, 3, 1, 7, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(Settings(home=tmp_path, first_day=FIRST, last_day=LAST))


@pytest.fixture
def publish(lake: Lake) -> Callable[..., None]:
    def put(name: str, day: date | None, status: str = "published", **more: Any) -> None:
        table = TABLES[name]
        print_ = survey(lake, table, [day] if day else []).fingerprints.get(day, "f")
        given: dict[str, Any] = {
            "table": name, "day": day, "status": status, "job_id": "j", "run_id": "r", "code_version": table.code_version,
            "fingerprint": print_, "refused": "", "snapshot_id": 1, "input_sequences": {}, "rows_in": 12, "rows": 10,
            "quarantined": 2, "duplicates": 0, "checks_passed": 1, "checks_failed": 0, "files": 1, "touched_days": (),
            "changes": (), "published_at": NOW,
        }  # fmt: skip
        lake.record(name, [Publication(**{**given, **more})])

    return put


def test_every_state_is_told(lake: Lake, publish: Callable[..., None]) -> None:
    days = [FIRST + timedelta(days=n) for n in range(7)]
    publish("bronze.redemptions", days[0])
    publish("bronze.redemptions", days[1], "incomplete")
    publish("bronze.redemptions", days[2], fingerprint="of other code")
    publish("bronze.redemptions", days[3], "blocked", fingerprint="")
    publish("bronze.redemptions", days[4], "blocked")
    (found,) = overview(lake, [TABLES["bronze.redemptions"]], days)
    assert [str(found.states[d]) for d in days] == [
        "published", "incomplete", "stale", "blocked", "blocked", "missing", "missing",
    ]  # fmt: skip
    assert found.rows == dict.fromkeys([*days[:3], days[4]], 10), "a blocked day shows the rows that readers see"


def test_only_days_that_are_over_are_expected(tmp_path: Path) -> None:
    goes_on = Settings(home=tmp_path, first_day=date(2024, 1, 1), last_day=date(2030, 1, 1))
    # At three in the morning UTC it is still the day before in New York: yesterday there is two days ago.
    days = shown_days(goes_on, datetime(2026, 3, 9, 3, tzinfo=UTC))
    assert (days[-1], len(days)) == (date(2026, 3, 7), LONGEST)
    assert shown_days(goes_on, datetime(2023, 1, 1, tzinfo=UTC)) == []


def test_a_deadline_is_in_the_time_of_the_stores(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    # The night of 2026-03-08 has an hour less: nine hours after its midnight it is the same moment in UTC as a day later.
    assert deadline(settings, date(2026, 3, 6), timedelta(hours=9)) == datetime(2026, 3, 7, 14, tzinfo=UTC)
    assert deadline(settings, date(2026, 3, 8), timedelta(hours=9)) == datetime(2026, 3, 9, 13, tzinfo=UTC)


def test_days_without_rows_blocked_or_before_the_first_are_not_late(lake: Lake, publish: Callable[..., None]) -> None:
    days, fact = [FIRST + timedelta(days=n) for n in range(7)], TABLES["gold.fact_sales"]
    publish(fact.full_name, days[0], "blocked", fingerprint="")
    publish(fact.full_name, days[2])
    publish(fact.full_name, days[3], rows=0, rows_in=0)
    publish(fact.full_name, days[4], "blocked", fingerprint="")
    publish(fact.full_name, days[6])
    assert [(found.missing, found.newest) for found in late(lake, [fact], NOW)] == [((days[5],), days[6])]
    publish(fact.full_name, days[5])
    assert late(lake, [fact], NOW) == []


def test_the_report_names_what_needs_somebody(lake: Lake, publish: Callable[..., None]) -> None:
    publish("bronze.redemptions", FIRST, "blocked", fingerprint="")
    for day in (FIRST, FIRST + timedelta(days=1)):
        publish("bronze.campaigns", day, "incomplete")
    used = ledger.Used(
        token="a", run_id="r", table="silver.sales", engine="glue", remote_id="j", usage={}, dollars=1.25, ended_at=NOW,
        succeeded=True,
    )  # fmt: skip
    ledger.record(lake.settings, used)
    tables = [TABLES["bronze.redemptions"], TABLES["bronze.campaigns"], TABLES["gold.dim_date"]]
    found = health(lake, tables, NOW)
    assert found.markdown.startswith("**Days that need somebody: 1 blocked, 12 missing, 2 incomplete.**")
    assert "| `bronze.redemptions` | blocked | 2017-01-01 | refused by its audit" in found.markdown
    assert "| `bronze.campaigns` | incomplete | 2017-01-01 to 2017-01-02 (2 days) |" in found.markdown
    assert "| `gold.dim_date` | missing | whole |" in found.markdown
    assert {
        "days_blocked": 1.0,
        "days_incomplete": 2.0,
        "rows": 20.0,
        "cost_usd_of_30_days": 1.25,
    }.items() <= found.numbers.items()
    pictures = [base64.b64decode(found_) for found_ in re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", found.markdown)]
    assert len(pictures) == 2, "the days, and the costs"
    words = [element.text for picture in pictures for element in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert {"redemptions", "campaigns", "blocked 1", "US dollars by day of the run"} <= set(words)


def test_an_empty_lake_has_a_report(lake: Lake) -> None:
    found = health(lake, list(TABLES.values()), NOW)
    assert found.numbers["days_published"] == 0 and found.numbers["tables_late"] == 0


def test_a_day_is_drawn_where_it_belongs() -> None:
    table = copy(TABLES["bronze.redemptions"])
    days = [FIRST + timedelta(days=n) for n in range(5)]
    states: dict[date | None, State] = dict.fromkeys(days, State.PUBLISHED)
    states[days[3]] = State.BLOCKED
    drawn = ElementTree.fromstring(heat_map([TableDays(table, states, {}, {})], days, {}))
    cells = [r for r in drawn.iter(f"{SVG}rect") if r.get("height") == "13"]
    assert [c.get("fill") == COLOURS[State.BLOCKED] for c in sorted(cells, key=lambda c: float(c.get("x", "0")))] == [
        False, False, False, True, False,
    ]  # fmt: skip


def test_a_year_of_all_tables_is_a_picture_of_modest_size() -> None:
    days = [FIRST + timedelta(days=n) for n in range(365)]

    def some(table: Table) -> TableDays:
        states: dict[date | None, State] = (
            {d: list(State)[(d.toordinal() // 9) % 5] for d in days} if table.day else {None: State.STALE}
        )
        return TableDays(table, states, dict.fromkeys(days, 5), {})

    svg = heat_map([some(t) for t in TABLES.values()], days, {"rows": {d: float(d.day) for d in days}})
    assert ElementTree.fromstring(svg) is not None
    assert len(svg) < 300_000

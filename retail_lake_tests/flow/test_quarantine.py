"""What is refused is what the ledger says, with why and where from; nothing is lost, and what is put right leaves quarantine."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from retail_lake.contract import SOURCE_COLUMNS
from retail_lake.demo.delivery import Defect, Effect
from retail_lake.tables import TABLES
from retail_lake_tests.flow import truth
from retail_lake_tests.flow.pilot import FIRST, LAST, MakePilot, Outcomes, Pilot, days, statuses

RULES = {
    "bad_quantity": "quantity__not_be_null",
    "bad_money": "sales_value__not_be_null",
    "empty_basket_id": "basket_id__not_be_null",
    "empty_product_id": "product_id__not_be_null",
    "null_product_id": "product_id__not_be_null",
    "null_household_id": "household_id__not_be_null",
    "missing_household_id": "household_id__not_be_null",
    "unknown_income": "income__be_in_set",
    "negative_quantity": "quantity__be_between",
    "absurd_quantity": "quantity__be_between",
    "unknown_store": "store_known__be_in_set",
}
MALFORMED = ("wrong_field_count", "broken_json")
DATASETS = {
    "silver.sales": "tills/till_lines",
    "silver.promotions": "tills/promotions",
    "silver.products": "erp/products",
    "silver.households": "crm/households",
    "silver.redemptions": "events/redemptions",
}


def refused(pilot: Pilot, dataset: str) -> list[Defect]:
    return [d for d in pilot.defects(dataset) if d.effect is Effect.QUARANTINED]


@pytest.mark.parametrize("name", DATASETS)
def test_silver_refuses_exactly_the_rows_of_the_ledger(pilot: Pilot, name: str) -> None:
    expected = {(d.file, d.line): RULES[d.kind] for d in refused(pilot, DATASETS[name]) if d.kind not in MALFORMED}
    found = {(row["source_file"], row["position"]): row["rules"] for row in pilot.quarantine(name)}
    assert found == expected


def test_the_ledger_has_something_of_every_kind(pilot: Pilot) -> None:
    kinds = {d.kind for dataset in DATASETS.values() for d in refused(pilot, dataset)}
    assert kinds >= set(RULES) - {"missing_household_id"} | {"wrong_field_count"}


def test_a_refused_row_says_what_it_was_and_who_refused_it_why(pilot: Pilot, outcomes: Outcomes) -> None:
    sent = {(d.file, d.line): d for d in refused(pilot, "tills/till_lines")}
    rows = pilot.quarantine("silver.sales")
    assert len(rows) > 20
    for row in rows:
        defect = sent[row["source_file"], row["position"]]
        (fields,) = csv.reader([defect.text or ""])
        record = json.loads(row["record"])
        assert [record[c] for c in csv_columns()] == [field or None for field in fields]
        assert row["run_id"] == "first"
        assert row["job_id"] in outcomes["silver.sales"].job_ids
        assert row["reason"]
        assert row["rules"].split("__")[0] in row["reason"]


def csv_columns() -> list[str]:
    return [c.name for c in TABLES["bronze.till_lines"].columns if not c.name.startswith("_")]


def test_bronze_refuses_malformed_lines_and_files(pilot: Pilot) -> None:
    entries = pilot.defects("tills/till_lines")
    lines = {(d.file, d.line): d.text for d in entries if d.kind in MALFORMED}
    files = {(d.file, None): "file_header_matches" for d in entries if d.effect is Effect.FILE_REJECTED}
    assert len(lines) > 3
    assert len(files) == 1
    rows = {(row["source_file"], row["position"]): row for row in pilot.quarantine("bronze.till_lines")}
    assert rows.keys() == lines.keys() | files.keys()
    for place, text in lines.items():
        assert (rows[place]["rules"], rows[place]["record"]) == ("record_is_well_formed", text)
        assert "fields instead of 10" in rows[place]["reason"]
    for place, rule in files.items():
        assert (rows[place]["rules"], rows[place]["record"]) == (rule, None)
        assert place[0] in rows[place]["reason"]
        assert "'sold_at'" in rows[place]["reason"]
    assert {row["run_id"] for row in rows.values()} == {"first"}


def test_the_day_of_a_rejected_file_is_incomplete_and_no_other(pilot: Pilot, outcomes: Outcomes) -> None:
    (rejected,) = (d for d in pilot.defects("tills/till_lines") if d.effect is Effect.FILE_REJECTED)
    found = statuses(outcomes["bronze.till_lines"])
    assert {day: status for day, status in found.items() if status != "published"} == {date(2017, 1, 6): "incomplete"}
    assert f"/{date(2017, 1, 6)}/" in rejected.file


def test_duplicates_are_those_of_the_ledger(pilot: Pilot, outcomes: Outcomes) -> None:
    twice = [d for d in pilot.defects("tills/till_lines") if d.effect is Effect.DUPLICATE]
    sold_at = pd.to_datetime([d.text.rpartition(",")[2] for d in twice if d.text], utc=True)
    expected = Counter(sold_at.tz_convert("America/New_York").date)
    assert sum(expected.values()) == len(twice) > 3
    assert {d.day: d.report.duplicates for d in outcomes["silver.sales"].days if d.report and d.report.duplicates} == expected


def test_duplicates_of_the_other_tables_are_the_sources(pilot: Pilot, outcomes: Outcomes) -> None:
    counted = {n: sum(d.report.duplicates for d in o.days if d.report) for n, o in outcomes.items() if n.startswith("silver.")}
    coupons = truth.raw("coupons")
    coupons = coupons[coupons["campaign_id"].isin(truth.campaigns(LAST))]
    # The ERP writes two changes of one transaction with one commit time.
    changes = pd.concat(pd.read_csv(pilot.landing / key, dtype=str) for key in pilot.landed("erp/products/2017/**/*.csv"))
    changes = changes[changes["product_id"].notna()]
    assert {name: count for name, count in counted.items() if count and name != "silver.sales"} == {
        "silver.coupons": int(coupons.duplicated(["campaign_id", "coupon_upc", "product_id"]).sum()),
        "silver.products": int(changes.duplicated(["product_id", "dms_timestamp"]).sum()),
    }


def test_every_table_conserves_its_rows(pilot: Pilot, outcomes: Outcomes) -> None:
    assert outcomes.keys() == TABLES.keys()
    for name, outcome in outcomes.items():
        reports = [d.report for d in outcome.days if d.report]
        assert len(reports) == len(outcome.days) == (6 if outcome.table.day else 1), name
        assert all(r.conserved for r in reports), name
        by_day = (
            Counter(pilot.rows(name)[outcome.table.day].to_pylist()) if outcome.table.day else {None: pilot.rows(name).num_rows}
        )
        assert {r.day: r.published for r in reports if r.published} == by_day, name


@pytest.mark.parametrize(
    ("bronze", "silver"),
    [("till_lines", "sales"), ("promotions", "promotions"), ("erp_products", "products"), ("redemptions", "redemptions")],
)
def test_what_bronze_published_is_what_silver_read(pilot: Pilot, outcomes: Outcomes, bronze: str, silver: str) -> None:
    claimed = Counter(pilot.rows(f"bronze.{bronze}")["_day"].to_pylist())
    read = {d.day: d.report.rows_in for d in outcomes[f"silver.{silver}"].days if d.report}
    assert {day: rows for day, rows in read.items() if rows} == claimed


def test_every_landed_record_is_in_bronze_or_refused(pilot: Pilot, outcomes: Outcomes) -> None:
    rejected = {d.file for d in pilot.defects("tills/till_lines") if d.effect is Effect.FILE_REJECTED}
    newest = {key.rpartition("_v")[0].rpartition("/")[2]: key for key in pilot.landed("tills/till_lines/*/*.csv")}
    texts = [(pilot.landing / key).read_text() for key in newest.values() if key not in rejected]
    assert len(texts) == 23
    told = sum(int(text.splitlines()[-1].removeprefix("#lines=")) for text in texts)
    assert sum(d.report.rows_in for d in outcomes["bronze.till_lines"].days if d.report) == told


def test_a_corrected_file_empties_its_quarantine(new_pilot: MakePilot) -> None:
    """The file of 2017-01-04 that came empty comes again on the 5th."""
    names = ("bronze.till_lines", "bronze.crm_stores", "silver.stores", "silver.sales")
    pilot = new_pilot()
    fourth, fifth = days(2, date(2017, 1, 4))
    pilot.deliver(fourth, "tills/till_lines", "crm/stores")
    before = pilot.build(days(4), *names)
    (rejected,) = (row for row in pilot.quarantine("bronze.till_lines") if row["position"] is None)
    assert rejected["rules"] == "file_is_not_empty"
    assert statuses(before["bronze.till_lines"])[fourth] == "incomplete"
    pilot.deliver(fifth, "tills/till_lines", "crm/stores")
    after = pilot.build(days(5), *names)
    assert statuses(after["bronze.till_lines"])[fourth] == "published"
    assert all(row["position"] for row in pilot.quarantine("bronze.till_lines"))
    pd.testing.assert_frame_equal(truth.in_lake(pilot.frame("silver.sales")), truth.sold(fifth))


def test_a_changed_rule_empties_quarantine(new_pilot: MakePilot, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("bronze.crm_households", "silver.households")
    pilot = new_pilot()
    pilot.deliver(FIRST, "crm/households")
    pilot.build([FIRST], *names)
    assert len(pilot.quarantine("silver.households")) > 20
    rows = pilot.rows("silver.households").num_rows
    table = TABLES["silver.households"]
    own = table.columns[: -len(SOURCE_COLUMNS)]
    monkeypatch.setitem(TABLES, table.full_name, replace(table, columns=own, rules=()))
    after = pilot.build([FIRST], *names)
    assert statuses(after["bronze.crm_households"]) == {FIRST: "unchanged"}
    assert statuses(after["silver.households"]) == {FIRST: "published"}
    assert pilot.quarantine("silver.households") == []
    (report,) = (d.report for d in after["silver.households"].days)
    assert report
    assert report.rows_in == report.published + report.duplicates
    # A row without a household stands for itself; one with nonsense for its income repeats a sound one's key.
    assert pilot.rows("silver.households").num_rows > rows

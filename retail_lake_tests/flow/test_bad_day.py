"""A range with one bad day: the good days go through, the bad one keeps what readers had, and its quarantine tells why."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from retail_lake.quality.masking import MASK
from retail_lake.tables import TABLES, inputs
from retail_lake_tests.flow import truth
from retail_lake_tests.flow.pilot import Outcomes, Pilot, day_of, days, statuses

FIRST, BAD, LAST = days(3)
SALES = "tills/till_lines/{day}/till-lines_g{group}_{day:%Y%m%d}_v{version}.csv"
# What every day of sales goes through.
DOWNSTREAM = [n for n, t in TABLES.items() if t.day and "gold.fact_sales" in inputs(t) and "gold.fact_promotion" not in inputs(t)]


def garbage(key: str, pilot: Pilot) -> str:
    """A file as it was, but for the money, which no till may write like that."""
    header, *lines, trailer = (pilot.landing / key).read_text().splitlines()
    return "\n".join([header, *(",".join([*line.split(",")[:5], "?", *line.split(",")[6:]]) for line in lines), trailer, ""])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, served: Path) -> tuple[Pilot, list[Outcomes], list[pd.DataFrame]]:
    """Three days the second of which comes as garbage, is put right, and is spoiled again: the lake, each run and its sales.

    Before the last run, a line of the third day is taken back as well, so that a good day stands beside the bad one.
    """
    pilot = Pilot(tmp_path_factory.mktemp("story"), served)
    pilot.deliver(LAST, but=("tills/promotions", "erp/products"))
    originals = {group: pilot.landed(f"tills/till_lines/*/till-lines_g{group}_{BAD:%Y%m%d}_v*.csv")[-1] for group in (1, 2, 3, 4)}
    sound = {group: (pilot.landing / key).read_bytes() for group, key in originals.items()}
    runs, sales = [], []

    def build(run_id: str) -> None:
        runs.append(pilot.build(days(3), run_id=run_id))
        sales.append(truth.in_lake(pilot.frame("gold.fact_sales")))

    for version, run_id in ((3, "spoiled"), (4, "right"), (5, "again")):
        for group, key in originals.items():
            content = sound[group] if run_id == "right" else garbage(key, pilot).encode()
            pilot.put(SALES.format(day=BAD, group=group, version=version), content)
        if run_id == "again":
            key = SALES.format(day=LAST, group=1, version=1)
            header, *lines, _, _ = (pilot.landing / key).read_text().splitlines()
            text = "\n".join([header, *lines, f"#lines={len(lines)}", ""])
            pilot.put(SALES.format(day=LAST, group=1, version=2), text.encode())
        build(run_id)
    return pilot, runs, sales


def test_good_days_go_through_every_table(story: tuple[Pilot, list[Outcomes], list[pd.DataFrame]]) -> None:
    _, (spoiled, *_), (sales, *_) = story
    assert len(DOWNSTREAM) >= 4
    assert statuses(spoiled["silver.sales"]) == {FIRST: "published", BAD: "blocked", LAST: "published"}
    assert statuses(spoiled["gold.fact_sales"]) == {FIRST: "published", BAD: "skipped", LAST: "published"}
    for name in DOWNSTREAM:
        found = statuses(spoiled[name])
        assert (found[FIRST], found[BAD]) == ("published", "skipped"), name
        assert found[LAST] == "published", name
        assert "gold.fact_sales" in day_of(spoiled[name], BAD).reason, name
    truly = truth.sold(LAST)
    pd.testing.assert_frame_equal(sales, truly[truly["sale_date"] != BAD].reset_index(drop=True))


def test_the_bad_day_says_which_rule_blocked_it(story: tuple[Pilot, list[Outcomes], list[pd.DataFrame]]) -> None:
    _, (spoiled, *_), _ = story
    report = day_of(spoiled["silver.sales"], BAD).report
    assert report
    assert [v.rule for v in report.verdicts if not v.success and v.severity == "critical"] == ["sales_value__not_be_null"]
    assert report.conserved
    # Those whose baskets came late, in the files of the third, are sound.
    assert report.quarantined > 4_000 > 100 > report.published > 0
    samples = spoiled["silver.sales"].samples["sales_value__not_be_null"]
    assert 1 <= len(samples) <= 5
    assert {row["household_id"] for row in samples} == {MASK}


def test_put_right_it_is_published_and_quarantine_is_as_it_would_have_been(
    story: tuple[Pilot, list[Outcomes], list[pd.DataFrame]],
) -> None:
    _, (_, right, _), (_, sales, _) = story
    assert statuses(right["silver.sales"])[BAD] == "published"
    assert statuses(right["gold.fact_sales"]) == {FIRST: "unchanged", BAD: "published", LAST: "unchanged"}
    report = day_of(right["silver.sales"], BAD).report
    assert report
    assert report.quarantined < 20
    pd.testing.assert_frame_equal(sales, truth.sold(LAST))


def test_spoiled_again_readers_keep_what_they_had(story: tuple[Pilot, list[Outcomes], list[pd.DataFrame]]) -> None:
    pilot, (_, _, again), (_, before, after) = story
    assert statuses(again["silver.sales"]) == {FIRST: "unchanged", BAD: "blocked", LAST: "published"}
    blocked = day_of(again["silver.sales"], BAD)
    assert blocked.rows == blocked.previous_rows == (before["sale_date"] == BAD).sum()
    assert not blocked.visible
    for day in (FIRST, BAD):
        pd.testing.assert_frame_equal(_of(after, day), _of(before, day))
    assert len(_of(before, LAST)) - len(_of(after, LAST)) == 1
    refused = [row for row in pilot.quarantine("silver.sales") if row["_day"] == BAD]
    assert len(refused) > 4_000
    assert {row["run_id"] for row in refused} == {"again"}
    (publication,) = (p for p in pilot.lake.publications("silver.sales") if p.day == BAD)
    assert (publication.status, publication.rows) == ("blocked", blocked.rows)


def test_a_blocked_day_stays_blocked_until_something_changes(story: tuple[Pilot, list[Outcomes], list[pd.DataFrame]]) -> None:
    pilot, _, _ = story
    before = pilot.snapshots()
    repeated = pilot.build(days(3), "silver.sales", run_id="repeated")
    assert statuses(repeated["silver.sales"]) == {FIRST: "unchanged", BAD: "blocked", LAST: "unchanged"}
    assert pilot.snapshots() == before


def _of(lines: pd.DataFrame, day: date) -> pd.DataFrame:
    return lines[lines["sale_date"] == day].reset_index(drop=True)

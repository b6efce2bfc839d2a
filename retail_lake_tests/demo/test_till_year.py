"""The tills' whole year, read back from the landed bytes by a reader of the test's own and held against the source."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from retail_lake.demo import ledger, source, till
from retail_lake.demo.arrivals import arrivals
from retail_lake.demo.days import FIRST_DAY, LAST_DAY
from retail_lake.demo.delivery import Defect, Effect
from retail_lake.demo.landing import LocalFolder

SEED = 2017
HEADER = "store_id,basket_id,household_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,sold_at"
KEY = ["basket_id", "product_id"]


class Year:
    """What landed: every file by key, and the lines of those that can be read with arrival day and place."""

    def __init__(self, home: Path) -> None:
        with source.connect() as connection:
            sent = list(till.deliveries(connection, SEED, FIRST_DAY, LAST_DAY))
        for delivery in sent:
            if delivery.content is not None:
                LocalFolder(home / "landing").put(delivery.key, delivery.content)
        ledger.write(home / "ledger", sent)
        self.files = {str(p.relative_to(home / "landing")): p.read_bytes() for p in (home / "landing").rglob("*.csv")}
        self.ledger = ledger.read(home / "ledger")
        self.entries: list[Defect] = [entry for entries in self.ledger.values() for entry in entries]
        self.unreadable: set[str] = set()
        arrived, keys, lines = [], [], []
        for key, content in self.files.items():
            found = read(content)
            if found is None:
                self.unreadable.add(key)
                continue
            lines += found
            keys += [key] * len(found)
            arrived += [date.fromisoformat(key.split("/")[2])] * len(found)
        self.lines = pd.DataFrame({"key": keys, "arrived": arrived, "line": lines})

    def valid(self) -> pd.DataFrame:
        """The typed lines that break no rule, duplicates included."""
        lines = self.lines
        return duckdb.sql(
            r"""
            SELECT key, arrived, f[1]::BIGINT AS store_id, f[2]::BIGINT AS basket_id, f[3]::BIGINT AS household_id,
                f[4]::BIGINT AS product_id, f[5]::BIGINT AS quantity, (f[6]::DECIMAL(9, 2) * 100)::BIGINT AS sales_cents,
                (f[7]::DECIMAL(9, 2) * 100)::BIGINT AS retail_cents, (f[8]::DECIMAL(9, 2) * 100)::BIGINT AS coupon_cents,
                (f[9]::DECIMAL(9, 2) * 100)::BIGINT AS match_cents, f[10]::TIMESTAMP AS sold_at
            FROM (SELECT key, arrived, line, string_split(line, ',') AS f FROM lines
                WHERE regexp_full_match(line, '\d+,\d+,\d+,\d+,\d{1,6}(,\d+\.\d\d){4},\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ'))
            WHERE NOT f[1]::BIGINT BETWEEN 9000 AND 9999
            """
        ).df()


def read(content: bytes) -> list[str] | None:
    """The lines between header and trailer, or None if the file as a whole is not what it should be."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    lines = text.split("\n")
    if len(lines) < 3 or lines[0] != HEADER or lines[-1] != "" or lines[-2] != f"#lines={len(lines) - 3}":
        return None
    return lines[1:-2]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    return Year(tmp_path_factory.mktemp("till_year"))


@pytest.fixture(scope="module")
def sold() -> pd.DataFrame:
    """The source, with the business day and money in cents by pandas instead of by the demo's SQL."""
    table = pd.read_parquet(source.parquet("transactions"))
    for cents, column in (
        ("sales_cents", "sales_value"),
        ("retail_cents", "retail_disc"),
        ("coupon_cents", "coupon_disc"),
        ("match_cents", "coupon_match_disc"),
    ):
        table[cents] = (table[column] * 100).round().astype("int64")
    table["sold_at"] = table["transaction_timestamp"].dt.as_unit("us")
    table["sale_date"] = table["transaction_timestamp"].dt.tz_localize("UTC").dt.tz_convert("America/New_York").dt.date
    return table.sort_values(KEY, ignore_index=True)


def test_every_sound_row_arrives_and_nothing_else_is_valid(year: Year, sold: pd.DataFrame) -> None:
    valid = year.valid()
    columns = [c for c in valid.columns if c not in ("key", "arrived")]
    distinct = valid[columns].drop_duplicates().sort_values(KEY, ignore_index=True)
    distinct["sold_at"] = distinct["sold_at"].dt.as_unit("us")
    pd.testing.assert_frame_equal(distinct, sold[columns])


def test_rows_first_arrive_on_the_day_the_ground_truth_says(year: Year, sold: pd.DataFrame) -> None:
    truth = arrivals(SEED).to_pandas(date_as_object=True).sort_values(KEY, ignore_index=True)
    first = year.valid().groupby(KEY, as_index=False)["arrived"].min().sort_values(KEY, ignore_index=True)
    assert (first["arrived"].dt.date == truth["arrival_day"]).all()
    assert (truth["sale_date"] == sold["sale_date"]).all()
    assert truth["sales_value"].sum() * 100 == sold["sales_cents"].sum()


def test_one_basket_in_a_hundred_is_one_to_ten_days_late_as_a_whole() -> None:
    truth = arrivals(SEED).to_pandas(date_as_object=True)
    truth["late"] = (pd.to_datetime(truth["file_day"]) - pd.to_datetime(truth["sale_date"])).dt.days
    baskets = truth.groupby("basket_id")["late"].agg(["min", "max"])
    assert (baskets["min"] == baskets["max"]).all()
    assert set(baskets["min"].unique()) == set(range(11))
    assert 0.009 < (baskets["min"] > 0).mean() < 0.011
    believed = (pd.to_datetime(truth["arrival_day"]) - pd.to_datetime(truth["sale_date"])).dt.days
    assert believed.between(0, 10).all()
    assert max(truth["arrival_day"]) > date(2018, 1, 5)


def test_copies_sent_again_are_still_early_enough_to_be_believed(year: Year, sold: pd.DataFrame) -> None:
    again = year.valid().query("key.str.contains('_retransmit_')").merge(sold[[*KEY, "sale_date"]], on=KEY)
    assert len(again) > 1000
    assert ((again["arrived"] - pd.to_datetime(again["sale_date"])).dt.days <= 10).all()


def test_duplicates_and_invalid_lines_are_what_the_ledger_says(year: Year, sold: pd.DataFrame) -> None:
    valid = year.valid()
    duplicates = sum(e.rows or 1 for e in year.entries if e.effect is Effect.DUPLICATE and e.rows != 0)
    assert len(valid) - len(sold) == duplicates
    assert len(year.lines) - len(valid) == sum(e.effect is Effect.QUARANTINED for e in year.entries)
    by_file = year.lines.groupby("key").size() - valid.groupby("key").size().reindex(year.lines["key"].unique(), fill_value=0)
    expected = Counter(e.file for e in year.entries if e.effect is Effect.QUARANTINED)
    assert {key: count for key, count in by_file.items() if count} == expected


def test_every_line_of_the_ledger_is_in_the_bytes_behind_its_sound_line(year: Year) -> None:
    kinds = Counter()
    for entry in year.entries:
        if entry.line is None:
            continue
        lines = year.files[entry.file].decode().split("\n")
        assert lines[entry.line - 1] == entry.text
        if entry.kind == "duplicate_line":
            assert lines[entry.line - 2] == entry.text
        kinds[entry.kind] += 1
    assert set(kinds) == set(till.LINE_DEFECTS)
    assert 0.0018 < kinds.total() / len(year.lines) < 0.0022


def test_spoiled_files_are_those_of_the_ledger_and_all_are_corrected(year: Year) -> None:
    whole = [e for e in year.entries if e.line is None]
    spoiled = {e.file: e for e in whole if e.effect in (Effect.FILE_REJECTED, Effect.SUPERSEDED)}
    assert year.unreadable == set(spoiled)
    for key, entry in spoiled.items():
        arrived = date.fromisoformat(key.split("/")[2])
        assert entry.corrected_on is not None
        assert 0 <= (entry.corrected_on - arrived).days <= 2
        assert (entry.effect is Effect.SUPERSEDED) == (entry.corrected_on == arrived)
        correct = key.replace(f"/{arrived}/", f"/{entry.corrected_on}/").replace("_v1.csv", "_v2.csv")
        assert read(year.files[correct]) is not None
    assert set(Counter(e.kind for e in whole)) == {
        "truncated", "empty", "missing_column", "extra_column", "wrong_encoding", "retransmitted", "missing_file",
    }  # fmt: skip


def test_every_group_delivers_every_day_but_for_missing_files(year: Year) -> None:
    parts: dict[date, set[str]] = defaultdict(set)
    for key in year.files:
        name = key.rsplit("/", 1)[1]
        arrived = date.fromisoformat(key.split("/")[2])
        if name.split("_")[2] == f"{arrived:%Y%m%d}":
            parts[arrived].add(name.split("_")[1])
    missing = {e.file for e in year.entries if e.effect is Effect.FILE_MISSING}
    assert not missing & set(year.files)
    assert 8 <= len(missing) <= 16
    lacking = {
        f"tills/till_lines/{day}/till-lines_{group}_{day:%Y%m%d}_v1.csv"
        for day in pd.date_range(FIRST_DAY, LAST_DAY).date
        for group in {"g1", "g2", "g3", "g4"} - parts[day]
    }
    assert lacking == missing


def test_the_last_day_of_the_default_demo_shows_a_rejected_file(year: Year) -> None:
    (rejected,) = [e for e in year.ledger[date(2017, 1, 14)] if e.effect is Effect.FILE_REJECTED]
    assert rejected.corrected_on == date(2017, 1, 15)

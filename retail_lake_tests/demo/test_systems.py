"""The other systems' deliveries over the whole year, read back by format and held against the source."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow.parquet as pq
import pytest

from retail_lake.demo import crm, erp, events, marketing, promotions, source
from retail_lake.demo.arrivals import redemption_arrivals
from retail_lake.demo.days import FIRST_DAY, LAST_DAY
from retail_lake.demo.delivery import Delivery

SEED = 2017
Extract = tuple[Delivery, list[dict[str, Any]]]
STORE = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    return source.connect()


def business_day(moment: datetime) -> date:
    return moment.replace(tzinfo=UTC).astimezone(STORE).date()


@pytest.fixture(scope="module")
def products(connection: duckdb.DuckDBPyConnection) -> list[Delivery]:
    return list(erp.deliveries(connection, SEED, LAST_DAY))


@pytest.fixture(scope="module")
def extracts(connection: duckdb.DuckDBPyConnection) -> list[Extract]:
    found = crm.deliveries(connection, SEED, LAST_DAY)
    return [(f, pq.read_table(io.BytesIO(f.content or b"")).to_pylist()) for f in found]


class TestProducts:
    @staticmethod
    def rows(file: Delivery, *, sound: bool = True) -> list[dict[str, str]]:
        assert file.content is not None
        spoiled = {d.line for d in file.defects} if sound else set()
        found = csv.DictReader(io.StringIO(file.content.decode()))
        return [row for line, row in enumerate(found, 2) if line not in spoiled]

    def test_load_and_inserts_are_the_source_products(
        self, products: list[Delivery], connection: duckdb.DuckDBPyConnection
    ) -> None:
        loads = [f for f in products if "/LOAD" in f.key]
        assert [f.key for f in loads] == [f"erp/products/LOAD0000000{n}.csv" for n in (1, 2, 3, 4)]
        loaded = [row for f in loads for row in self.rows(f)]
        inserted = [row for f in products if "/LOAD" not in f.key for row in self.rows(f) if row["Op"] == "I"]
        assert len(inserted) == erp.INSERTED
        names = ("product_id", "manufacturer_id", "department", "brand", "product_category", "product_type", "package_size")
        known = connection.execute(f"SELECT {', '.join(names)} FROM products ORDER BY product_id").fetchall()
        expected = [tuple("NULL" if v is None else str(v) for v in row) for row in known]
        found = sorted((tuple(row[n] for n in names) for row in (*loaded, *inserted)), key=lambda row: int(row[0]))
        assert found == expected
        sold = dict(connection.execute("SELECT product_id, min(transaction_timestamp) FROM transactions GROUP BY ALL").fetchall())
        assert all(datetime.fromisoformat(row["dms_timestamp"]) < sold[int(row["product_id"])] for row in inserted)

    def test_changes_change_the_row_they_follow(self, products: list[Delivery], connection: duckdb.DuckDBPyConnection) -> None:
        current: dict[str, dict[str, str]] = {}
        what: Counter[str] = Counter()
        transactions: Counter[tuple[str, str]] = Counter()
        for file in products:
            for row in self.rows(file):
                operation = row.pop("Op", "LOAD")
                product = row["product_id"]
                assert (product in current) == (operation in "UD")
                if operation == "U":
                    changed = {name for name, value in row.items() if value != current[product][name]} - {"dms_timestamp"}
                    assert changed <= {"price_group", "product_category", "department"}
                    assert changed
                    what.update(changed)
                    transactions[product, row["dms_timestamp"]] += 1
                if operation == "D":
                    del current[product]
                    what["deleted"] += 1
                else:
                    current[product] = row
        weeks = (LAST_DAY - FIRST_DAY).days / 7
        assert 35 * 7 < what["price_group"] / weeks < 45 * 7
        assert 2 < what["product_category"] / weeks < 10
        assert what["deleted"] == erp.DELETED
        assert set(transactions.values()) == {1, 2}
        sold = connection.execute("SELECT DISTINCT product_id FROM transactions SEMI JOIN products USING (product_id)")
        assert {str(p) for (p,) in sold.fetchall()} <= current.keys()

    def test_files_are_named_and_filled_as_dms_does(self, products: list[Delivery]) -> None:
        assert len({f.key for f in products}) == len(products)
        for file in products:
            if "/LOAD" in file.key:
                continue
            *_, year, month, day, name = file.key.split("/")
            closed = datetime.strptime(name.removesuffix(".csv") + "000", "%Y%m%d-%H%M%S%f")  # noqa: DTZ007
            assert closed.date() == date(int(year), int(month), int(day)) == file.arrival_day
            commits = [datetime.fromisoformat(row["dms_timestamp"]) for row in self.rows(file, sound=False)]
            assert commits == sorted(commits)
            assert commits[-1] < closed
            assert {c.date() for c in commits} == {file.arrival_day}
            assert all(business_day(c) >= FIRST_DAY for c in commits)
            assert all(6 <= c.replace(tzinfo=UTC).astimezone(STORE).hour < 22 for c in commits)

    def test_defects_are_in_the_bytes(self, products: list[Delivery]) -> None:
        kinds: Counter[str] = Counter()
        for file in products:
            for defect in file.defects:
                assert file.content is not None
                assert defect.line is not None
                lines = file.content.decode().split("\n")
                assert lines[defect.line - 1] == defect.text
                before, spoiled = lines[defect.line - 2].split(","), lines[defect.line - 1].split(",")
                assert spoiled == before if defect.kind == "duplicate_row" else (spoiled[1], spoiled[2:]) == ("", before[2:])
                kinds[defect.kind] += 1
        assert min(kinds["duplicate_row"], kinds["empty_product_id"]) > 10
        assert len(kinds) == 2


class TestCrm:
    def test_households_start_as_the_source_and_change_step_by_step(
        self, extracts: list[Extract], connection: duckdb.DuckDBPyConnection
    ) -> None:
        history: dict[int, list[dict[str, Any]]] = {}
        kinds: Counter[str] = Counter()
        for file, rows in extracts:
            if file.dataset != "crm/households":
                continue
            bad = {d.line: d.kind for d in file.defects}
            for number, row in enumerate(rows, 1):
                if number not in bad:
                    history.setdefault(row["household_id"], []).append(row)
                    assert file.arrival_day == FIRST_DAY or business_day(row["updated_at"]) == file.arrival_day
                    continue
                kinds[bad[number]] += 1
                spoiled = {name for name, value in row.items() if value != rows[number - 2][name]}
                assert spoiled == {"household_id"} if bad[number] == "null_household_id" else spoiled == {"income"}
        assert min(kinds.values()) > 3
        assert len(history) == 2469
        sold = connection.execute("SELECT * EXCLUDE (file_row_number) FROM demographics").to_arrow_table().to_pylist()
        assert len(sold) == 801
        for household in sold:
            assert household.items() <= history[household["household_id"]][0].items()
        steps = [pair for rows in history.values() for pair in pairwise(rows)]
        assert 2 < len(steps) / 375 < 4
        for before, after in steps:
            changed = {name for name, value in after.items() if value != before[name]} - {"updated_at"}
            assert changed == {"income"} or (changed and changed <= {"city", "postal_code"})
            assert before["updated_at"] < after["updated_at"]
            if "income" in changed:
                assert abs(crm.INCOMES.index(after["income"]) - crm.INCOMES.index(before["income"])) == 1

    def test_stores_are_those_of_the_transactions(self, extracts: list[Extract]) -> None:
        (_, first), *later = [(f, rows) for f, rows in extracts if f.dataset == "crm/stores"]
        assert len({row["store_id"] for row in first}) == len(first) == 457
        assert all(row["store_group"] == row["store_id"] % 4 + 1 for row in first)
        assert not any(9000 <= row["store_id"] <= 9999 for row in first)
        assert 10 < len(later) < 60


def test_campaigns_carry_every_member_and_every_coupon_product(connection: duckdb.DuckDBPyConnection) -> None:
    files = list(marketing.campaign_deliveries(connection, LAST_DAY))
    documents = {
        doc["campaign_id"]: (f.arrival_day, doc) for f in files for doc in map(json.loads, (f.content or b"").splitlines())
    }
    pairs = Counter(
        (campaign, coupon["coupon_upc"], product)
        for campaign, (_, doc) in documents.items()
        for coupon in doc["coupons"]
        for product in coupon["product_ids"]
    )
    assert (len(documents), pairs.total()) == (27, 116_204)
    expected = connection.execute("SELECT campaign_id, coupon_upc, product_id FROM coupons").fetchall()
    assert pairs == Counter(expected)
    audience = Counter((c, m["household_id"]) for c, (_, doc) in documents.items() for m in doc["audience"])
    assert audience == Counter(connection.execute("SELECT campaign_id, household_id FROM campaigns").fetchall())
    assert (documents[26][0], documents[26][1]["updated_at"]) == (FIRST_DAY, "2016-12-28T09:00:00Z")
    assert documents[1][0] == date(2017, 2, 28)


def test_calendar_pages_hold_every_campaign_within_ninety_days(connection: duckdb.DuckDBPyConnection) -> None:
    pages: dict[date, dict[int, dict[str, Any]]] = {}
    contents: dict[tuple[date, int], set[bytes | None]] = {}
    twice = 0
    for file in marketing.calendar_deliveries(connection, LAST_DAY):
        page = json.loads(file.content or b"")
        twice += page["page"] in pages.setdefault(file.arrival_day, {})
        pages[file.arrival_day][page["page"]] = page
        contents.setdefault((file.arrival_day, page["page"]), set()).add(file.content)
    assert all(len(versions) == 1 for versions in contents.values())
    assert twice > 10
    assert len(pages) == 55  # the first day, a Sunday, and 54 Mondays
    for day, found in pages.items():
        items = [item["campaign_id"] for _, page in sorted(found.items()) for item in page["items"]]
        starts = connection.execute(
            "SELECT campaign_id FROM campaign_descriptions WHERE start_date <= ?::DATE + 90 ORDER BY campaign_id", [day]
        ).fetchall()
        assert items == [campaign for (campaign,) in starts]
        assert all(len(page["items"]) <= 10 and page["pages"] == len(found) for page in found.values())


def test_every_redemption_arrives_once_on_its_day_or_late(connection: duckdb.DuckDBPyConnection) -> None:
    found: Counter[tuple[int, int, int, date, date]] = Counter()
    kinds: Counter[str] = Counter()
    identities = set()
    for file in events.deliveries(SEED, FIRST_DAY, LAST_DAY):
        assert file.content
        lines = file.content.decode().split("\n")
        for defect in file.defects:
            assert defect.line is not None
            assert lines[defect.line - 1] == defect.text
            kinds[defect.kind] += 1
        bad = {d.line for d in file.defects}
        for event in (json.loads(line) for number, line in enumerate(lines, 1) if line and number not in bad):
            day = business_day(datetime.fromisoformat(event["redeemed_at"].removesuffix("Z")))
            assert 0 <= (file.arrival_day - day).days <= 10
            identities.add(event["event_id"])
            found[event["household_id"], event["coupon_upc"], event["campaign_id"], day, file.arrival_day] += 1
    source_rows = connection.execute(
        "SELECT household_id, coupon_upc, campaign_id, redemption_date::DATE FROM coupon_redemptions"
    )
    assert Counter(key[:4] for key in found.elements()) == Counter(source_rows.fetchall())
    assert found == Counter(tuple(row.values()) for row in redemption_arrivals(SEED).to_pylist())
    assert len(identities) == 2102
    assert set(kinds) == {"duplicate_event", "broken_json", "missing_household_id"}
    assert 30 < sum(n for key, n in found.items() if key[3] != key[4]) < 100


@pytest.mark.parametrize("day", [date(2017, 1, 1), date(2017, 1, 2), date(2017, 12, 31)])
def test_promotions_of_a_week_are_the_source_and_six_bad_rows(connection: duckdb.DuckDBPyConnection, day: date) -> None:
    (file,) = promotions.deliveries(connection, SEED, day, day)
    week = int(file.key.split("_w")[1][:2])
    table = pq.read_table(io.BytesIO(file.content or b""))
    sound = connection.execute(
        f"SELECT * EXCLUDE (file_row_number) FROM promotions WHERE week = {week} ORDER BY file_row_number"
    ).to_arrow_table()
    assert file.arrival_day <= day
    assert table.slice(0, sound.num_rows).equals(sound)
    bad = table.slice(sound.num_rows).to_pylist()
    assert [(row["product_id"] is None, row["store_id"] == 9999) for row in bad] == [(True, False)] * 3 + [(False, True)] * 3
    assert [d.line for d in file.defects] == [sound.num_rows + n for n in range(1, 7)]

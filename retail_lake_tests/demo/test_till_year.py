"""The tills' whole year, read back from the landed bytes by a reader of the test's own and held against the source."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from retail_lake.demo import ledger, source, till
from retail_lake.demo.arrivals import arrivals
from retail_lake.demo.days import FIRST_DAY, LAST_DAY
from retail_lake.demo.delivery import Defect, Effect
from retail_lake.demo.landing import LocalFolder

SEED = 2017
HEADER = "store_id,basket_id,household_id,product_id,quantity,sales_value,retail_disc,coupon_disc,coupon_match_disc,sold_at"
ROW = "store_id, basket_id, household_id, product_id, quantity, sales, retail, coupon, coupon_match, sold_at"


class Year:
    """What landed: files by key, and in DuckDB `lines` of those that can be read, `valid` ones typed, and `sold`, the source."""

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
        readable = {key: found for key, content in self.files.items() if (found := read(content)) is not None}
        self.unreadable = self.files.keys() - readable.keys()
        self._sql = duckdb.connect()
        self._sql.register("readable", pa.table({"key": list(readable), "found": list(readable.values())}))
        self._sql.execute(
            "CREATE TABLE lines AS SELECT key, split_part(key, '/', 3)::DATE AS arrived, unnest(found) AS line FROM readable"
        )
        # Text is typed only behind the pattern; what a till may not send is left out.
        self._sql.execute(
            r"""
            CREATE TABLE valid AS
            SELECT key, arrived, f[1]::BIGINT AS store_id, f[2]::BIGINT AS basket_id, f[3]::BIGINT AS household_id,
                f[4]::BIGINT AS product_id, f[5]::BIGINT AS quantity, (f[6]::DECIMAL(9, 2) * 100)::BIGINT AS sales,
                (f[7]::DECIMAL(9, 2) * 100)::BIGINT AS retail, (f[8]::DECIMAL(9, 2) * 100)::BIGINT AS coupon,
                (f[9]::DECIMAL(9, 2) * 100)::BIGINT AS coupon_match, f[10]::TIMESTAMP AS sold_at
            FROM (SELECT key, arrived, string_split(line, ',') AS f FROM lines
                WHERE regexp_full_match(line, '\d+,\d+,\d+,\d+,\d{1,6}(,\d+\.\d\d){4},\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ'))
            WHERE NOT f[1]::BIGINT BETWEEN 9000 AND 9999
            """
        )
        # The business day by pandas and money as cents by rounding, so that neither comes from the demo's own SQL.
        sold = pd.read_parquet(source.parquet("transactions"))
        for column in ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"):
            sold[column.removesuffix("_value").removesuffix("_disc")] = (sold[column] * 100).round().astype("int64")
        utc = sold["transaction_timestamp"].dt.tz_localize("UTC")
        sold["sale_date"] = utc.dt.tz_convert("America/New_York").dt.tz_localize(None).dt.floor("D")
        self._sql.register("source", sold)
        columns = ROW.replace("sold_at", "transaction_timestamp::TIMESTAMP AS sold_at")
        self._sql.execute(f"CREATE TABLE sold AS SELECT {columns}, sale_date::DATE AS sale_date FROM source")

    def one(self, sql: str, **relations: pa.Table) -> tuple[int, ...]:
        """The only row of a query, over the tables here and those given."""
        for name, relation in relations.items():
            self._sql.register(name, relation)
        (row,) = self._sql.execute(sql).fetchall()
        return row

    def counts(self, sql: str) -> dict[str, int]:
        """Two columns as a dictionary."""
        return dict(self._sql.execute(sql).fetchall())


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
def truth() -> pa.Table:
    return arrivals(SEED)


def test_every_sound_row_arrives_and_nothing_else_is_valid(year: Year) -> None:
    rows = f"SELECT DISTINCT {ROW} FROM valid"
    assert year.one(f"SELECT count(*) FROM ({rows})") == year.one("SELECT count(*) FROM sold") == (1_469_307,)
    assert year.one(f"SELECT count(*) FROM (FROM ({rows}) EXCEPT SELECT {ROW} FROM sold)") == (0,)


def test_rows_first_arrive_on_the_day_the_ground_truth_says(year: Year, truth: pa.Table) -> None:
    agreed = year.one(
        """
        SELECT count(*), count_if(v.arrived = t.arrival_day), count_if(t.sale_date = s.sale_date)
        FROM (SELECT basket_id, product_id, min(arrived) AS arrived FROM valid GROUP BY ALL) AS v
        JOIN truth AS t USING (basket_id, product_id) JOIN sold AS s USING (basket_id, product_id)
        """,
        truth=truth,
    )
    assert agreed == (1_469_307, 1_469_307, 1_469_307)
    money = year.one("SELECT (sum(sales_value) * 100)::BIGINT, (sum(retail_disc) * 100)::BIGINT FROM truth", truth=truth)
    assert money == year.one("SELECT sum(sales), sum(retail) FROM sold")


def test_one_basket_in_a_hundred_is_one_to_ten_days_late_as_a_whole(year: Year, truth: pa.Table) -> None:
    baskets = "(SELECT min(file_day - sale_date) AS low, max(file_day - sale_date) AS high FROM truth GROUP BY basket_id)"
    split, least, most, kinds, late = year.one(
        f"SELECT count_if(low <> high), min(low), max(high), count(DISTINCT low), avg((low > 0)::INT) FROM {baskets}", truth=truth
    )
    assert (split, least, most, kinds) == (0, 0, 10, 11)
    assert 0.009 < late < 0.011
    # A row that was read more than ten days after its sale would not be believed.
    assert year.one("SELECT min(arrival_day - sale_date), max(arrival_day - sale_date) FROM truth", truth=truth) == (0, 10)
    assert year.one("SELECT max(arrived - sale_date) FROM valid JOIN sold USING (basket_id, product_id)") == (10,)
    assert year.one("SELECT count_if(arrival_day > DATE '2018-01-05') > 0 FROM truth", truth=truth) == (True,)


def test_duplicates_and_invalid_lines_are_what_the_ledger_says(year: Year) -> None:
    duplicates: Counter[str] = Counter()
    for entry in year.entries:
        if entry.effect is Effect.DUPLICATE and entry.rows != 0:
            duplicates[entry.file] += entry.rows or 1
    assert duplicates == year.counts(
        """
        SELECT key, count(*) FROM (
            SELECT key, row_number() OVER (PARTITION BY basket_id, product_id ORDER BY key) AS nth FROM valid
            WHERE (basket_id, product_id) IN (SELECT (basket_id, product_id) FROM valid GROUP BY ALL HAVING count(*) > 1)
        ) WHERE nth > 1 GROUP BY key
        """
    )
    quarantined = Counter(e.file for e in year.entries if e.effect is Effect.QUARANTINED)
    assert quarantined == year.counts(
        """
        SELECT key, n - coalesce(v, 0) AS bad FROM (SELECT key, count(*) AS n FROM lines GROUP BY key)
        LEFT JOIN (SELECT key, count(*) AS v FROM valid GROUP BY key) USING (key) WHERE bad > 0
        """
    )


def test_every_line_of_the_ledger_is_in_the_bytes_behind_its_sound_line(year: Year) -> None:
    kinds: Counter[str] = Counter()
    for entry in year.entries:
        if entry.line is None:
            continue
        lines = year.files[entry.file].decode().split("\n")
        assert lines[entry.line - 1] == entry.text
        if entry.kind == "duplicate_line":
            assert lines[entry.line - 2] == entry.text
        kinds[entry.kind] += 1
    assert set(kinds) == set(till.LINE_DEFECTS)
    assert 0.0018 < kinds.total() / 1_469_307 < 0.0022


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

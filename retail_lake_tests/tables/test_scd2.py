"""The history dimensions against a history replayed record by record, on random streams of changes in any order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retail_lake_tests.tables.chain import connect, run

FIRST, LAST = datetime(1900, 1, 1), datetime(9999, 12, 31)
START = datetime(2017, 1, 1)


@dataclass(frozen=True)
class Record:
    """One record as silver has it; `op` None is a record of the full load. `hour` is its commit time."""

    product: int
    op: str | None
    hour: int
    category: str | None
    group: str | None
    file: str
    position: int

    @property
    def changed_at(self) -> datetime:
        return START + timedelta(hours=self.hour)


Version = tuple[datetime, datetime, str | None, str | None, bool]


def replay(records: list[Record]) -> list[Version]:
    """The versions of one product: (from, to, category, price group, deleted), by going through its records one by one."""
    last_at: dict[datetime, Record] = {}
    for record in sorted(records, key=lambda r: (r.changed_at, r.file, r.position)):
        last_at[FIRST if record.op is None else record.changed_at] = record
    states: list[tuple[datetime, tuple[str | None, str | None, bool]]] = []
    for at in sorted(last_at):
        record = last_at[at]
        if record.op == "D":
            if not states:
                continue
            state = (*states[-1][1][:2], True)
        else:
            state = (record.category, record.group, False)
        if not states or states[-1][1] != state:
            states.append((at, state))
    starts = [FIRST, *(at for at, _ in states[1:])]
    ends = [*starts[1:], LAST]
    return [(start, end, *state) for start, end, (_, state) in zip(starts, ends, states, strict=False)]


@st.composite
def streams(draw: st.DrawFn) -> list[Record]:
    """Records of three products, few hours and few values, so that ties, repeats and returns to an old state are common."""
    value = st.sampled_from([None, "", "x", "y"])
    found = draw(
        st.lists(
            st.builds(
                Record,
                product=st.integers(1, 3),
                op=st.sampled_from([None, "I", "U", "U", "D"]),
                hour=st.integers(0, 5),
                category=value,
                group=value,
                file=st.sampled_from(["LOAD00000001", "2017/01/01/a", "2017/01/02/b"]),
                position=st.integers(1, 99),
            ),
            max_size=14,
            unique_by=lambda r: (r.file, r.position),
        )
    )
    return draw(st.permutations(found))


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect() as opened:
        opened.execute(
            "INSERT INTO silver__sales BY NAME SELECT unnest([1, 2, 9]) AS product_id, unnest([1, 2, 9]) AS household_id"
        )
        yield opened


def fill(connection: duckdb.DuckDBPyConnection, records: list[Record]) -> None:
    connection.execute("DELETE FROM silver__products")
    connection.execute("DELETE FROM silver__households")
    for r in records:
        connection.execute(
            """INSERT INTO silver__products BY NAME SELECT ? AS product_id, ? AS op, ? AS is_full_load, ? AS changed_at,
            ? AS product_category, ? AS price_group, ? AS _source_file, ? AS _position""",
            [r.product, r.op, r.op is None, r.changed_at, r.category, r.group, r.file, r.position],
        )
        connection.execute(
            """INSERT INTO silver__households BY NAME SELECT ? AS household_id, ? AS updated_at, ? AS income, ? AS postal_code,
            ? AS _source_file, ? AS _position""",
            [r.product, r.changed_at, r.category, r.group, r.file, r.position],
        )


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=streams())
def test_products_are_the_replayed_history(connection: duckdb.DuckDBPyConnection, records: list[Record]) -> None:
    fill(connection, records)
    run(connection, "gold.dim_product")
    for product in (1, 2, 3, 9):
        rows = connection.execute(
            """SELECT valid_from, valid_to, product_category, price_group, is_deleted, is_inferred, is_current
            FROM gold__dim_product WHERE product_id = ? ORDER BY valid_from""",
            [product],
        ).fetchall()
        expected = replay([r for r in records if r.product == product])
        if not expected and product != 3:  # sold, and the master never told of it
            assert rows == [(FIRST, LAST, None, None, False, True, True)]
            continue
        assert [row[:5] for row in rows] == expected
        assert [row[5:] for row in rows] == [(False, end == LAST) for _, end, *_ in expected]
    keys = connection.sql("SELECT count(*), count(DISTINCT product_key), count(product_key) FROM gold__dim_product").fetchone()
    assert keys is not None and len(set(keys)) == 1


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=streams())
def test_households_are_the_replayed_history(connection: duckdb.DuckDBPyConnection, records: list[Record]) -> None:
    fill(connection, records)
    run(connection, "gold.dim_household")
    for household in (1, 2, 3, 9):
        rows = connection.execute(
            """SELECT valid_from, valid_to, income, postal_code, is_inferred FROM gold__dim_household
            WHERE household_id = ? ORDER BY valid_from""",
            [household],
        ).fetchall()
        # A household has neither full load nor deletes: every record is a state.
        mine = [replace(r, op="U") for r in records if r.product == household]
        expected = [(*version[:4], False) for version in replay(mine)]
        if not expected and household != 3:
            expected = [(FIRST, LAST, None, None, True)]
        assert rows == expected


def test_keys_do_not_change_with_what_comes_later(connection: duckdb.DuckDBPyConnection) -> None:
    early = [Record(1, None, 0, "x", "A", "LOAD00000001", 1), Record(1, "U", 3, "y", "A", "2017/01/01/a", 1)]
    fill(connection, early)
    run(connection, "gold.dim_product")
    before = set(connection.sql("SELECT product_key, valid_from FROM gold__dim_product WHERE product_id = 1").fetchall())
    fill(connection, [*early, Record(1, "U", 2, "z", "A", "2017/01/02/b", 1)])
    run(connection, "gold.dim_product")
    after = set(connection.sql("SELECT product_key, valid_from FROM gold__dim_product WHERE product_id = 1").fetchall())
    assert before < after and len(after) == 3


def test_a_sale_joins_the_version_that_was_valid(connection: duckdb.DuckDBPyConnection) -> None:
    fill(
        connection,
        [
            Record(1, None, 0, "x", "A", "LOAD00000001", 1),
            Record(1, "U", 2, "y", "A", "2017/01/01/a", 1),
            Record(1, "D", 4, None, None, "2017/01/01/a", 2),
        ],
    )
    run(connection, "gold.dim_product")
    moments = {
        START - timedelta(days=9): "x", START + timedelta(minutes=119, seconds=59): "x", START + timedelta(hours=2): "y",
        START + timedelta(hours=5): "y",
    }  # fmt: skip
    sold = connect()
    versions = connection.sql("SELECT * FROM gold__dim_product").to_arrow_table()
    sold.register("versions", versions)
    sold.execute("INSERT INTO gold__dim_product SELECT * FROM versions")
    for number, moment in enumerate(moments):
        sold.execute(
            """INSERT INTO silver__sales BY NAME SELECT ? AS sold_at, CAST(? AS DATE) AS sale_date, ? AS basket_id,
            1 AS product_id""",
            [moment, moment, number],
        )
    run(sold, "gold.fact_sales", {moment.date() for moment in moments})
    joined = sold.sql(
        "SELECT s.basket_id, p.product_category FROM gold__fact_sales s JOIN gold__dim_product p USING (product_key) ORDER BY 1"
    ).fetchall()
    assert joined == list(enumerate(moments.values()))

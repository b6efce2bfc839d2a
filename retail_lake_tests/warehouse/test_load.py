"""A load makes the warehouse's days equal to the lake's, however often and however rudely it is run."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from retail_lake.config import Settings
from retail_lake.contract import Column
from retail_lake.failure import ConfigurationFailure, DataFailure, TransientFailure
from retail_lake.jobs.description import DataFile
from retail_lake.warehouse.duckdb import DuckDBWarehouse
from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, DAY3, LakeFolder, dimension, fact


@pytest.fixture
def lake(tmp_path: Path) -> LakeFolder:
    (tmp_path / "lake").mkdir()
    return LakeFolder(tmp_path / "lake")


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(Settings(home=tmp_path), lock_wait=0.2)


def query(warehouse: DuckDBWarehouse, sql: str) -> list[tuple]:
    with duckdb.connect(str(warehouse.settings.warehouse_path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def by_day(warehouse: DuckDBWarehouse) -> list[tuple[date, int, Decimal]]:
    return query(warehouse, "SELECT sale_date, count(*), sum(sales_value) FROM fact_sales GROUP BY 1 ORDER BY 1")


def test_days_are_loaded_replaced_and_left_alone(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 3)
    lake.sales(DAY2, 2)
    lake.publish(DAY3)
    first = warehouse.load(fact(), [DAY1, DAY2, DAY3], lake, run_id="one")
    assert [(d.day, d.rows, d.changed) for d in first.days] == [(DAY1, 3, True), (DAY2, 2, True), (DAY3, 0, True)]
    assert first.total_rows == 5
    lake.sales(DAY2, 4, value="2.25")
    second = warehouse.load(fact(), [DAY1, DAY2], lake, run_id="two")
    assert [(d.day, d.rows, d.changed) for d in second.days] == [(DAY1, 3, False), (DAY2, 4, True)]
    assert by_day(warehouse) == [(DAY1, 3, Decimal("3.30")), (DAY2, 4, Decimal("9.00"))]
    loads = query(warehouse, "SELECT day, rows, run_id FROM ops.loads WHERE table_name = 'fact_sales' ORDER BY day")
    assert loads == [(DAY1, 3, "one"), (DAY2, 4, "two"), (DAY3, 0, "one")]


def test_only_the_days_asked_for_are_touched(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 3)
    lake.sales(DAY2, 2)
    warehouse.load(fact(), [DAY2], lake, run_id="one")
    assert by_day(warehouse) == [(DAY2, 2, Decimal("2.20"))]
    assert warehouse.load(fact(), [], lake, run_id="two").unchanged
    warehouse.load(fact(), None, lake, run_id="three")
    assert [day for day, *_ in by_day(warehouse)] == [DAY1, DAY2]


def test_a_repeated_load_writes_nothing(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 3)
    warehouse.load(fact(), None, lake, run_id="one")
    before = query(warehouse, "FROM ops.loads")
    again = warehouse.load(fact(), None, lake, run_id="two")
    assert again.unchanged and again.rows == 0 and again.total_rows == 3
    assert query(warehouse, "FROM ops.loads") == before


def test_a_day_that_left_the_lake_leaves_the_warehouse(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 3)
    lake.sales(DAY2, 2)
    warehouse.load(fact(), None, lake, run_id="one")
    del lake.files[DAY1]
    warehouse.load(fact(), None, lake, run_id="two")
    assert [day for day, *_ in by_day(warehouse)] == [DAY2]


def test_a_dimension_is_replaced_whole(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.publish(None, "SELECT 1::BIGINT AS store_id, TIMESTAMP '1900-01-01' AS valid_from")
    warehouse.load(dimension(), None, lake, run_id="one")
    lake.publish(None, "SELECT unnest([2, 3])::BIGINT AS store_id, TIMESTAMP '2017-03-12 07:30:00' AS valid_from")
    assert [(d.day, d.rows) for d in warehouse.load(dimension(), None, lake, run_id="two").days] == [(None, 2)]
    assert query(warehouse, "SELECT store_id, valid_from::VARCHAR FROM dim_store ORDER BY 1") == [
        (2, "2017-03-12 07:30:00"),
        (3, "2017-03-12 07:30:00"),
    ]


def test_types_and_comments_are_the_contract_s(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 1)
    warehouse.load(fact(), None, lake, run_id="one")
    columns = "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = 'fact_sales' ORDER BY column_index"
    assert query(warehouse, columns) == [
        ("sale_date", "DATE", "The store's business day."),
        ("basket_id", "BIGINT", "Checkout basket."),
        ("sales_value", "DECIMAL(12,2)", "Paid, in dollars; 'net'."),
    ]


def test_an_added_column_evolves_the_table(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 2)
    warehouse.load(fact(), None, lake, run_id="one")
    wider = fact(Column("channel", "string", "Where it was sold."))
    lake.sales(DAY2, 1, extra=", 'store' AS channel")
    warehouse.check(wider)
    outcome = warehouse.load(wider, None, lake, run_id="two")
    assert [(d.day, d.changed) for d in outcome.days] == [(DAY1, False), (DAY2, True)]
    assert query(warehouse, "SELECT channel FROM fact_sales ORDER BY sale_date") == [(None,), (None,), ("store",)]
    assert query(warehouse, "SELECT comment FROM duckdb_columns() WHERE column_name = 'channel'") == [("Where it was sold.",)]


def test_files_from_before_a_column_load_with_nulls(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 1)
    warehouse.load(fact(Column("channel", "string", "Where.")), None, lake, run_id="one")
    assert query(warehouse, "SELECT channel FROM fact_sales") == [(None,)]


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("bigint", "date", "column channel is BIGINT in the warehouse, DATE in the contract"),
        ("decimal(12,2)", "decimal(10,2)", "column channel is DECIMAL(12,2) in the warehouse, DECIMAL(10,2) in the contract"),
    ],
)
def test_another_type_is_refused_until_the_table_is_dropped(
    lake: LakeFolder, warehouse: DuckDBWarehouse, was: str, now: str, said: str
) -> None:
    before, after = fact(Column("channel", was, "Where.")), fact(Column("channel", now, "Where."))
    lake.sales(DAY1, 1)
    warehouse.load(before, None, lake, run_id="one")
    for refused in (lambda: warehouse.check(after), lambda: warehouse.load(after, None, lake, run_id="two")):
        with pytest.raises(ConfigurationFailure, match="fact_sales") as error:
            refused()
        assert said in str(error.value) and "retail-lake reload fact_sales" in str(error.value)
    warehouse.drop(after)
    assert warehouse.load(after, None, lake, run_id="three").rows == 1


def test_a_widened_type_is_taken(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 1, extra=", 7::INTEGER AS pieces")
    warehouse.load(fact(Column("pieces", "int", "Pieces.")), None, lake, run_id="one")
    lake.sales(DAY2, 1, extra=", 8000000000::BIGINT AS pieces")
    warehouse.load(fact(Column("pieces", "bigint", "Pieces.")), None, lake, run_id="two")
    assert query(warehouse, "SELECT pieces FROM fact_sales ORDER BY 1") == [(7,), (8_000_000_000,)]
    assert query(warehouse, "SELECT comment FROM duckdb_columns() WHERE column_name = 'pieces'") == [("Pieces.",)]


def test_other_rows_than_published_are_refused_and_rolled_back(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 3)
    warehouse.load(fact(), None, lake, run_id="one")
    lake.sales(DAY1, 5)
    lake.files[DAY1] = [DataFile(uri=lake.files[DAY1][0].uri, rows=6)]
    with pytest.raises(DataFailure, match=r"2017-01-01: 5 rows loaded, 6 published"):
        warehouse.load(fact(), None, lake, run_id="two")
    assert by_day(warehouse) == [(DAY1, 3, Decimal("3.30"))]


def test_a_file_of_two_days_is_refused(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.publish(DAY1, "SELECT unnest([DATE '2017-01-01', DATE '2017-01-02']) AS sale_date, 1 AS basket_id, 1.00 AS sales_value")
    with pytest.raises(DataFailure, match="2017-01-01 to 2017-01-02"):
        warehouse.load(fact(), None, lake, run_id="one")


def test_a_load_waits_for_the_file_and_names_who_holds_it(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 3)
    path = warehouse.settings.warehouse_path
    program = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin and holder.stdout
    try:
        holder.stdout.readline()
        with pytest.raises(TransientFailure, match=str(holder.pid)):
            warehouse.load(fact(), None, lake, run_id="one")
    finally:
        holder.stdin.close()
        holder.wait()
    assert warehouse.load(fact(), None, lake, run_id="two").rows == 3


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from retail_lake.config import Settings
    from retail_lake.warehouse import duckdb as module
    from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, LakeFolder, fact

    home, moment = Path(sys.argv[1]), sys.argv[2]
    lake = LakeFolder(home / "lake", sequence=10)
    lake.sales(DAY1, 4000, value="2.00")
    lake.sales(DAY2, 4000)
    inner = getattr(module, moment)
    def die(*args):
        inner(*args)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(module, moment, die)
    module.DuckDBWarehouse(Settings(home=home)).load(fact(), None, lake, run_id="killed")
"""


@pytest.mark.parametrize("moment", ["ensure_table", "_replace", "_write_ledger"])
def test_a_killed_load_leaves_the_old_days_and_its_repeat_makes_the_new(
    tmp_path: Path, lake: LakeFolder, warehouse: DuckDBWarehouse, moment: str
) -> None:
    lake.sales(DAY1, 3)
    warehouse.load(fact(), None, lake, run_id="one")
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), moment], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    with duckdb.connect(str(warehouse.settings.warehouse_path)) as connection:
        assert connection.execute("SELECT sale_date, count(*) FROM fact_sales GROUP BY 1").fetchall() == [(DAY1, 3)]
        assert connection.execute("SELECT run_id, rows FROM ops.loads").fetchall() == [("one", 3)]
    lake.sales(DAY1, 4000, value="2.00")
    lake.sales(DAY2, 4000)
    warehouse.load(fact(), None, lake, run_id="two")
    assert by_day(warehouse) == [(DAY1, 4000, Decimal("8000.00")), (DAY2, 4000, Decimal("4400.00"))]

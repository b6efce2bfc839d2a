"""What is the embedded warehouse's own: its types, its file and who holds it, a kill while it writes."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from retail_lake.config import Settings
from retail_lake.contract import Column
from retail_lake.failure import TransientFailure
from retail_lake.warehouse.duckdb import DuckDBWarehouse
from retail_lake_tests.warehouse.lake_folder import DAY1, DAY2, LakeFolder, fact


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


def test_types_and_comments_are_the_contract_s(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 1)
    warehouse.load(fact(), None, lake, run_id="one")
    columns = "SELECT column_name, data_type, comment FROM duckdb_columns() WHERE table_name = 'fact_sales' ORDER BY column_index"
    assert query(warehouse, columns) == [
        ("sale_date", "DATE", "The store's business day."),
        ("basket_id", "BIGINT", "Checkout basket."),
        ("sales_value", "DECIMAL(12,2)", "Paid, in dollars; 'net'."),
    ]


def test_a_widened_type_is_taken(lake: LakeFolder, warehouse: DuckDBWarehouse) -> None:
    lake.sales(DAY1, 1, extra=", 7::INTEGER AS pieces")
    warehouse.load(fact(Column("pieces", "int", "Pieces.")), None, lake, run_id="one")
    lake.sales(DAY2, 1, extra=", 8000000000::BIGINT AS pieces")
    warehouse.load(fact(Column("pieces", "bigint", "Pieces.")), None, lake, run_id="two")
    assert query(warehouse, "SELECT pieces FROM fact_sales ORDER BY 1") == [(7,), (8_000_000_000,)]
    assert query(warehouse, "SELECT comment FROM duckdb_columns() WHERE column_name = 'pieces'") == [("Pieces.",)]


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
    by_day = "SELECT sale_date, count(*), sum(sales_value) FROM fact_sales GROUP BY 1 ORDER BY 1"
    assert query(warehouse, by_day) == [(DAY1, 4000, Decimal("8000.00")), (DAY2, 4000, Decimal("4400.00"))]

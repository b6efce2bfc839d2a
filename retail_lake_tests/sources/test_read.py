"""From a landed file to bronze rows, the same way wherever it runs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from retail_lake.contract import Table
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake.jobs.description import LandedFile
from retail_lake.sources.landing import landed
from retail_lake.sources.read import landed_schema, read_landed
from retail_lake_tests.sources.contracts import FIRST_DAY, bronze, columns_of, settings_of

COLUMNS = columns_of(store_id="string", basket_id="string")
LINES = bronze("csv_files", COLUMNS, trailer="#lines=")


def land(home: Path, data: bytes, table: Table = LINES) -> LandedFile:
    path = home / "landing/tills/lines/a.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    assert table.landing
    (file,) = landed(table.landing, [FIRST_DAY], settings_of(home)).files[FIRST_DAY]
    return file


def test_rows_carry_where_and_when_they_came_from(tmp_path: Path) -> None:
    file = land(tmp_path, b"store_id,basket_id\n1,2\n3\n4,5\n#lines=3\n")
    file = file.model_copy(update={"modified": datetime(2017, 1, 2, 3, 4, 5, 678)})
    result = read_landed(file, LINES, settings_of(tmp_path))
    source = {
        "_source_file": "tills/lines/a.csv",
        "_ingested_at": datetime(2017, 1, 2, 3, 4, 5, 678),
        "_arrival_day": date(2017, 1, 1),
    }
    assert result.table.to_pylist() == [
        {"store_id": "1", "basket_id": "2", "_position": 2} | source,
        {"store_id": "4", "basket_id": "5", "_position": 4} | source,
    ]
    assert result.table.column_names == [c.name for c in LINES.columns if c.name != "_day"]
    assert result.table.schema == landed_schema(LINES) and result.problem is None and result.records == 3
    assert [(r.position, r.record) for r in result.rejected] == [(3, "3")]
    assert sum(batch.num_rows for batch in result.batches()) == 2
    assert result.table.cast(landed_schema(LINES, plain=True)).schema.field("_source_file").type == pa.string()


def test_an_unreadable_file_is_a_problem_that_names_it_and_has_no_rows(tmp_path: Path) -> None:
    result = read_landed(land(tmp_path, b""), LINES, settings_of(tmp_path))
    assert result.problem is not None and result.problem.rule == "file_is_not_empty"
    assert result.problem.problem == "tills/lines/a.csv: the file has no bytes. Ask the sender to deliver it again"
    assert result.problem.arrival_day == FIRST_DAY
    assert result.table.num_rows == 0 and result.table.schema == landed_schema(LINES) and result.records == 0


def test_a_file_that_is_not_the_one_listed_is_worth_another_try(tmp_path: Path) -> None:
    file = land(tmp_path, b"store_id,basket_id\n#lines=0\n")
    Path(file.uri).write_bytes(b"store_id,basket_id\n1,2\n#lines=1\n")
    with pytest.raises(TransientFailure, match=r"a\.csv has changed since it was listed"):
        read_landed(file, LINES, settings_of(tmp_path))
    Path(file.uri).unlink()
    with pytest.raises(TransientFailure, match=r"a\.csv was listed and is gone"):
        read_landed(file, LINES, settings_of(tmp_path))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (bronze("xml", COLUMNS), "unknown reader 'xml'; write one of csv_files"),
        (bronze("csv_files", COLUMNS, trialer="#"), "no option trialer; it takes trailer"),
        (bronze("json_lines", columns_of(a="string", b="array<struct<c:bigint>>")), "make these columns strings: b"),
    ],
)
def test_a_contract_that_its_reader_cannot_serve_is_refused(tmp_path: Path, table: Table, says: str) -> None:
    with pytest.raises(ConfigurationFailure, match=says):
        read_landed(land(tmp_path, b"{}\n", table), table, settings_of(tmp_path))


def test_reading_can_be_sent_to_another_process(tmp_path: Path) -> None:
    file = land(tmp_path, b"store_id,basket_id\n1,2\n#lines=1\n")
    call = pickle.loads(pickle.dumps((read_landed, file, LINES, settings_of(tmp_path))))
    assert call[0](*call[1:]).table.equals(read_landed(file, LINES, settings_of(tmp_path)).table)


def test_reading_imports_nothing_heavy() -> None:
    program = (
        "import sys, retail_lake.sources.read; print([m for m in ('pandas', 'dagster', 'duckdb', 'pyspark') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"

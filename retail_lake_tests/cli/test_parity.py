"""`retail-lake parity` on real Spark: the same is told as the same, and a result that was changed by its first differing rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from retail_lake.engines.local import LocalEngine
from retail_lake.jobs.description import JobDescription, JobReport
from retail_lake_tests.cli.conftest import Run

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ASKED = ("parity", "silver.stores", "--day", "2017-01-01", "--rows", "1")


@pytest.mark.full
def test_a_table_is_the_same_until_one_engine_gives_other_rows(
    run: Run, home: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = run(home, *ASKED)
    assert same.exit_code == 0, same.output
    assert same.stdout.splitlines() == ["silver.stores: the same, 2 rows and 1 quarantined on the local engine"]

    sound = LocalEngine.run

    def changed(self: LocalEngine, job: JobDescription) -> JobReport:
        """What the engine staged, with both stores renamed."""
        report = sound(self, job)
        for file in report.staged:
            path = file.uri.removeprefix("file://")
            rows = duckdb.sql(f"SELECT * REPLACE (store_name || '!' AS store_name) FROM '{path}'").to_arrow_table()
            duckdb.sql(f"COPY rows TO '{path}' (FORMAT parquet)")
            del rows
        return report

    monkeypatch.setattr(LocalEngine, "run", changed)
    other = run(home, *ASKED)
    assert other.exit_code == 1, other.output
    first, *lines, last = (line for line in other.stdout.splitlines() if line.strip())
    assert first == "silver.stores: differs, 2 rows and 1 quarantined on the local engine"
    assert last == "1 of 1 tables differ."
    (shown,) = [line.split() for line in lines if "store_id=" in line]
    assert "store_id=292," in shown and shown[-3:] == ["store_name", "'Harrow!'", "'Harrow'"]

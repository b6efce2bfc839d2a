"""`retail-lake sql --on athena|redshift`: the same command, answered on AWS."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from retail_lake.config import Settings
from retail_lake.failure import ConfigurationFailure
from retail_lake.lake.lake import Lake
from retail_lake.sql.reading import one_select
from retail_lake.warehouse.data_api import DataApi, Statement
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.cli.conftest import Run

ROWS = pa.table({"store_id": [1, 2, 3], "sales": [1.5, None, 3.0], "city": ["Ashby", "", None]})


@pytest.fixture
def on_aws(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose lake is in Glue, with one table in gold and one in silver."""
    aws.reset()
    place = f"s3://{aws.s3.bucket}/{tmp_path.name}"
    given = {"LAKE_URI": f"{place}/lake", "ARTIFACTS_URI": place, "CATALOG_URI": "glue", "POLL_SECONDS": "0.2"}
    given |= {"REDSHIFT_WORKGROUP": "retail-lake", "REDSHIFT_SCHEMA": "served"}
    (tmp_path / "settings.env").write_text("".join(f"RETAIL_LAKE_{name}={value}\n" for name, value in given.items()))
    lake = Lake(Settings(_env_file=tmp_path / "settings.env", home=tmp_path))  # type: ignore[call-arg]
    for name in ("gold.stores", "silver.stores"):
        lake.catalog.create_namespace(name.split(".")[0])
        lake.catalog.create_table(name, ROWS.schema, location=lake.data_location(name)).append(ROWS)
    return tmp_path


def test_athena_answers_in_bare_csv_and_says_what_it_took(on_aws: Path, run: Run) -> None:
    result = run(on_aws, "sql", "--on", "athena", "--csv", "SELECT store_id, sales, city FROM stores ORDER BY 1")
    assert (result.exit_code, result.stdout) == (0, "store_id,sales,city\n1,1.5,Ashby\n2,,\n3,3.0,\n")
    assert "10,000,000 bytes scanned, 0.000050 dollars" in result.stderr
    assert "BytesScannedCutoffPerQuery" in result.stderr
    both = "SELECT count(*) AS n FROM stores g JOIN silver.stores s ON g.store_id = s.store_id"
    assert run(on_aws, "sql", "--on", "athena", "--csv", both).stdout == "n\n3\n"
    shown = run(on_aws, "sql", "--on", "athena", "SELECT store_id FROM stores ORDER BY 1 DESC", "--limit", "2")
    assert [line.strip() for line in shown.stdout.splitlines() if line.strip().isdigit()] == ["3", "2"]
    assert "The first 2 rows" in shown.stdout
    costs = run(on_aws, "cost", "--by", "engine", "--csv").stdout.splitlines()
    assert costs[0].startswith("engine") and costs[1].startswith("athena,3")


def test_redshift_answers_by_plain_name(on_aws: Path, run: Run) -> None:
    api = DataApi(Settings(_env_file=on_aws / "settings.env", home=on_aws))  # type: ignore[call-arg]
    made = (
        "DROP SCHEMA IF EXISTS served CASCADE",
        "CREATE SCHEMA served",
        "CREATE TABLE served.stores (store_id BIGINT, sales DECIMAL(10, 2), city VARCHAR(20))",
        "INSERT INTO served.stores VALUES (1, 1.5, 'Ashby'), (2, NULL, '')",
    )
    api.transaction([Statement(sql) for sql in made])
    result = run(on_aws, "sql", "--on", "redshift", "--csv", "SELECT store_id, sales, city FROM stores ORDER BY 1")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "store_id,sales,city\n1,1.50,Ashby\n2,,\n", "")
    assert run(on_aws, "sql", "--on", "redshift", "SELECT nothing FROM stores").exit_code == 2


@pytest.mark.parametrize("on", ["athena", "redshift"])
@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM stores",
        "SELECT 1; SELECT 2",
        "SELECT * INTO copied FROM stores",
        "WITH gone AS (DELETE FROM stores RETURNING *) SELECT * FROM gone",
        "UNLOAD (SELECT 1) TO 's3://elsewhere/'",
        "CREATE TABLE copied AS SELECT 1",
        "SELECT * FROM stores FOR UPDATE",
        "SHOW TABLES",
        "/* SELECT */ DROP TABLE stores",
    ],
)
def test_what_changes_something_is_refused_before_it_is_asked(tmp_path: Path, run: Run, on: str, query: str) -> None:
    result = run(tmp_path, "sql", "--on", on, query)
    assert result.exit_code == 2 and "changes nothing" in result.stderr and result.stdout == ""


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        " (SELECT 1) UNION ALL SELECT 2 ;",
        "/* a comment */ -- another\nWITH a AS (SELECT 1 AS x) SELECT x FROM a",
        "SELECT 'delete from stores' AS text",
        'SELECT "update" FROM stores',
    ],
)
def test_what_only_reads_is_asked_as_it_is(query: str) -> None:
    assert one_select(query, "athena") == one_select(query, "redshift") == query.strip().rstrip("; ")


def test_what_cannot_be_read_is_told_in_a_line() -> None:
    with pytest.raises(ConfigurationFailure, match="athena could not read this") as failure:
        one_select("SELECT FROM WHERE", "athena")
    assert "\n" not in str(failure.value)

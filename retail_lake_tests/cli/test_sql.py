"""`retail-lake sql`: the warehouse by plain name, the lake by layer, and nothing but reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from retail_lake.cli.sql_on_duckdb import names_used
from retail_lake_tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("query", "csv"),
    [
        ("SELECT sale_date, sum(sales_value) AS v FROM fact_sales GROUP BY 1 HAVING v > 0", "sale_date,v\n2017-01-01,3.30\n"),
        ("SELECT store_id, city FROM silver.stores ORDER BY 1", "store_id,city\n292,Harrow\n293,Ashby\n"),
        ('SELECT count(*) AS n FROM "bronze"."crm_stores"', "n\n3\n"),
        ("SELECT rules, position FROM quarantine.silver_stores", "rules,position\nstore_id__not_be_null,3\n"),
        ("SELECT rows FROM ops.publications WHERE \"table\" = 'silver.stores' ORDER BY day", "rows\n2\n0\n"),
        ("SELECT day, rows FROM ops.loads ORDER BY day", "day,rows\n2017-01-01,3\n2017-01-02,2\n"),
        ("SELECT count(*) AS n FROM fact_sales CROSS JOIN silver.stores", "n\n10\n"),
        ("SELECT NULL AS a, 'x,y' AS b", 'a,b\n,"x,y"\n'),
    ],
)  # fmt: skip
def test_answers_are_bare_csv(run: Run, home: Path, query: str, csv: str) -> None:
    result = run(home, "sql", "--csv", query)
    assert (result.exit_code, result.stdout, result.stderr) == (0, csv, "")


def test_limit_says_that_there_is_more(run: Run, home: Path) -> None:
    result = run(home, "sql", "SELECT basket_id FROM fact_sales ORDER BY ALL DESC", "--limit", "2")
    assert "The first 2 rows" in result.stdout
    assert [line.strip() for line in result.stdout.splitlines() if line.strip().isdigit()] == ["2", "1"]
    assert run(home, "sql", "--csv", "--limit", "2", "FROM fact_sales").stdout.count("\n") == 3


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM fact_salez", "Did you mean fact_sales"),
        ("SELECT * FROM stores", "In the lake there is silver.stores"),
        ("SELECT * FROM silver.storez", "silver.stores"),
        ("SELECT nope FROM fact_sales", '"nope" not found'),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("DROP TABLE fact_sales", "changes nothing"),
        ("COPY fact_sales TO 'out.csv'", "changes nothing"),
        ("SET search_path = 'memory'", "changes nothing"),
    ],
)
def test_a_mistake_is_one_message(run: Run, home: Path, query: str, said: str) -> None:
    result = run(home, "sql", query)
    assert result.exit_code == 2 and said in result.stderr and result.stdout == ""
    assert "Traceback" not in result.stderr
    assert run(home, "sql", "--csv", "SELECT count(*) AS n FROM fact_sales").stdout == "n\n5\n"


def test_an_empty_home_says_how_to_begin(run: Run, tmp_path: Path) -> None:
    result = run(tmp_path, "sql", "SELECT * FROM fact_sales")
    assert result.exit_code == 2 and "retail-lake demo" in result.stderr


def test_only_lake_names_are_looked_up() -> None:
    query = 'SELECT s.x FROM silver.sales s JOIN "ops"."publications" p ON s.gold = p.y JOIN notsilver.nothing USING (a)'
    assert names_used(query) == ["ops.publications", "silver.sales"]

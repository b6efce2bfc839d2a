"""What the README shows runs as it stands there."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from retail_lake.contract import Column, Layer, Table, expect
from retail_lake.demo.arrivals import arrivals
from retail_lake.demo.source import parquet
from retail_lake.sql.macros import MACROS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DAY = date(2017, 1, 1)


def block(mark: str) -> str:
    """The fenced block after a mark."""
    found = re.search(rf"<!-- {mark} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no fenced block after <!-- {mark} -->"
    return found[1]


def test_the_message_shown_for_unportable_sql_is_the_real_one() -> None:
    from retail_lake.failure import ConfigurationFailure
    from retail_lake.sql.portable import check_sql

    (shown,) = re.findall(r"^gold\.daily_brand_sales: .*$", README, re.MULTILINE)
    with pytest.raises(ConfigurationFailure) as refused:
        check_sql("SELECT avg(sales_value) AS mean FROM gold.fact_sales", "gold.daily_brand_sales")
    assert str(refused.value) == shown


def test_the_rules_shown_are_taken_by_a_table() -> None:
    names: dict[str, Any] = {"expect": expect}
    exec(block("rules"), names)
    columns = [Column("line_id", "bigint", ""), Column("quantity", "int", ""), Column("price_group", "string", "")]
    table = Table("t", Layer.GOLD, "A table.", "line", columns, rules=names["rules"], sql="SELECT 1 AS line_id")
    assert [(rule.columns, rule.mostly, rule.severity) for rule in table.rules] == [
        (("quantity",), 0.95, "critical"),
        (("price_group",), 1.0, "warning"),
    ]


def test_every_macro_is_named() -> None:
    (named,) = re.findall(r"^Macros carry .*?\(`retail_lake/sql/macros.py`\)", README, re.MULTILINE | re.DOTALL)
    assert [name for name in MACROS if f"`{name}`" not in named] == []


@pytest.mark.full
def test_the_example_table_is_built_checked_and_loaded(tmp_path: Path) -> None:
    for top in ("retail_lake", "workspace.yaml", "dagster.yaml"):
        copy = shutil.copytree if (ROOT / top).is_dir() else shutil.copy
        copy(ROOT / top, tmp_path / top)
    (tmp_path / "retail_lake/tables/gold/daily_brand_sales.py").write_text(block("example"), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "RETAIL_LAKE_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", "from retail_lake.cli import main; main()"]

    def run(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "gold.daily_brand_sales" in run("demo", "--start", str(DAY), "--days", "1")
    rows = list(csv.DictReader(io.StringIO(run("sql", "--csv", "SELECT * FROM daily_brand_sales ORDER BY brand"))))

    brands = dict(zip(*pq.read_table(parquet("products"), columns=["product_id", "brand"]).to_pydict().values(), strict=True))
    expected: dict[str, list[Decimal]] = defaultdict(list)
    for line in arrivals(first=DAY, last=DAY).to_pylist():
        if line["arrival_day"] <= DAY:
            expected[brands.get(line["product_id"], "Unknown")].append(line["sales_value"])
    assert {r["brand"]: (int(r["basket_lines"]), Decimal(r["sales_value"])) for r in rows} == {
        brand: (len(values), sum(values)) for brand, values in expected.items()
    }

"""Contracts against SQL by DuckDB's binder, and column lineage from the same trees."""

from __future__ import annotations

import pytest

from retail_lake.contract import Column, Layer, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.sql.binder import bind, output_types
from retail_lake.sql.lineage import column_lineage
from retail_lake.sql.types import duckdb_type, spark_type


def _table(name: str, columns: dict[str, str], sql: str) -> Table:
    return Table(
        name=name,
        layer=Layer.GOLD,
        description="",
        grain="row",
        columns=tuple(Column(n, t, "") for n, t in columns.items()),
        sql=sql,
    )


SOURCE = _table(
    "source",
    {
        "id": "bigint",
        "text": "string",
        "money": "decimal(18,2)",
        "x": "double",
        "day": "date",
        "at": "timestamp",
        "flag": "boolean",
        "items": "array<struct<a:bigint,b:struct<c:string>>>",
    },
    "SELECT 1 AS id",
)


def _mine(columns: dict[str, str], sql: str) -> tuple[Table, dict[str, Table]]:
    mine = _table("mine", columns, sql)
    return mine, {"gold.source": SOURCE, "gold.mine": mine}


@pytest.mark.parametrize(
    ("type_", "expression"),
    [
        ("int", "count(*)"),
        ("bigint", "sum(id)"),
        ("decimal(18,2)", "sum(money)"),
        ("decimal(10,4)", "max(money * 2)"),
        ("double", "ratio(sum(money), count(*))"),
        ("double", "sum(id)"),
        ("timestamp", "max(day)"),
        ("string", "max(cast(money AS string))"),
        ("string", "cast(NULL AS string)"),
        ("bigint", "max(NULL)"),
        ("date", "max(business_day(at))"),
        ("string", "max(concat_ws('|', text, id, money, at, day, flag) || '-' || text || id)"),
        ("bigint", "max(surrogate_key(text, id, at))"),
        ("string", "cast(sum(money) AS string) || cast(sum(id) AS string) || count(*) || cast(sum(1) AS int)"),
        ("decimal(18,4)", "cast(sum(money) AS decimal(18,4)) + cast(sum(id) AS decimal(10,0))"),
        ("double", "ratio(max(datediff(day, at)), sum(id))"),
        ("bigint", "max(parse_bigint(text))"),
    ],
)
def test_types_that_keep_their_meaning_are_taken(type_: str, expression: str) -> None:
    bind(*_mine({"a": type_}, f"SELECT {expression} AS a FROM gold.source"))


@pytest.mark.parametrize(
    ("type_", "expression", "said"),
    [
        ("bigint", "text", "parse_bigint"),
        ("bigint", "money", "cast"),
        ("decimal(18,2)", "x", "double"),
        ("string", "id", "cast"),
        ("date", "at", "business_day"),
        ("date", "text", "parse_date"),
        ("string", "cast(x AS string)", "doubles"),
        ("decimal(18,2)", "cast(x AS decimal(18,2))", "double"),
        ("decimal(18,2)", "cast(text AS decimal(18,2))", "whole numbers and decimals"),
        ("bigint", "cast(text AS bigint)", "parse_bigint"),
        ("bigint", "cast(flag AS bigint)", "numbers only"),
        ("double", "cast(text AS double)", "numbers only"),
        ("double", "round(x, 2)", "double"),
        ("date", "cast(text AS date)", "parse_date"),
        ("int", "year(text)", "dates and timestamps"),
        ("int", "datediff(text, day)", "dates and timestamps"),
        ("decimal(18,2)", "cast(sum(x) AS decimal(18,2))", "whole numbers and decimals"),
        ("bigint", "cast(max(text) AS bigint)", "numbers only"),
        ("bigint", "surrogate_key(id, x)", "doubles"),
        ("string", "text || x", "doubles"),
        ("string", "concat_ws('|', text, x)", "doubles"),
        ("double", "ratio(text, id)", "numbers only"),
        ("date", "business_day(text)", "dates and timestamps"),
        ("bigint", "parse_bigint(id)", "text only"),
        ("bigint", "no_such_column", "no_such_column"),
        ("bigint", "text + 1", "No function matches"),
    ],
)
def test_types_that_would_change_it_are_refused(type_: str, expression: str, said: str) -> None:
    with pytest.raises(ConfigurationFailure, match=said) as refusal:
        bind(*_mine({"a": type_}, f"SELECT {expression} AS a FROM gold.source"))
    assert str(refusal.value).startswith("gold.mine: ") and "probe_" not in str(refusal.value).partition(" near ")[0]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT id AS a FROM gold.source", "column b is in the contract, and not in the SQL"),
        ("SELECT id AS a, id AS b, id AS c FROM gold.source", "column c is in the SQL, and not in the contract"),
        ("SELECT id AS a, id AS b, id AS b FROM gold.source", r"named twice in the SQL: \['b'\]"),
    ],
)
def test_the_contract_is_the_output(sql: str, said: str) -> None:
    with pytest.raises(ConfigurationFailure, match=said):
        bind(*_mine({"a": "bigint", "b": "bigint"}, sql))


def test_output_types_are_what_duckdb_computes() -> None:
    table, tables = _mine(
        {"a": "bigint"},
        "SELECT sum(money) AS s, item.b.c AS c FROM gold.source LATERAL VIEW explode(items) e AS item GROUP BY item.b.c",
    )
    assert output_types(table, tables) == {"s": "DECIMAL(38,2)", "c": "VARCHAR"}


def test_type_names() -> None:
    nested = "array<struct<int:int,at:timestamp,price:decimal(18,2),text:string>>"
    assert duckdb_type(nested) == 'STRUCT("int" INTEGER, "at" TIMESTAMP, "price" DECIMAL(18, 2), "text" VARCHAR)[]'
    assert spark_type(nested) == "ARRAY<STRUCT<`int`: INT, `at`: TIMESTAMP_NTZ, `price`: DECIMAL(18, 2), `text`: STRING>>"
    with pytest.raises(ConfigurationFailure, match="nonsense"):
        duckdb_type("nonsense<")


def test_lineage_follows_names_to_the_inputs() -> None:
    sql = """
      WITH big AS (SELECT id, money, upper(text) AS shout FROM gold.source WHERE x > 0),
           bigger AS (SELECT big.*, money * 2 AS twice FROM big)
      SELECT b.id AS a, sum(b.twice) OVER (PARTITION BY b.shout) AS b, 1 AS c, d.day AS d, item.b.c AS e, gold.source.at AS f,
             n + 1 AS g, n AS n
      FROM bigger AS b
      JOIN gold.source ON gold.source.id = b.id
      CROSS JOIN run.days AS d
      CROSS JOIN (SELECT id AS n FROM big UNION ALL SELECT flag AS other FROM gold.source) AS u
      LATERAL VIEW posexplode(source.items) e AS p, item
    """
    source = "gold.source"
    assert column_lineage(*_mine({"a": "bigint"}, sql)) == {
        "a": ((source, "id"),),
        "b": ((source, "money"), (source, "text")),
        "c": (),
        "d": (("run.days", "day"),),
        "e": ((source, "items"),),
        "f": ((source, "at"),),
        "g": ((source, "flag"), (source, "id")),
        "n": ((source, "flag"), (source, "id")),
    }


def test_lineage_names_a_column_that_is_nowhere() -> None:
    with pytest.raises(ConfigurationFailure, match=r"gold\.mine: the column nope"):
        column_lineage(*_mine({"a": "bigint"}, "SELECT nope AS a FROM gold.source"))

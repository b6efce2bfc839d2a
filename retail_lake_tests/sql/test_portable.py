"""What is refused, and that the message names the table, the construct and what to write instead."""

from __future__ import annotations

import pytest

from retail_lake.contract import Column, Layer, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.sql.parse import inputs
from retail_lake.sql.portable import check, check_sql

REFUSED = {
    "from_utc_timestamp(at, 'America/New_York')": "business_day",
    "avg(money)": "ratio",
    "a / b": "ratio",
    "dayofweek(day)": "iso_day_of_week",
    "weekofyear(day)": "iso_week",
    "extract(year FROM day)": "year",
    "try_cast(text AS int)": "parse_bigint",
    "to_timestamp(text)": "parse_timestamp",
    "try_to_timestamp(text)": "parse_timestamp",
    "cast('7' AS int)": "the value itself",
    "cast(a AS decimal)": "decimal(precision, scale)",
    "pmod(a, 2)": "%",
    "a % b": "ratio",
    "sequence(date '2017-01-01', date '2017-02-01')": "date_add",
    "percentile(a, 0.5)": "row_number",
    "median(a)": "row_number",
    "collect_set(a)": "rows",
    "text RLIKE '(?=x)'": "look-around",
    "text RLIKE '\\\\d+'": "back-slash",
    "concat(a, b)": "||",
    "rand()": "surrogate_key",
    "current_date": "run.days",
    "now()": "run.days",
    "first(a)": "row_number",
    "any_value(a)": "row_number",
    "max_by(a, b)": "row_number",
    "row_number() OVER (PARTITION BY a)": "ORDER BY",
    "sum(a) FILTER (WHERE b) OVER (ORDER BY c)": "CASE",
    "substr(a, 0, 2)": "counted from 1",
    "day + INTERVAL 1 DAY": "date_add",
    "a IN (SELECT b FROM silver.t)": "LEFT SEMI JOIN",
    "(SELECT max(b) FROM silver.t)": "CROSS JOIN",
    "no_such_function(a)": "no_such_function",
    "power(a, 2)": "x * x",
    "sqrt(a)": "where the table is read",
    "log(a)": "where the table is read",
    "stddev(a)": "sum(x * x)",
    "reverse(text)": "LIKE '%end'",
    "months_between(a, b)": "datediff",
    "instr(text, 'a')": "LIKE '%part%'",
    "isnull(a)": "IS NULL",
    "SELECT * FROM silver.t": "name the columns",
    "SELECT t.* FROM silver.t AS t": "name the columns",
    "SELECT a FROM silver.t LIMIT 1": "row_number",
    "SELECT a FROM silver.t ORDER BY a": "no order",
    "SELECT a FROM silver.t QUALIFY row_number() OVER (ORDER BY a) = 1": "outer SELECT",
    "SELECT a FROM silver.t LATERAL VIEW OUTER explode(b) e AS c": "UNION ALL",
    "SELECT a FROM silver.t JOIN silver.u USING (a)": "ON",
    "SELECT a FROM silver.t GROUP BY ROLLUP (a)": "rollup",
    "SELECT a FROM silver.t TABLESAMPLE (10 PERCENT)": "repeated",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_refused_with_what_to_write_instead(sql: str) -> None:
    with pytest.raises(ConfigurationFailure) as refusal:
        check_sql(sql, "silver.mine")
    assert str(refusal.value).startswith("silver.mine: `")
    assert REFUSED[sql] in str(refusal.value).partition("is not portable: ")[2]


@pytest.mark.parametrize("sql", ["log( a )", "LOG10(a)", "instr(text, ')')", "SELECT sum(Log2(a)) AS b FROM silver.t"])
def test_a_function_is_shown_as_it_was_written(sql: str) -> None:
    with pytest.raises(ConfigurationFailure) as refusal:
        check_sql(sql, "silver.mine")
    call = sql.removeprefix("SELECT sum(").removesuffix(") AS b FROM silver.t")
    assert str(refusal.value).startswith(f"silver.mine: `{call}` is not portable: ")


@pytest.mark.parametrize("sql", ["no_such_function(a)", "Soundex(text)", "a & 1"])
def test_for_what_is_not_listed_it_says_what_there_is(sql: str) -> None:
    with pytest.raises(ConfigurationFailure) as refusal:
        check_sql(sql, "silver.mine")
    told = str(refusal.value).partition("is not portable: ")[2]
    word = "bitwise_and" if "&" in sql else sql.partition("(")[0].lower()
    assert told.startswith(f"{word} is not on the list")
    for other in ("CASE", "business_day", "where the table is read", "`spark`", "test_two_engines.py"):
        assert other in told


def _table(name: str, sql: str) -> Table:
    return Table(name=name, layer=Layer.GOLD, description="", grain="row", columns=(Column("a", "bigint", ""),), sql=sql)


def test_inputs_are_named_by_layer() -> None:
    sql = "WITH x AS (SELECT a FROM silver.t) SELECT x.a FROM x JOIN gold.u ON x.a = u.a CROSS JOIN run.days"
    assert inputs(_table("mine", sql)) == ("gold.u", "run.days", "silver.t")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT a FROM nowhere", "layer.table"),
        ("SELECT a FROM other.t", "layer.table"),
        ("SELECT a FROM silver.missing", "no table of this project"),
        ("SELECT a FROM gold.mine", "reads itself"),
        ("SELECT a FROM", "cannot read the SQL"),
        ("DELETE FROM silver.t", "is expected"),
        ("SELECT 1 AS a; SELECT 2 AS a", "one SELECT"),
    ],
)
def test_a_wrong_input_is_refused(sql: str, said: str) -> None:
    mine = _table("mine", sql)
    with pytest.raises(ConfigurationFailure, match=said) as refusal:
        check(mine, {"gold.mine": mine})
    assert str(refusal.value).startswith("gold.mine: ")

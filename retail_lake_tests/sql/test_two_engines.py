# ruff: noqa: E501
"""Every construct of the allow-list, on nasty rows, means the same on DuckDB and on Spark."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from retail_lake.sql.macros import MACROS, macro_of
from retail_lake.sql.parse import parse
from retail_lake.sql.portable import ALLOWED, check_sql
from retail_lake_tests.sql.two_engines import nasty, on_duckdb, on_spark, same

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Evaluated for every nasty row, all in one query per engine.
EXPRESSIONS: Final = """
    n + m                                   | n - 1                        | m % 1000 * 2             | -n
    money + rate                            | money * rate                 | money - rate * 2         | abs(n)
    abs(money)                              | sign(n)                      | n % 7                    | n div 7
    round(rate, 2)                          | round(money, 1)              | ceil(rate)               | floor(rate)
    n * 3 div 2                             | n % 1000 % 7                 | n = m                    | n != m
    n < 0                                   | n <= 0                       | n > 0                    | n >= 0
    text < 'b'                              | text = 'apple'               | text <=> NULL            | n <=> m
    flag AND n > 0                          | flag OR n > 0                | NOT flag                 | flag IS TRUE
    text IS NULL                            | text IS NOT NULL             | n IN (1, 7, NULL)        | n NOT IN (1, 7)
    n BETWEEN -7 AND 7                      | (n + 1) * 2                  | true                     | false
    text LIKE 'app%'                        | text LIKE '%ö%'              | text LIKE '_pple'        | text LIKE '100%'
    text RLIKE '^[a-z]+$'                   | text RLIKE 'pl{1}e'          | digits RLIKE '^[0-9]+$'  | text RLIKE '(app|pad)'
    CASE WHEN n > 0 THEN 'p' WHEN n < 0 THEN 'n' END | CASE n WHEN 1 THEN 2 ELSE 3 END | if(flag, n, m) | coalesce(text, digits, '-')
    nullif(text, '')                        | nullif(n, 0)                 | nvl(n, 5)                | greatest(n, m, 3)
    least(n, m, 3)                          | greatest(text, digits)       | least(day, date '2017-01-01') | greatest(money, 0.05)
    upper(text)                             | lower(text)                  | trim(text)               | ltrim(text)
    rtrim(text)                             | length(text)                 | substr(text, 2, 3)       | substring(text, 1)
    left(text, 2)                           | lpad(text, 4, '0')           | rpad(text, 12, 'ab')     | replace(text, 'p', '')
    text || '-' || digits                   | concat_ws('|', text, digits, n) | concat_ws('', text, day) | startswith(text, 'ap')
    md5(text)                               | size(words)                  | size(items)              | text || 'a\\'b\\n'
    year(day)                               | quarter(day)                 | month(day)               | day(day)
    dayofmonth(at)                          | dayofyear(day)               | hour(at)                 | minute(at)
    date_add(day, 1)                        | date_add(day, m % 100)       | date_sub(day, 31)        | date_sub(at, n % 5)
    datediff(day, date '2017-01-01')        | datediff(at, day)            | add_months(day, 0 - 1)   | add_months(date '2017-01-31', 1)
    last_day(day)                           | date_trunc('MONTH', day)     | date_trunc('week', day)  | date_trunc('quarter', at)
    date_trunc('year', at)                  | date_trunc('hour', at)       | date_trunc('day', at)    | date_trunc('minute', at)
    cast(date_trunc('MONTH', day) AS date)  | cast(at AS date)             | cast(day AS timestamp)   | at < timestamp '2017-03-12 07:00:00'
    day >= date '2017-03-12'                | day = '2017-03-12'           | day < at                 | timestamp '1900-01-01 00:00:00.5'
    cast(n AS string)                       | cast(money AS string)        | cast(rate AS string)     | cast(day AS string)
    cast(at AS string)                      | cast(flag AS string)         | cast(m AS bigint)        | cast(rate AS bigint)
    cast(rate AS int)                       | cast(m AS double)            | cast(rate AS double)     | cast(money AS decimal(20,4))
    cast(rate AS decimal(18,2))             | cast(m AS decimal(18,2))     | cast(n % 100 AS int)     | cast(NULL AS bigint)
    cast(NULL AS decimal(10,2))             | CAST(-1.7 AS int)            | 1.50                     | 1e3
    parse_bigint(digits)                    | parse_int(digits)            | parse_decimal(digits, 10, 2) | parse_decimal(digits, 3, 0)
    parse_date(stamp)                       | parse_timestamp(stamp)       | business_day(at)         | business_day(parse_timestamp(stamp))
    surrogate_key(text, n)                  | surrogate_key(n, at)         | surrogate_key(money, day, flag) | ratio(n, m)
    ratio(money, rate)                      | 1 - ratio(n, 3) * 2          | 10 - datediff(day, week_start(day)) | week_start(day)
    week_start(at)                          | iso_day_of_week(day)         | iso_week(day)            | iso_year(day)
    promotion_week_start(m)                 | promotion_week_start(n)      | date_sub(week_start(day), 7) | iso_week(week_start(day)) + 1
    items IS NULL                           | flag <=> (n > 0)             | (n > 0) = flag           | concat_ws('|', money, at, flag)
"""
CELLS: Final = [cell.strip() for row in EXPRESSIONS.strip().splitlines() for cell in re.split(r"\s\|\s", row)]

QUERIES: Final = [
    "SELECT a.id, b.id AS other FROM silver.nasty AS a JOIN silver.nasty AS b ON a.text = b.text",
    "SELECT a.id, b.id AS other FROM silver.nasty AS a LEFT JOIN silver.nasty AS b ON a.n = b.m AND b.flag",
    "SELECT a.id, b.id AS other FROM silver.nasty AS a RIGHT JOIN silver.nasty AS b ON a.n <=> b.m",
    "SELECT a.id, b.id AS other FROM silver.nasty AS a FULL JOIN silver.nasty AS b ON a.n = b.m",
    "SELECT a.id FROM silver.nasty AS a LEFT SEMI JOIN silver.nasty AS b ON a.n = b.m",
    "SELECT a.id FROM silver.nasty AS a LEFT ANTI JOIN silver.nasty AS b ON a.n = b.m",
    "SELECT a.id, d.day FROM silver.nasty AS a CROSS JOIN run.days AS d",
    "SELECT nasty.id, silver.nasty.text AS t FROM silver.nasty WHERE silver.nasty.n > 0",
    """SELECT text, count(*) AS c, count(n) AS cn, count(DISTINCT n) AS cd, count(DISTINCT n, m) AS cdm, sum(n) AS s, sum(money) AS sm,
       sum(x) AS sx, min(text) AS mint, max(day) AS maxd, min(at) AS mina, count_if(flag) AS ci, bool_and(flag) AS ba, bool_or(flag) AS bo,
       count(*) FILTER (WHERE n > 0) AS f, sum(money) FILTER (WHERE flag) AS sf, ratio(sum(money), count(money)) AS mean,
       cast(sum(n) AS bigint) AS sb, sum(rate * money) AS srm, max(flag) AS mf
       FROM silver.nasty GROUP BY text HAVING count(*) > 0""",
    "SELECT count(*) AS c, sum(n) AS s, min(x) AS m, max(text) AS t, bool_or(flag) AS b FROM silver.nasty WHERE n > 99 AND n < 0",
    "SELECT year(day) AS y, flag, count(*) AS c FROM silver.nasty GROUP BY year(day), flag",
    """SELECT id, lag(n) OVER w AS a, lag(n, 2, 0) OVER w AS b, lead(text) OVER w AS c, row_number() OVER w AS d, rank() OVER w AS e,
       dense_rank() OVER w AS f, ntile(3) OVER w AS g, percent_rank() OVER w AS h FROM silver.nasty WINDOW w AS (ORDER BY flag, n DESC, id)""",
    "SELECT id, rank() OVER (ORDER BY text) AS a, rank() OVER (ORDER BY text DESC) AS b, dense_rank() OVER (ORDER BY x DESC NULLS FIRST) AS c, "
    "rank() OVER (ORDER BY day NULLS LAST) AS d FROM silver.nasty",
    """SELECT id, sum(money) OVER (PARTITION BY flag ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS a,
       sum(n) OVER (PARTITION BY flag ORDER BY id) AS b, max(id) OVER (PARTITION BY flag) AS c, count(*) OVER (ORDER BY id) AS d,
       min(m) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS e,
       count(*) OVER (ORDER BY day RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW) AS f,
       sum(m) OVER (ORDER BY day RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND INTERVAL 1 DAY FOLLOWING) AS g,
       count(*) OVER (PARTITION BY flag ORDER BY at DESC NULLS LAST RANGE BETWEEN INTERVAL 2 DAYS PRECEDING AND CURRENT ROW) AS i,
       max(id) OVER (ORDER BY at RANGE BETWEEN UNBOUNDED PRECEDING AND INTERVAL 1 DAY PRECEDING) AS j, count(n) OVER w AS k,
       sum(CASE WHEN flag THEN 1 ELSE 0 END) OVER (ORDER BY id DESC) AS h
       FROM silver.nasty WINDOW w AS (ORDER BY day RANGE BETWEEN INTERVAL 30 DAYS PRECEDING AND CURRENT ROW)""",
    """WITH some AS (SELECT id, text, n FROM silver.nasty WHERE n > 0), more AS (SELECT id, text FROM some WHERE text LIKE '%a%')
       SELECT some.*, more.text AS again FROM some LEFT JOIN more ON some.id = more.id""",
    "SELECT id, text FROM silver.nasty UNION ALL SELECT n, digits FROM silver.nasty",
    "SELECT text FROM silver.nasty UNION SELECT digits FROM silver.nasty",
    "SELECT DISTINCT flag, text FROM silver.nasty",
    "SELECT sub.c, sub.id FROM (SELECT id, n + 1 AS c FROM silver.nasty) AS sub WHERE sub.c > 0",
    "SELECT id, w FROM silver.nasty LATERAL VIEW explode(words) e AS w",
    "SELECT id, e.item.a AS a, item.b.c AS c, e.item.b.c AS c2 FROM silver.nasty LATERAL VIEW explode(items) e AS item",
    "SELECT s.id, e.p, item.a FROM silver.nasty AS s LATERAL VIEW posexplode(s.items) e AS p, item WHERE item.a > 0",
    "SELECT s.id, e.p, f.q, w, item.a FROM silver.nasty AS s JOIN run.days AS d ON s.day = d.day "
    "LATERAL VIEW posexplode(s.items) e AS p, item LATERAL VIEW posexplode(s.words) f AS q, w",
    "SELECT explode(sequence(1, 5)) AS i",
    "SELECT s.id, i FROM silver.nasty AS s LATERAL VIEW explode(sequence(1, s.m)) e AS i WHERE s.m BETWEEN -30 AND 30",
    "SELECT date_add(d.day, w.i) AS day FROM run.days AS d CROSS JOIN (SELECT explode(sequence(0, 3)) AS i) AS w",
    "SELECT v.a, v.b, s.id FROM VALUES (1, 'one'), (7, NULL) AS v(a, b) LEFT JOIN silver.nasty AS s ON s.n = v.a",
]


def _relations() -> dict[str, Any]:
    import pyarrow as pa

    rows = nasty()
    days = pa.table({"day": rows["day"].drop_null().unique()})
    return {"silver__nasty": rows, "run__days": days}


@pytest.fixture(scope="module")
def answers(spark: SparkSession) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    columns = ", ".join(f"{cell} AS c{i}" for i, cell in enumerate(CELLS))
    sql = f"SELECT id, {columns} FROM silver.nasty"
    relations = _relations()
    return sorted(on_duckdb(sql, relations)), sorted(on_spark(spark, sql, relations))


@pytest.mark.parametrize("cell", CELLS)
def test_expression_means_the_same(cell: str, answers: tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]) -> None:
    check_sql(cell, "test")
    place = CELLS.index(cell) + 1
    duckdb_values, spark_values = ([row[place] for row in rows] for rows in answers)
    assert len(duckdb_values) == len(spark_values) == nasty().num_rows
    wrong = [(i, a, b) for i, (a, b) in enumerate(zip(duckdb_values, spark_values, strict=True), 1) if not same(a, b)]
    assert not wrong, f"{cell}: (id, DuckDB, Spark) = {wrong}"


@pytest.mark.parametrize("sql", QUERIES)
def test_query_means_the_same(sql: str, spark: SparkSession) -> None:
    check_sql(sql, "test")
    relations = _relations()
    duckdb_rows, spark_rows = (sorted(rows, key=repr_of) for rows in (on_duckdb(sql, relations), on_spark(spark, sql, relations)))
    assert duckdb_rows and same(duckdb_rows, spark_rows), f"DuckDB {duckdb_rows}\nSpark  {spark_rows}"


def repr_of(row: tuple[Any, ...]) -> str:
    return repr([f"{value:.6g}" if isinstance(value, float) else str(value) for value in row])


def test_every_allowed_construct_and_macro_is_in_a_query() -> None:
    nodes = [node for sql in [*CELLS, *QUERIES] for node in parse(sql).walk()]
    missing = {kind.__name__ for kind in ALLOWED} - {type(node).__name__ for node in nodes}
    assert not missing
    called = {node.name.lower() for node in nodes if macro_of(node)}
    assert called == set(MACROS)

"""The audit's SQL measures on Spark what it measures on DuckDB, and its predicates choose the same rows."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retail_lake.contract import expect
from retail_lake.quality.metrics import audit_sql
from retail_lake.quality.predicates import violation
from retail_lake.quality.supported import GROUPED, ROWS, check
from retail_lake.sql.render import render
from retail_lake_tests.quality.measured import DAYS, SCHEMA, TABLE, VALUES, audited, violating

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_RULES = (
    expect.column_values_to_not_be_null("x"),
    expect.column_values_to_be_null("items", mostly=0.5),
    expect.column_values_to_be_between("cents", min_value=0.1, max_value=19.99, strict_max=True),
    expect.column_values_to_be_between("x", min_value=0.5),
    expect.column_values_to_be_between("ts", max_value="2017-06-30T12:00:00.000001", strict_max=True),
    expect.column_values_to_be_between("d", min_value="2017-06-29T12:00:00"),
    expect.column_values_to_be_in_set("s", value_set=["é", "it's \\d", "a1"]),
    expect.column_values_to_not_be_in_set("b", value_set=[False]),
    expect.column_values_to_match_regex("s", regex=r"^[a-z]\d$"),
    expect.column_values_to_not_match_regex("s", regex=r"[.'\\]|\$"),
    expect.column_values_to_match_regex_list("s", regex_list=["^$", r"\w\d"], row_condition="i > 0"),
    expect.column_values_to_not_match_regex_list("s", regex_list=[r"\Aé", "b"]),
    expect.column_value_lengths_to_be_between("s", max_value=2),
    expect.column_value_lengths_to_equal("s", value=1),
    expect.column_pair_values_a_to_be_greater_than_b("i", "money", or_equal=True),
    expect.column_pair_values_to_be_equal("d", "ts", ignore_row_if="neither"),
    expect.column_pair_values_to_be_in_set("i", "s", value_pairs_set=[(1, "a1"), (None, ""), (2, None)]),
    expect.multicolumn_values_to_be_equal("i", "j", "x", ignore_row_if="never"),
    expect.select_column_values_to_be_unique_within_record("s", "r"),
    expect.column_values_to_be_unique("x"),
    expect.compound_columns_to_be_unique("s", "i", ignore_row_if="any_value_is_missing"),
    expect.table_row_count_to_be_between(min_value=1),
    expect.table_row_count_to_equal(value=5, row_condition="b"),
    expect.column_min_to_be_between("d", min_value="2017-01-01"),
    expect.column_max_to_be_between("ts", min_value="2017-01-01"),
    expect.column_sum_to_be_between("money", min_value=0),
    expect.column_mean_to_be_between("money", min_value=0),
    expect.column_unique_value_count_to_be_between("x", min_value=1),
    expect.column_proportion_of_unique_values_to_be_between("s", min_value=0.5),
    expect.column_proportion_of_non_null_values_to_be_between("x", min_value=0.5),
    expect.column_distinct_values_to_be_in_set("cents", value_set=[0.1, 19.99]),
    expect.column_distinct_values_to_contain_set("d", value_set=["2017-01-01", "2017-02-02"]),
    expect.column_distinct_values_to_equal_set("b", value_set=[True]),
)
_CHANCE = random.Random(1)
_LISTED: list[dict[str, Any]] = [
    {"day": DAYS[k % 2], **{column: _CHANCE.choice(values) for column, values in VALUES.items()}} for k in range(60)
]


@pytest.fixture(scope="module")
def things(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("things")
    table = pa.Table.from_pylist(_LISTED, schema=SCHEMA)
    pq.write_table(table.append_column("place", pa.array(range(len(_LISTED)), pa.int64())), folder / "things.parquet")
    spark.read.parquet(str(folder)).createOrReplaceTempView("things")


def test_every_grouped_expectation_is_measured_alike(spark: SparkSession, things: None) -> None:
    assert {r.type for r in _RULES} == GROUPED
    for rule in _RULES:
        check(TABLE, rule)
    queries = audit_sql(TABLE, "things", "day", _RULES)
    measured = [row.asDict() for sql in queries for row in spark.sql(render(sql, "spark", zone="UTC")).collect()]
    # Two SELECTs more for the two uniqueness rules, one row per day each.
    assert len(measured) == 6

    def told(rows: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
        return sorted(sorted((k, v) for k, v in row.items()) for row in rows)

    for ours, theirs in itertools.zip_longest(told(audited(_LISTED, _RULES)), told(measured)):
        assert ours == theirs


def test_every_predicate_chooses_the_same_rows(spark: SparkSession, things: None) -> None:
    row_rules = [r for r in _RULES if r.type in ROWS]
    listed = ", ".join(f"{violation(r, TABLE)} AS `{r.name}`" for r in row_rules)
    answers = spark.sql(render(f"SELECT place, {listed} FROM things", "spark", zone="UTC")).collect()
    for rule in row_rules:
        places = violating(_LISTED, rule)
        assert sorted(row["place"] for row in answers if row[rule.name]) == places
        assert places, f"{rule.name} is broken by no row: the test says nothing"
        assert all(row[rule.name] is not None for row in answers)

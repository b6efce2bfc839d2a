"""A rule that Great Expectations would not understand is refused when the project loads, by name and with advice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from retail_lake.contract import Rule, expect
from retail_lake.failure import ConfigurationFailure
from retail_lake.quality.supported import check, is_grouped
from retail_lake.tables import TABLES
from retail_lake_tests.quality.measured import TABLE


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (expect.column_values_to_be_nice("i"), "no such expectation"),
        (expect.column_values_to_be_between("i", minimum=0), "no such arguments: minimum; it takes column, max_value"),
        (expect.column_values_to_be_in_set("i"), "arguments missing: value_set"),
        (expect.column_values_to_be_between("i"), "give min_value, max_value or both"),
        (expect.column_values_to_be_between("i", min_value=3, max_value=2), "min_value is greater"),
        (expect.column_values_to_be_between("d", min_value="2017-02-01", max_value="2017-01-31"), "min_value is greater"),
        (expect.column_values_to_be_between("i", min_value="3"), "'3' cannot be compared with column i (bigint)"),
        (expect.column_values_to_be_between("i", min_value=float("nan")), "not a finite number"),
        (expect.column_values_to_be_between("ts", min_value="2017-01-01T00:00:00+01:00"), "without a zone"),
        (expect.column_values_to_be_between("d", min_value="soon"), "soon"),
        (expect.column_values_to_be_between("s", min_value="a"), "only numbers, dates and timestamps"),
        (expect.column_values_to_be_in_set("s", value_set=["a", 1]), "1 cannot be compared with column s (string)"),
        (expect.column_values_to_be_in_set("s", value_set=[]), "value_set is a list with at least one member"),
        (expect.column_values_to_match_regex("s", regex="(?=a)"), "the engines do not agree on '(?'"),
        (expect.column_values_to_match_regex("s", regex=r"(a)\1"), r"the engines do not agree on '\\1'"),
        (expect.column_values_to_match_regex("s", regex="a++"), "the engines do not agree on '++'"),
        (expect.column_values_to_match_regex("s", regex="("), "unterminated subpattern"),
        (expect.column_values_to_match_regex("i", regex="1"), "only text has it"),
        (expect.column_values_to_match_like_pattern("s", like_pattern="a%"), "write it as a regular expression"),
        (expect.column_pair_values_to_be_equal("s", "i"), "columns of different kinds: number, text"),
        (expect.column_pair_values_to_be_equal("i", "j", ignore_row_if="never"), "ignore_row_if is one of both_values"),
        (expect.compound_columns_to_be_unique("i"), "takes two columns or more"),
        (expect.column_sum_to_be_between("s", min_value=0), "only a number has it"),
        (expect.column_sum_to_be_between("i", min_value=0, mostly=0.9), "`mostly` means nothing here"),
        (expect.column_values_to_not_be_null("i", mostly=1.5), "`mostly` is a share"),
        (expect.column_values_to_not_be_null("i", row_condition="j >"), "row_condition of rule i__not_be_null"),
        (expect.column_values_to_not_be_null("i", row_condition="dayofweek(d) = 1"), "is not portable"),
        (expect.column_values_to_not_be_null("i", row_condition="k > 0"), "columns the contract does not have: k"),
        (expect.column_values_to_not_be_null("i", row_condition="_day > d"), "only silver's rows, judged one by one"),
        (expect.column_values_to_be_unique("items"), "arrays and structs can only be missing or not"),
    ],
    ids=lambda given: given.type if isinstance(given, Rule) else "",
)
def test_refused_by_name(rule: Rule, says: str) -> None:
    with pytest.raises(ConfigurationFailure) as refused:
        check(TABLE, rule)
    assert says in str(refused.value)
    assert "gold.things" in str(refused.value)


@pytest.mark.parametrize(
    "rule",
    [
        expect.compound_columns_to_be_unique("_day", "redemption_date"),
        expect.column_max_to_be_between("_day", min_value="2017-01-01"),
        expect.column_values_to_be_increasing("_day"),
        expect.column_values_to_be_unique("event_id", row_condition="_day = redemption_date"),
    ],
    ids=lambda rule: rule.type,
)
def test_what_is_judged_by_the_day_cannot_name_the_day_of_arrival_that_staged_rows_have_lost(rule: Rule) -> None:
    silver = TABLES["silver.redemptions"]
    with pytest.raises(ConfigurationFailure, match=r"silver\.redemptions.* name `redemption_date`"):
        check(silver, rule)
    check(silver, expect.column_pair_values_to_be_equal("redemption_date", "_day"))


@pytest.mark.parametrize(
    "regex",
    [r"^[*+]{2}\$[$]$", r"(?:a|b)\s\.", "[]^]+", "x{1,2}"],
)
def test_portable_patterns_are_taken(regex: str) -> None:
    check(TABLE, expect.column_values_to_match_regex("s", regex=regex))


def test_an_expectation_outside_the_grouped_audit_is_taken_and_told_apart() -> None:
    rule = expect.column_values_to_be_increasing("i")
    check(TABLE, rule)
    assert not is_grouped(rule)


def test_checking_imports_neither_great_expectations_nor_pandas() -> None:
    program = (
        "import sys; from retail_lake.quality import supported, metrics, verdicts, gx; "
        "print(sorted({'great_expectations', 'pandas', 'pyspark', 'duckdb'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"

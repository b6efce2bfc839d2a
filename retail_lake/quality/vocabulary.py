"""The words rules may be written in: every expectation of Great Expectations 1.24, with its arguments.

Belongs here: names only, so that a project loads without importing the library; a test holds the list against the real
classes. Does not: what an expectation means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Word:
    """One expectation: its required and optional arguments, and whether `mostly` means anything to it."""

    required: frozenset[str]
    optional: frozenset[str]
    tolerant: bool


# One expectation per line without the leading `expect_`: `*` if it takes `mostly`, required arguments, [optional ones].
_LINES: Final = """
    column_distinct_values_to_be_in_set - column value_set
    column_distinct_values_to_contain_set - column value_set
    column_distinct_values_to_equal_set - column value_set
    column_kl_divergence_to_be_less_than - column [bucketize_data \
internal_weight_holdout max_value min_value partition_object tail_weight_holdout threshold]
    column_max_to_be_between - column [BETWEEN]
    column_mean_to_be_between - column [BETWEEN]
    column_median_to_be_between - column [BETWEEN]
    column_min_to_be_between - column [BETWEEN]
    column_most_common_value_to_be_in_set - column value_set [ties_okay]
    column_pair_values_a_to_be_greater_than_b * column_A column_B [ignore_row_if or_equal]
    column_pair_values_to_be_equal * column_A column_B [ignore_row_if]
    column_pair_values_to_be_in_set * column_A column_B value_pairs_set [ignore_row_if]
    column_proportion_of_non_null_values_to_be_between - column [BETWEEN]
    column_proportion_of_unique_values_to_be_between - column [BETWEEN]
    column_quantile_values_to_be_between - column quantile_ranges [allow_relative_error]
    column_stdev_to_be_between - column [BETWEEN]
    column_sum_to_be_between - column [BETWEEN]
    column_to_exist - column [column_index]
    column_type_to_be - column type_
    column_unique_value_count_to_be_between - column [BETWEEN]
    column_value_lengths_to_be_between * column [BETWEEN]
    column_value_lengths_to_equal * column value
    column_value_z_scores_to_be_less_than * column double_sided threshold
    column_values_to_be_between * column [BETWEEN]
    column_values_to_be_dateutil_parseable * column
    column_values_to_be_decreasing * column [strictly]
    column_values_to_be_in_set * column value_set
    column_values_to_be_in_type_list * column [type_list]
    column_values_to_be_increasing * column [strictly]
    column_values_to_be_json_parseable * column
    column_values_to_be_null * column
    column_values_to_be_of_type * column type_
    column_values_to_be_unique * column
    column_values_to_match_json_schema * column json_schema
    column_values_to_match_like_pattern * column like_pattern [escape]
    column_values_to_match_like_pattern_list * column like_pattern_list [escape match_on]
    column_values_to_match_regex * column [regex]
    column_values_to_match_regex_list * column regex_list [match_on]
    column_values_to_match_strftime_format * column strftime_format
    column_values_to_not_be_in_set * column value_set
    column_values_to_not_be_null * column
    column_values_to_not_be_outliers * column [method multiplier]
    column_values_to_not_match_like_pattern * column like_pattern [escape]
    column_values_to_not_match_like_pattern_list * column like_pattern_list [escape]
    column_values_to_not_match_regex * column regex
    column_values_to_not_match_regex_list * column regex_list
    compound_columns_to_be_unique * column_list [ignore_row_if]
    multicolumn_sum_to_equal * column_list sum_total [ignore_row_if]
    multicolumn_values_to_be_equal * column_list [ignore_row_if]
    multicolumn_values_to_be_unique * column column_list [ignore_row_if]
    query_results_to_match_comparison * base_query comparison_data_source_name comparison_query
    select_column_values_to_be_unique_within_record * column_list [ignore_row_if]
    table_column_count_to_be_between - [max_value min_value]
    table_column_count_to_equal - value
    table_columns_to_match_ordered_list - [column_list]
    table_columns_to_match_set - [column_set exact_match]
    table_row_count_to_be_between - [BETWEEN]
    table_row_count_to_equal - value
    table_row_count_to_equal_other_table - other_table_name
"""
_BETWEEN: Final = ("min_value", "max_value", "strict_min", "strict_max")


def _word(line: str) -> tuple[str, Word]:
    head, _, tail = line.strip().rstrip("]").partition("[")
    name, tolerant, *required = head.split()
    optional = [n for word in tail.split() for n in (_BETWEEN if word == "BETWEEN" else (word,))]
    return f"expect_{name}", Word(frozenset(required), frozenset(optional), tolerant == "*")


VOCABULARY: Final[dict[str, Word]] = dict(_word(line) for line in _LINES.strip().splitlines())

# Expectations that the library cannot judge on a day's rows in memory, and what to write instead.
ELSEWHERE: Final[dict[str, str]] = {
    **{
        f"expect_column_values_to_{name}": "write it as a regular expression (expect.column_values_to_match_regex)"
        for name in ("match_like_pattern", "match_like_pattern_list", "not_match_like_pattern", "not_match_like_pattern_list")
    },
    "expect_multicolumn_values_to_be_unique": "write expect.compound_columns_to_be_unique",
    "expect_query_results_to_match_comparison": "compare the tables in a table of its own",
    "expect_table_row_count_to_equal_other_table": "compare the tables in a table of its own",
}

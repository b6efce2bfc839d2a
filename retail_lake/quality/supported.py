"""Which rules the grouped audit judges, and whether a rule is one at all: checked when the project loads.

Belongs here: `check` and the kinds of expectation. Does not: their SQL (`predicates.py`, `metrics.py`). Nothing heavy is
imported.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NoReturn

from sqlglot import exp

from retail_lake.contract import Layer, Rule, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.quality import columns
from retail_lake.quality.vocabulary import ELSEWHERE, VOCABULARY
from retail_lake.sql.parse import parse
from retail_lake.sql.portable import check_sql

# Row by row: judged on all mapped rows, and what quarantine splits by.
COLUMN_ROWS: Final = frozenset(
    {
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_null",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_not_be_in_set",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_not_match_regex",
        "expect_column_values_to_match_regex_list",
        "expect_column_values_to_not_match_regex_list",
        "expect_column_value_lengths_to_be_between",
        "expect_column_value_lengths_to_equal",
    }
)
PAIR_ROWS: Final = frozenset(
    {
        "expect_column_pair_values_a_to_be_greater_than_b",
        "expect_column_pair_values_to_be_equal",
        "expect_column_pair_values_to_be_in_set",
    }
)
MULTICOLUMN_ROWS: Final = frozenset(
    {"expect_multicolumn_values_to_be_equal", "expect_select_column_values_to_be_unique_within_record"}
)
ROWS: Final = COLUMN_ROWS | PAIR_ROWS | MULTICOLUMN_ROWS

# A row's verdict depends on the others: judged on what would be published.
UNIQUE: Final = frozenset({"expect_column_values_to_be_unique", "expect_compound_columns_to_be_unique"})

# One value of a day: judged on what would be published.
AGGREGATES: Final = frozenset(
    {
        "expect_table_row_count_to_be_between",
        "expect_table_row_count_to_equal",
        "expect_column_min_to_be_between",
        "expect_column_max_to_be_between",
        "expect_column_sum_to_be_between",
        "expect_column_mean_to_be_between",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_distinct_values_to_be_in_set",
        "expect_column_distinct_values_to_contain_set",
        "expect_column_distinct_values_to_equal_set",
    }
)
GROUPED: Final = ROWS | UNIQUE | AGGREGATES

_PAIR_IGNORES: Final = ("both_values_are_missing", "either_value_is_missing", "neither")
_LIST_IGNORES: Final = ("all_values_are_missing", "any_value_is_missing", "never")
_NUMBERS_OR_TIMES: Final = {
    "expect_column_values_to_be_between",
    "expect_column_min_to_be_between",
    "expect_column_max_to_be_between",
    "expect_column_pair_values_a_to_be_greater_than_b",
}
_NUMBERS: Final = {"expect_column_sum_to_be_between", "expect_column_mean_to_be_between"}
_BOUNDS_ARE_COUNTS: Final = {
    "expect_table_row_count_to_be_between",
    "expect_column_unique_value_count_to_be_between",
    "expect_column_proportion_of_unique_values_to_be_between",
    "expect_column_proportion_of_non_null_values_to_be_between",
    "expect_column_value_lengths_to_be_between",
    "expect_column_mean_to_be_between",
}


def is_grouped(rule: Rule) -> bool:
    """Whether the grouped audit judges the rule; stock Great Expectations judges the others day by day (`gx.py`)."""
    return rule.type in GROUPED


def is_row_rule(rule: Rule) -> bool:
    """Whether each row by itself keeps or breaks the rule."""
    return rule.type in ROWS


def row_rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules judged on all mapped rows."""
    return tuple(r for r in rules if r.type in ROWS)


def set_rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules judged on what would be published, grouped: uniqueness and aggregates."""
    return tuple(r for r in rules if r.type in GROUPED - ROWS)


def other_rules(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules that only stock Great Expectations judges, on what would be published."""
    return tuple(r for r in rules if r.type not in GROUPED)


def columns_of_condition(table: Table, rule: Rule) -> frozenset[str]:
    """The columns that the rule's `row_condition` names."""
    if rule.row_condition is None:
        return frozenset()
    return frozenset(column.name for column in parse(rule.row_condition, _condition(table, rule)).find_all(exp.Column))


def _condition(table: Table, rule: Rule) -> str:
    """The row condition as messages call it."""
    return f"{table.full_name}: row_condition of rule {rule.name}"


def check_table(table: Table) -> None:
    """Check all rules of a table. Raises `ConfigurationFailure` naming table, rule and what to write instead."""
    for rule in table.rules:
        check(table, rule)


def check(table: Table, rule: Rule) -> None:
    """Check that a rule is an expectation of GX, with its arguments, and fits its columns.

    Raises `ConfigurationFailure` naming table, rule and what to write instead.
    """

    def refuse(what: str) -> NoReturn:
        raise ConfigurationFailure(f"{table.full_name}: rule {rule.name} ({rule.type}): {what}")

    word = VOCABULARY.get(rule.type)
    if word is None:
        refuse("Great Expectations has no such expectation")
    if rule.type in ELSEWHERE:
        refuse(ELSEWHERE[rule.type])
    given = {k for k in rule.kwargs if k not in ("notes", "meta", "description")}
    if unknown := sorted(given - word.required - word.optional):
        refuse(f"no such arguments: {', '.join(unknown)}; it takes {', '.join(sorted(word.required | word.optional))}")
    if missing := sorted(word.required - given):
        refuse(f"arguments missing: {', '.join(missing)}")
    if rule.mostly != 1.0 and not word.tolerant:
        refuse("`mostly` means nothing here: the expectation judges a day as a whole")
    if not 0.0 <= rule.mostly <= 1.0:
        refuse(f"`mostly` is a share between 0 and 1, not {rule.mostly}")
    names = {c.name for c in table.columns}
    if rule.row_condition is not None:
        check_sql(rule.row_condition, _condition(table, rule))
        if strange := sorted(columns_of_condition(table, rule) - names - {"_day"}):
            refuse(f"row_condition names columns the contract does not have: {', '.join(strange)}")
    at_hand = table.layer is Layer.SILVER and is_row_rule(rule)
    if not at_hand and "_day" in {*rule.columns, *columns_of_condition(table, rule)} - names:
        instead = f"name `{table.day}`" if table.day else "leave it out"
        refuse(f"only silver's rows, judged one by one, still have their `_day`: {instead}")
    if is_grouped(rule):
        try:
            _check_grouped(table, rule)
        except (ValueError, TypeError) as error:
            refuse(str(error))


def _check_grouped(table: Table, rule: Rule) -> None:
    """Raises ValueError or ConfigurationFailure where the rule does not fit its columns."""
    families = {columns.family(table, c) for c in rule.columns}
    if "nested" in families and rule.type not in (
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_null",
        "expect_column_proportion_of_non_null_values_to_be_between",
    ):
        raise ValueError("arrays and structs can only be missing or not")
    if rule.type in _NUMBERS and families != {"number"}:
        raise ValueError("only a number has it")
    if rule.type in _NUMBERS_OR_TIMES and not families <= {"number", "time"}:
        raise ValueError("only numbers, dates and timestamps have a smaller and a greater")
    if ("regex" in rule.type or "lengths" in rule.type) and families != {"text"}:
        raise ValueError("only text has it")
    if rule.type in PAIR_ROWS | MULTICOLUMN_ROWS and rule.type != "expect_column_pair_values_to_be_in_set" and len(families) > 1:
        raise ValueError(f"compares columns of different kinds: {', '.join(sorted(families))}")
    if len(rule.columns) == 1 and "column_list" in rule.kwargs:
        raise ValueError("takes two columns or more")
    _check_arguments(table, rule)


def _check_arguments(table: Table, rule: Rule) -> None:
    kwargs = rule.kwargs
    ignores = _PAIR_IGNORES if "column_A" in kwargs else _LIST_IGNORES
    if (ignored := kwargs.get("ignore_row_if", ignores[0])) not in ignores:
        raise ValueError(f"ignore_row_if is one of {', '.join(ignores)}, not {ignored!r}")
    if "min_value" in VOCABULARY[rule.type].optional:
        _check_bounds(table, rule)
    for member in _listed(kwargs, "value_set"):
        columns.literal(table, kwargs["column"], member)
    for pair in _listed(kwargs, "value_pairs_set"):
        for column, member in zip(rule.columns, pair, strict=True):
            if member is not None:
                columns.literal(table, column, member)
    for pattern in (*_listed(kwargs, "regex_list"), *((kwargs["regex"],) if "regex" in kwargs else ())):
        columns.regex(pattern)
    if rule.type.endswith("match_regex") and "regex" not in kwargs:
        raise ValueError("arguments missing: regex")
    if "regex_list" in kwargs and kwargs.get("match_on", "any") not in ("any", "all"):
        raise ValueError(f"match_on is any or all, not {kwargs['match_on']!r}")
    if "value" in kwargs and not _is_number(kwargs["value"]):
        raise ValueError(f"value is a number, not {kwargs['value']!r}")


def _listed(kwargs: Any, name: str) -> list[Any]:
    """The list argument of that name; empty where the expectation has none."""
    if name not in kwargs:
        return []
    if not isinstance(kwargs[name], list | tuple) or not kwargs[name]:
        raise ValueError(f"{name} is a list with at least one member")
    return list(kwargs[name])


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _check_bounds(table: Table, rule: Rule) -> None:
    bounds = [rule.kwargs[k] for k in ("min_value", "max_value") if rule.kwargs.get(k) is not None]
    if not bounds:
        raise ValueError("give min_value, max_value or both")
    for bound in bounds:
        if rule.type in _BOUNDS_ARE_COUNTS:
            if not _is_number(bound):
                raise ValueError(f"bounds are numbers, not {bound!r}")
        else:
            columns.literal(table, rule.kwargs["column"], bound)
    ordered = [columns.moment(b) for b in bounds] if "time" in _compared(table, rule) else bounds
    if len(ordered) == 2 and ordered[0] > ordered[1]:
        raise ValueError("min_value is greater than max_value")


def _compared(table: Table, rule: Rule) -> set[str]:
    """The families of the columns whose own values the bounds are compared with; none where bounds are counts."""
    return set() if rule.type in _BOUNDS_ARE_COUNTS else {columns.family(table, c) for c in rule.columns}

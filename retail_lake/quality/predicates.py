"""Which rows break a rule, as portable Spark SQL with the meaning the expectation has in stock Great Expectations.

Belongs here: the condition of each row-wise expectation. Does not: counting (`metrics.py`) or deciding (`verdicts.py`).
Missing values are outside every rule but the ones about missing values; pairs and lists follow `ignore_row_if`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from retail_lake.contract import Rule, Table
from retail_lake.quality import columns
from retail_lake.quality.supported import MULTICOLUMN_ROWS, PAIR_ROWS, is_row_rule


def violation(rule: Rule, table: Table) -> str | None:
    """A boolean of the row that is true where GX calls it unexpected and false otherwise, never NULL. None: not a row rule."""
    if not is_row_rule(rule):
        return None
    return f"coalesce({within(rule, _judged(rule, table), _unexpected(rule, table))}, FALSE)"


def judged(rule: Rule, table: Table) -> str:
    """A boolean of the row, true where the rule judges it: what `mostly` is a share of. It may be NULL for false."""
    return within(rule, _judged(rule, table))


def within(rule: Rule, *conditions: str | None) -> str:
    """The conditions, all of them and only inside the rule's `row_condition`. It may be NULL for false."""
    domain = f"({rule.row_condition})" if rule.row_condition else None
    return " AND ".join(c for c in (domain, *conditions) if c is not None) or "TRUE"


def missing(table: Table, column: str) -> str:
    """Whether the column has no value."""
    return f"{columns.value(table, column)} IS NULL"


def _judged(rule: Rule, table: Table) -> str | None:
    """The rows that the expectation looks at; None for all."""
    if rule.type in ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null"):
        return None
    several = len(rule.columns) > 1
    ignored = rule.kwargs.get("ignore_row_if", "all_values_are_missing" if several else "any_value_is_missing")
    if ignored in ("neither", "never"):
        return None
    word = " AND " if ignored in ("both_values_are_missing", "all_values_are_missing") else " OR "
    return f"NOT ({word.join(missing(table, c) for c in rule.columns)})"


def _unexpected(rule: Rule, table: Table) -> str:
    """Whether a row that is judged breaks the rule; never NULL."""
    if rule.type in PAIR_ROWS | MULTICOLUMN_ROWS:
        return _SEVERAL[rule.type](table, rule)
    column = rule.kwargs["column"]
    return _SINGLE[rule.type](table, column, rule.kwargs)


def between(measured: str, kwargs: Mapping[str, Any], bound: Callable[[Any], str]) -> str:
    """Whether what is measured lies within the rule's bounds."""
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    conditions = []
    if low is not None:
        conditions.append(f"{measured} {'>' if kwargs.get('strict_min') else '>='} {bound(low)}")
    if high is not None:
        conditions.append(f"{measured} {'<' if kwargs.get('strict_max') else '<='} {bound(high)}")
    return f"({' AND '.join(conditions)})"


def _between(table: Table, column: str, kwargs: Mapping[str, Any]) -> str:
    return f"NOT {between(columns.quoted(column), kwargs, lambda b: columns.literal(table, column, b))}"


def _lengths(table: Table, column: str, kwargs: Mapping[str, Any]) -> str:
    return f"NOT {between(f'length({columns.quoted(column)})', kwargs, lambda b: columns.number(b, floating=False))}"


def _length(table: Table, column: str, kwargs: Mapping[str, Any]) -> str:
    return f"NOT length({columns.quoted(column)}) = {columns.number(kwargs['value'], floating=False)}"


def in_set(table: Table, column: str, members: list[Any]) -> str:
    """Whether the column's value is a member."""
    literals = dict.fromkeys(columns.literal(table, column, m) for m in members)
    return f"{columns.quoted(column)} IN ({', '.join(literals)})"


def _matches(column: str, pattern: str) -> str:
    return f"{columns.quoted(column)} RLIKE {columns.text(columns.regex(pattern))}"


def _matches_any(column: str, kwargs: Mapping[str, Any]) -> str:
    word = " AND " if kwargs.get("match_on", "any") == "all" else " OR "
    return f"({word.join(_matches(column, p) for p in kwargs['regex_list'])})"


_SINGLE: Final[dict[str, Callable[[Table, str, Mapping[str, Any]], str]]] = {
    "expect_column_values_to_not_be_null": lambda t, c, k: missing(t, c),
    "expect_column_values_to_be_null": lambda t, c, k: f"NOT ({missing(t, c)})",
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": lambda t, c, k: f"NOT {in_set(t, c, k['value_set'])}",
    "expect_column_values_to_not_be_in_set": lambda t, c, k: in_set(t, c, k["value_set"]),
    "expect_column_values_to_match_regex": lambda t, c, k: f"NOT {_matches(c, k['regex'])}",
    "expect_column_values_to_not_match_regex": lambda t, c, k: _matches(c, k["regex"]),
    "expect_column_values_to_match_regex_list": lambda t, c, k: f"NOT {_matches_any(c, k)}",
    "expect_column_values_to_not_match_regex_list": lambda t, c, k: _matches_any(c, k),
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": _length,
}


def _greater(table: Table, rule: Rule) -> str:
    a, b = (columns.value(table, c) for c in rule.columns)
    return f"NOT coalesce({a} {'>=' if rule.kwargs.get('or_equal') else '>'} {b}, FALSE)"


def _equal(table: Table, rule: Rule) -> str:
    a, b = (columns.value(table, c) for c in rule.columns)
    return f"NOT coalesce({a} = {b}, FALSE)"


def _pair_in_set(table: Table, rule: Rule) -> str:
    def equals(column: str, member: Any) -> str:
        value = columns.value(table, column)
        return f"{value} IS NULL" if member is None else f"coalesce({value} = {columns.literal(table, column, member)}, FALSE)"

    a, b = rule.columns
    pairs = [f"({equals(a, x)} AND {equals(b, y)})" for x, y in rule.kwargs["value_pairs_set"]]
    return f"NOT ({' OR '.join(pairs)})"


def _all_equal(table: Table, rule: Rule) -> str:
    first, *others = (columns.value(table, c) for c in rule.columns)
    return f"NOT ({' AND '.join(f'{first} <=> {other}' for other in others)})"


def _some_equal(table: Table, rule: Rule) -> str:
    values = [columns.value(table, c) for c in rule.columns]
    pairs = [f"{a} <=> {b}" for i, a in enumerate(values) for b in values[i + 1 :]]
    return f"({' OR '.join(pairs)})"


_SEVERAL: Final[dict[str, Callable[[Table, Rule], str]]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_column_pair_values_to_be_equal": _equal,
    "expect_column_pair_values_to_be_in_set": _pair_in_set,
    "expect_multicolumn_values_to_be_equal": _all_equal,
    "expect_select_column_values_to_be_unique_within_record": _some_equal,
}

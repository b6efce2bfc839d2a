"""What is measured for the rules: every rule and every day by a few grouped SELECTs in portable Spark SQL.

Belongs here: the SQL and the names of its columns. Does not: running it (`jobs/`), rendering it (`sql/`) or the verdicts.

A result has one row per day that has rows: `day` (a date, NULL for an unpartitioned table) and, for each rule and measure, a
column `<rule name>__<measure>`. Measures are
- `rows`: rows within the rule's `row_condition`;
- `judged`: those of them that the expectation looks at (`mostly` is a share of these);
- `unexpected`: those of them that break it; for a rule about distinct values, the distinct values outside the set;
- `absent`: members of the set that no row has;
- `value`: the observed value of an aggregate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from retail_lake.contract import Rule, Table
from retail_lake.quality import columns
from retail_lake.quality.predicates import in_set, judged, violation, within
from retail_lake.quality.supported import ROWS, UNIQUE, is_grouped

DAY: Final = "day"
MEASURES: Final = ("rows", "judged", "unexpected", "absent", "value")


def audit_sql(table: Table, relation: str, day: str | None, rules: Iterable[Rule]) -> list[str]:
    """The SELECTs that measure the rules on a relation, grouped by its `day` column (None: over the whole of it).

    One SELECT serves all row rules and aggregates, one more each uniqueness rule. Rules outside the grouped audit are left
    out. All results together are what `verdicts` takes.
    """
    chosen = [r for r in rules if is_grouped(r)]
    flat = [r for r in chosen if r.type not in UNIQUE]
    queries = [_flat(table, relation, day, flat)] if flat else []
    return [*queries, *(_unique(table, relation, day, r) for r in chosen if r.type in UNIQUE)]


def column_name(rule: Rule, measure: str) -> str:
    """The result column of a rule's measure."""
    return f"{rule.name}__{measure}"


def metric_columns(rule: Rule, table: Table) -> dict[str, str]:
    """The rule's result columns and their aggregate expressions; empty for uniqueness, which has a SELECT of its own."""
    if rule.type in UNIQUE or not is_grouped(rule):
        return {}
    measures = _row_measures(rule, table) if rule.type in ROWS else _aggregate_measures(rule, table)
    return {column_name(rule, measure): expression for measure, expression in measures.items()}


def _count(condition: str) -> str:
    return "count(*)" if condition == "TRUE" else f"count(CASE WHEN {condition} THEN 1 END)"


def _row_measures(rule: Rule, table: Table) -> dict[str, str]:
    return {
        "rows": _count(within(rule)),
        "judged": _count(judged(rule, table)),
        "unexpected": _count(violation(rule, table) or "FALSE"),
    }


def _aggregate_measures(rule: Rule, table: Table) -> dict[str, str]:
    if rule.type.startswith("expect_table_row_count"):
        return {"value": _count(within(rule))}
    column = rule.kwargs["column"]
    raw = columns.value(table, column)
    value = f"CASE WHEN {within(rule)} THEN {raw} END" if rule.row_condition else raw
    if rule.type.startswith("expect_column_distinct_values"):
        return _distinct_measures(rule, table, column, value)
    rows, present, distinct = _count(within(rule)), f"count({value})", f"count(DISTINCT {value})"
    return {
        "expect_column_min_to_be_between": lambda: {"value": f"min({value})"},
        "expect_column_max_to_be_between": lambda: {"value": f"max({value})"},
        "expect_column_sum_to_be_between": lambda: {"value": f"sum({value})"},
        "expect_column_mean_to_be_between": lambda: {"value": f"avg(CAST({value} AS DOUBLE))"},
        "expect_column_unique_value_count_to_be_between": lambda: {"value": distinct},
        "expect_column_proportion_of_unique_values_to_be_between": lambda: {"judged": present, "value": distinct},
        "expect_column_proportion_of_non_null_values_to_be_between": lambda: {"rows": rows, "judged": present},
    }[rule.type]()


def _distinct_measures(rule: Rule, table: Table, column: str, value: str) -> dict[str, str]:
    members: Sequence[Any] = rule.kwargs["value_set"]
    measures = {}
    if not rule.type.endswith("contain_set"):
        outside = f"NOT {in_set(table, column, list(members))}"
        measures["unexpected"] = f"count(DISTINCT CASE WHEN {outside} THEN {value} END)"
    if not rule.type.endswith("be_in_set"):
        literals = dict.fromkeys(columns.literal(table, column, m) for m in members)
        seen = (f"max(CASE WHEN {within(rule, f'{columns.quoted(column)} = {x}')} THEN 1 ELSE 0 END)" for x in literals)
        measures["absent"] = f"{len(literals)} - ({' + '.join(seen)})"
    return measures


def _flat(table: Table, relation: str, day: str | None, rules: Sequence[Rule]) -> str:
    measured = [f"{sql} AS `{name}`" for rule in rules for name, sql in metric_columns(rule, table).items()]
    grouped = f" GROUP BY {columns.quoted(day)}" if day else ""
    key = columns.quoted(day) if day else "CAST(NULL AS DATE)"
    return f"SELECT {key} AS `{DAY}`, {', '.join(measured)} FROM {relation}{grouped}"


def _unique(table: Table, relation: str, day: str | None, rule: Rule) -> str:
    """Two levels of GROUP BY: rows by value, then days. It beats GX's window by far and sorts nothing."""
    values = [columns.value(table, c) for c in rule.columns]
    keys = [f"{value} AS k{i}" for i, value in enumerate(values)]
    day_key = [f"{columns.quoted(day)} AS `{DAY}`"] if day else []
    groups = ", ".join([*([columns.quoted(day)] if day else []), *values])
    counted = (
        f"SELECT {', '.join([*day_key, *keys])}, count(*) AS n, {_count(judged(rule, table))} AS judged "
        f"FROM {relation} WHERE {within(rule)} GROUP BY {groups}"
    )
    measured = {"rows": "sum(n)", "judged": "sum(judged)", "unexpected": "sum(CASE WHEN judged > 1 THEN judged ELSE 0 END)"}
    listed = ", ".join(f"coalesce({sql}, 0) AS `{column_name(rule, measure)}`" for measure, sql in measured.items())
    outer = (f"`{DAY}`", f" GROUP BY `{DAY}`") if day else (f"CAST(NULL AS DATE) AS `{DAY}`", "")
    return f"SELECT {outer[0]}, {listed} FROM ({counted}) AS counted{outer[1]}"

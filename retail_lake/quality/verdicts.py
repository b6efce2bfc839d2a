"""From a day's measures to its verdicts, by each expectation's own validation.

Belongs here: feeding measures to Great Expectations and saying the outcome for people. Does not: measuring, or what follows
from a failure. The library's `_validate` is private: it is pinned, and the tests hold the outcome against stock runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from retail_lake.contract import Rule, Table
from retail_lake.jobs.description import RuleVerdict
from retail_lake.quality import expectations
from retail_lake.quality.metrics import DAY, column_name
from retail_lake.quality.supported import COLUMN_ROWS, ROWS, UNIQUE, is_grouped
from retail_lake.quality.vocabulary import VOCABULARY

_QUIET: Final = {"result_format": {"result_format": "BOOLEAN_ONLY", "partial_unexpected_count": 0}}
_NOTHING_OF_NO_ROWS: Final = {
    "expect_column_min_to_be_between",
    "expect_column_max_to_be_between",
    "expect_column_mean_to_be_between",
}


@dataclass(frozen=True)
class Finding:
    """A rule's measures on one day, as `metrics` documents them."""

    rows: int = 0
    judged: int = 0
    unexpected: int = 0
    absent: int = 0
    value: Any = None


def verdicts(
    table: Table,
    days: Sequence[date | None],
    rows: Iterable[Mapping[str, Any]],
    rules: Iterable[Rule] | None = None,
) -> dict[date | None, tuple[RuleVerdict, ...]]:
    """The verdict of every grouped rule on every day asked for, `(None,)` for an unpartitioned table.

    `rows` are the result rows of all SELECTs of `audit_sql`, in any order, as mappings. A day without rows is judged as GX
    judges an empty table. `rules` defaults to all of the table's.
    """
    chosen = [r for r in (table.rules if rules is None else rules) if is_grouped(r)]
    measured: dict[date | None, dict[str, Any]] = {day: {} for day in days}
    for row in rows:
        day = row[DAY]
        day = day.date() if isinstance(day, datetime) else day
        if day in measured:
            measured[day].update(row)
    if not chosen:
        return dict.fromkeys(measured, ())
    judges = [_judge(rule, table) for rule in chosen]
    return {day: tuple(judge(values) for judge in judges) for day, values in measured.items()}


def _judge(rule: Rule, table: Table) -> Callable[[Mapping[str, Any]], RuleVerdict]:
    """A function from a day's measures to the rule's verdict; the expectation is built once."""
    expectation = expectations.build(rule, table)
    metrics = _metrics(rule, expectation)

    def judge(values: Mapping[str, Any]) -> RuleVerdict:
        finding = _finding(rule, values)
        outcome = expectation._validate(metrics=metrics(finding), runtime_configuration=_QUIET)
        return verdict_of(rule, bool(outcome["success"]), finding)

    return judge


def _finding(rule: Rule, values: Mapping[str, Any]) -> Finding:
    """A day's measures of a rule; without any, those of an empty table: no rows, no least, a sum of nothing."""

    def count(measure: str, default: int = 0) -> int:
        found = values.get(column_name(rule, measure))
        return default if found is None else int(found)

    rows, judged, value = count("rows"), count("judged"), values.get(column_name(rule, "value"))
    if rule.type == "expect_column_proportion_of_unique_values_to_be_between":
        value = int(value or 0) / judged if judged else 0
    elif rule.type == "expect_column_proportion_of_non_null_values_to_be_between":
        value = judged / rows if rows else 0
    elif value is None and rule.type not in _NOTHING_OF_NO_ROWS:
        value = 0
    # `True`, `1` and `1.0` are one member to GX as to SQL.
    members = len(set(rule.kwargs["value_set"])) if "value_set" in rule.kwargs else 0
    return Finding(rows, judged, count("unexpected"), count("absent", members), value)


def _metrics(rule: Rule, expectation: Any) -> Callable[[Finding], dict[str, Any]]:
    """How the rule's measures become the metrics of GX, under its names."""
    if rule.type in COLUMN_ROWS or rule.type == "expect_column_values_to_be_unique":
        return lambda found: {
            "table.row_count": found.rows,
            "column_values.nonnull.unexpected_count": found.rows - found.judged,
            f"{expectation.map_metric}.unexpected_count": found.unexpected,
        }
    if rule.type in ROWS | UNIQUE:
        return lambda found: {
            "table.row_count": found.rows,
            f"{expectation.map_metric}.filtered_row_count": found.judged,
            f"{expectation.map_metric}.unexpected_count": found.unexpected,
        }
    if rule.type.startswith("expect_column_distinct_values"):
        return lambda found: {
            "column.distinct_values.not_in_set.count": found.unexpected,
            "column.distinct_values.missing_from_column.count": found.absent,
        }
    (name,) = expectation.metric_dependencies
    return lambda found: {name: expectations.plain(found.value)}


def verdict_of(rule: Rule, success: bool, found: Finding) -> RuleVerdict:
    """The verdict as it is reported, with its measures in words."""
    judged = unexpected = observed = None
    if VOCABULARY[rule.type].tolerant:
        judged, unexpected = found.judged, found.unexpected
        details = _shares(rule, judged, unexpected)
    elif rule.type.startswith("expect_column_distinct_values"):
        parts = [] if rule.type.endswith("contain_set") else [f"{found.unexpected:,} distinct values outside the set"]
        parts += [] if rule.type.endswith("be_in_set") else [f"{found.absent:,} of the set's members absent"]
        observed = details = ", ".join(parts)
    else:
        observed = _shown(found.value)
        details = f"observed {observed}, expected {_expected(rule)}"
    return RuleVerdict(
        rule=rule.name,
        success=success,
        severity=rule.severity.value,
        judged=judged,
        unexpected=unexpected,
        observed=observed,
        details=details,
    )


def _shares(rule: Rule, judged: int, unexpected: int) -> str:
    if not judged:
        return "no rows to judge"
    share = f"observed {100 * unexpected / judged:.3g} % unexpected of {judged:,}"
    return f"{share}, tolerated {100 * (1 - rule.mostly):.3g} %"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,f}" if isinstance(value, Decimal) else f"{value:.6g}" if isinstance(value, float) else str(value)


def _expected(rule: Rule) -> str:
    kwargs = rule.kwargs
    if "value" in kwargs:
        return f"{kwargs['value']}"
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    above = None if low is None else f"{'more than' if kwargs.get('strict_min') else 'at least'} {low}"
    below = None if high is None else f"{'less than' if kwargs.get('strict_max') else 'at most'} {high}"
    bounds = " and ".join(part for part in (above, below) if part)
    return bounds or ", ".join(f"{k} {v}" for k, v in kwargs.items() if k != "column")


def failed(rule: Rule, why: str) -> RuleVerdict:
    """The verdict of a rule that could not be judged: it is broken, because nothing says that it is kept."""
    return RuleVerdict(rule=rule.name, success=False, severity=rule.severity.value, details=f"could not be judged: {why}")

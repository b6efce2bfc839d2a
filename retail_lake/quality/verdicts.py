"""From a day's measures to its verdicts, by each expectation's own validation.

Belongs here: feeding measures to Great Expectations and saying the outcome for people. Does not: measuring, or what follows
from a failure. The library's `_validate` is private: it is pinned, and the tests hold the outcome against stock runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, Final

from retail_lake.contract import Rule, Table
from retail_lake.jobs.description import RuleVerdict
from retail_lake.quality import expectations, gx
from retail_lake.quality.findings import Finding, verdict_of
from retail_lake.quality.metrics import DAY, MEASURES, column_name
from retail_lake.quality.supported import COLUMN_ROWS, ROWS, UNIQUE, is_grouped, other_rules

if TYPE_CHECKING:
    import pandas as pd

_log: Final = logging.getLogger(__name__)
_QUIET: Final = {"result_format": {"result_format": "BOOLEAN_ONLY", "partial_unexpected_count": 0}}
_NOTHING_OF_NO_ROWS: Final = {
    "expect_column_min_to_be_between",
    "expect_column_max_to_be_between",
    "expect_column_mean_to_be_between",
}


def verdicts(
    table: Table,
    days: Sequence[date | None],
    rows: Iterable[Mapping[str, Any]],
    frames: Callable[[date | None], pd.DataFrame],
    rules: Iterable[Rule] | None = None,
    zone: str = "UTC",
) -> dict[date | None, tuple[RuleVerdict, ...]]:
    """The verdict of every rule on every day asked for, `(None,)` for an unpartitioned table, in the order of the rules.

    `rows` are the result rows of all SELECTs of `audit_sql`, in any order, as mappings. A day without rows is judged as GX
    judges an empty table. `frames` gives the rows that would be published of a day; it is asked only where a rule is outside
    the grouped audit, one day after the other, so that one day's rows are in memory at a time. `zone` is the stores' time
    zone, for the row conditions of such rules. `rules` defaults to all of the table's.
    """
    chosen = tuple(table.rules if rules is None else rules)
    others = other_rules(chosen)
    if others:
        names = ", ".join(r.name for r in others)
        _log.warning("%s: judged day by day, which is slow: the grouped audit has no %s", table.full_name, names)
    measured: dict[date | None, dict[str, Any]] = {day: {} for day in days}
    for row in rows:
        day = row[DAY]
        day = day.date() if isinstance(day, datetime) else day
        if day in measured:
            measured[day].update(row)
    judges = {rule.name: _judge(rule, table) for rule in chosen if is_grouped(rule)}
    found = {}
    for day, values in measured.items():
        by_name = {name: judge(values) for name, judge in judges.items()}
        if others:
            by_name |= {v.rule: v for v in gx.judge(table, others, frames(day), zone=zone)}
        found[day] = tuple(by_name[rule.name] for rule in chosen)
    return found


class _Prepared:
    """An expectation as its own methods see it, but with the configuration made once: GX makes it anew each time it is asked,
    several times a verdict, which would be most of what a year's verdicts cost."""

    def __init__(self, expectation: Any) -> None:
        self._expectation = expectation
        self.configuration = expectation.configuration

    def __getattr__(self, name: str) -> Any:
        method = getattr(type(self._expectation), name, None)
        return MethodType(method, self) if isinstance(method, FunctionType) else getattr(self._expectation, name)


def _judge(rule: Rule, table: Table) -> Callable[[Mapping[str, Any]], RuleVerdict]:
    """A function from a day's measures to the rule's verdict; the expectation is built once."""
    expectation = _Prepared(expectations.build(rule, table))
    metrics = _metrics(rule, expectation)
    measures = {measure: column_name(rule, measure) for measure in MEASURES}
    # `True`, `1` and `1.0` are one member to GX as to SQL.
    members = len(set(rule.kwargs["value_set"])) if "value_set" in rule.kwargs else 0

    def judge(values: Mapping[str, Any]) -> RuleVerdict:
        finding = _finding(rule, {measure: values.get(name) for measure, name in measures.items()}, members)
        outcome = expectation._validate(metrics=metrics(finding), runtime_configuration=_QUIET)
        return verdict_of(table, rule, bool(outcome["success"]), finding)

    return judge


def _finding(rule: Rule, measured: Mapping[str, Any], members: int) -> Finding:
    """A day's measures of a rule; without any, those of an empty table: no rows, no least, a sum of nothing."""

    def count(measure: str, default: int = 0) -> int:
        return default if measured[measure] is None else int(measured[measure])

    rows, judged, value = count("rows"), count("judged"), measured["value"]
    if rule.type == "expect_column_proportion_of_unique_values_to_be_between":
        value = count("value") / judged if judged else 0
    elif rule.type == "expect_column_proportion_of_non_null_values_to_be_between":
        value = judged / rows if rows else 0
    elif value is None and rule.type not in _NOTHING_OF_NO_ROWS:
        value = 0
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

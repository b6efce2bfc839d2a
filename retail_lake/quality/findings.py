"""What one rule found on one day, in numbers and in words.

Belongs here: `Finding` and how it is reported. Does not: measuring it or deciding on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from retail_lake.contract import Rule, Table
from retail_lake.jobs.description import RuleVerdict
from retail_lake.quality.masking import MASK
from retail_lake.quality.supported import is_grouped
from retail_lake.quality.vocabulary import VOCABULARY

_WORDS: Final = 120
"""How many characters of a rule's arguments are said."""


@dataclass(frozen=True)
class Finding:
    """A rule's measures on one day, as `metrics` documents them."""

    rows: int = 0
    judged: int = 0
    unexpected: int = 0
    absent: int = 0
    value: Any = None


def in_words(rule: Rule) -> str:
    """What the rule expects, for people: `expected quantity to be between (min_value 0, max_value 999999)`."""
    said = re.sub(r"^expect_(column_pair_values_|compound_columns_|column_values_|column_|multicolumn_)?", "", rule.type)
    asked = ", ".join(f"{k} {v}" for k, v in rule.kwargs.items() if not k.startswith(("column", "ignore_row_if")))
    asked = f" ({asked if len(asked) <= _WORDS else asked[:_WORDS] + '…'})" if asked else ""
    where = f" where {rule.row_condition}" if rule.row_condition else ""
    return f"expected {' and '.join(rule.columns)} {said.replace('_', ' ')}{asked}{where}"


def verdict_of(table: Table, rule: Rule, success: bool, found: Finding) -> RuleVerdict:
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
        observed = MASK if _reveals(table, rule) else _shown(found.value)
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


def _reveals(table: Table, rule: Rule) -> bool:
    """Whether the observed value may be a person's: the least is one row's value, and what is not grouped may show anything."""
    personal = not table.pii.isdisjoint(rule.columns)
    return personal and (
        not is_grouped(rule) or rule.type in ("expect_column_min_to_be_between", "expect_column_max_to_be_between")
    )


def failed(table: Table, rule: Rule, why: str) -> RuleVerdict:
    """The verdict of a rule that could not be judged: it is broken, because nothing says that it is kept."""
    why = MASK if _reveals(table, rule) else why
    return RuleVerdict(rule=rule.name, success=False, severity=rule.severity.value, details=f"could not be judged: {why}")

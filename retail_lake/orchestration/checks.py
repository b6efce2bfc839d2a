"""Asset checks: one per rule, one for conservation, and one that carries each day's verdict.

Belongs here: which checks a table has. Does not: their results (`events.py`). None is `blocking`: a blocked day is never
published, so there is nothing that a reader needs to be kept from, and a blocking check would stop the good days too.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import dagster as dg

from retail_lake.contract import Layer, Rule, Severity, Table
from retail_lake.orchestration.graph import Graph, table_key, warehouse_key
from retail_lake.quality.supported import is_row_rule

CONSERVATION = "conservation"
DAY = "day"
WHOLE = "whole"
_WORDS = 60
"""How many characters of a set a rule spells out."""
_CONSERVATION_SAYS = "Every row that went in is published, in quarantine or counted as a duplicate."
_VERDICT_SAYS = {
    DAY: "The day is published, complete, with every row accounted for, and no critical rule failed past its tolerance.",
    WHOLE: "The table is published with every row accounted for, and no critical rule failed past its tolerance.",
}


def verdict_name(table: Table) -> str:
    """The check that carries the verdict: of each day, or of an unpartitioned table."""
    return DAY if table.day else WHOLE


def conserves(table: Table) -> bool:
    """Whether rows in and rows out of a table can be compared."""
    return table.layer is not Layer.GOLD or table.conserves is not None


def in_words(rule: Rule) -> str:
    """What a rule asks of its columns: `not null`, `between 0 and 10`, `one of A, B`."""
    asked = rule.kwargs
    if {"column_A", "column_B"} <= set(asked):
        sign = "=" if "equal" in rule.type else "≥" if asked.get("or_equal") else ">"
        return f"{asked['column_A']} {sign} {asked['column_B']}"
    words = re.sub(r"^expect_(column_values_|compound_columns_|column_|table_)?", "", rule.type).replace("_", " ")
    words = re.sub(r"\b(to|be) ", "", words)
    low, high = asked.get("min_value"), asked.get("max_value")
    if words.endswith("between"):
        if low is None or high is None:
            bound = f"{'at most' if low is None else 'at least'} {_number(high if low is None else low)}"
        else:
            bound = f"between {_number(low)} and {_number(high)}"
        return words.removesuffix("between") + bound
    if "value_set" in asked:
        said = ", ".join(str(v) for v in asked["value_set"])
        return words.replace("in set", "one of") + f" {said if len(said) <= _WORDS else said[:_WORDS] + '…'}"
    rest = ", ".join(_number(v) for k, v in asked.items() if not k.startswith("column"))
    return f"{words} {rest}".strip()


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def describe_rule(table: Table, rule: Rule) -> str:
    """A rule for the UI: what it asks, what happens where it is broken, and its name in Great Expectations."""
    given = ", ".join(f"{k}={v!r}" for k, v in rule.kwargs.items())
    given += f", mostly={rule.mostly:g}" if rule.mostly < 1 else ""
    about = "" if "column_A" in rule.kwargs else ", ".join(f"`{c}`" for c in rule.columns) or "The table's"
    where = f" where `{rule.row_condition}`" if rule.row_condition else ""
    tolerance = f", for at least {100 * rule.mostly:g} % of the rows" if rule.mostly < 1 else ""
    if rule.severity is Severity.WARNING:
        then = "Where it is broken, the day is published with a warning."
    elif table.layer is Layer.SILVER and is_row_rule(rule):
        then = "Rows that break it go to quarantine; with more of them than that, the day is not published."
    else:
        then = "Where it is broken, the day is not published."
    return f"{about} {in_words(rule)}{where}{tolerance}. {then}\n\n`{rule.type}({given})`".strip()


def check_specs(graph: Graph, table: Table) -> Iterator[dg.AssetCheckSpec]:
    """The checks of a lake table."""
    key = table_key(table)
    for rule in table.rules:
        yield dg.AssetCheckSpec(
            rule.name, asset=key, description=describe_rule(table, rule), metadata={"severity": str(rule.severity)}
        )
    if conserves(table):
        yield dg.AssetCheckSpec(CONSERVATION, asset=key, description=_CONSERVATION_SAYS)
    yield _verdict(graph, table, key)


def warehouse_check_specs(graph: Graph, table: Table) -> Iterator[dg.AssetCheckSpec]:
    """The check of a warehouse table: the audit was the lake's, what is left is whether the day arrived."""
    yield _verdict(graph, table, warehouse_key(table))


def _verdict(graph: Graph, table: Table, key: dg.AssetKey) -> dg.AssetCheckSpec:
    name = verdict_name(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=dg.PreviewWarning)  # partitions of checks, in this pinned version
        return dg.AssetCheckSpec(name, asset=key, description=_VERDICT_SAYS[name], partitions_def=graph.partitions(table))

"""Asset checks: one per rule, one for conservation, and one that carries each day's verdict.

Belongs here: which checks a table has. Does not: their results (`events.py`). None is `blocking`: a blocked day is never
published, so there is nothing that a reader needs to be kept from, and a blocking check would stop the good days too.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import dagster as dg

from retail_lake.contract import Layer, Rule, Table
from retail_lake.orchestration.graph import Graph, table_key, warehouse_key

CONSERVATION = "conservation"
DAY = "day"
WHOLE = "whole"
_CONSERVATION_SAYS = "Every row that went in is published, in quarantine or counted as a duplicate."
_VERDICT_SAYS = {
    DAY: "The day is published, complete, and no critical rule failed past its tolerance.",
    WHOLE: "The table is published and no critical rule failed past its tolerance.",
}


def verdict_name(table: Table) -> str:
    """The check that carries the verdict: of each day, or of an unpartitioned table."""
    return DAY if table.day else WHOLE


def conserves(table: Table) -> bool:
    """Whether rows in and rows out of a table can be compared."""
    return table.layer is not Layer.GOLD or table.conserves is not None


def describe_rule(rule: Rule) -> str:
    """A rule in words, for the UI."""
    given = ", ".join(f"{k}={v!r}" for k, v in rule.kwargs.items())
    where = f" where `{rule.row_condition}`" if rule.row_condition else ""
    tolerance = f", for at least {rule.mostly:.4g} of the rows" if rule.mostly < 1 else ""
    return f"`{rule.type}({given})`{where}{tolerance}. Severity: {rule.severity}."


def check_specs(graph: Graph, table: Table) -> Iterator[dg.AssetCheckSpec]:
    """The checks of a lake table."""
    key = table_key(table)
    for rule in table.rules:
        yield dg.AssetCheckSpec(rule.name, asset=key, description=describe_rule(rule), metadata={"severity": str(rule.severity)})
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

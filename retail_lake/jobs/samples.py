"""A few rows that show what is wrong: of the days on which a rule failed first, masked, the same on both engines.

Belongs here: which violating rows are shown, of one job and of several. Does not: the verdicts (`audit.py`), or showing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from retail_lake.contract import Layer, Rule, Table
from retail_lake.jobs.description import DayReport, JobReport, RuleVerdict
from retail_lake.jobs.session import Session
from retail_lake.quality.masking import mask_row
from retail_lake.quality.predicates import violation
from retail_lake.quality.supported import row_rules

SAMPLE_ROWS: Final = 5

Verdicts = dict[date | None, tuple[RuleVerdict, ...]]
Samples = dict[str, list[dict[str, str | None]]]


def samples(table: Table, session: Session, relation: str, day: str | None, found: Verdicts) -> Samples:
    """Violating rows of each broken row rule in a relation whose days are in column `day`.

    Days take turns, those on which the rule failed before those that tolerate their violators; within a day it is file or
    key order.
    """
    broken = {v.rule for verdicts in found.values() for v in verdicts if v.unexpected}
    return {
        rule.name: [mask_row(table, row) for row in session.query(_sql(table, rule, relation, day, found))]
        for rule in row_rules(table.rules)
        if rule.name in broken
    }


def _sql(table: Table, rule: Rule, relation: str, day: str | None, found: Verdicts) -> str:
    names = ", ".join(c.name for c in table.columns)
    order = ", ".join((table.key or (table.columns[0].name,)) if table.layer is Layer.GOLD else ("_source_file", "_position"))
    failed = [of for of, verdicts in found.items() if any(v.rule == rule.name and not v.success for v in verdicts)]
    listed = ", ".join(f"DATE '{of}'" for of in failed if of)
    tolerated = f"CASE WHEN {day} IN ({listed}) THEN 0 ELSE 1 END" if listed else "0"
    by_day = f"PARTITION BY {day} " if day else ""
    return (
        f"SELECT {names} FROM (SELECT *, {tolerated} AS _tolerated, row_number() OVER ({by_day}ORDER BY {order}) AS _place"
        f" FROM {relation} WHERE {violation(rule, table)}) AS violating WHERE _place <= {SAMPLE_ROWS}"
        f" ORDER BY {', '.join(['_tolerated', '_place', *([day] if day else []), order])} LIMIT {SAMPLE_ROWS}"
    )


def merged(reports: Sequence[JobReport]) -> Samples:
    """The samples of several jobs of a table: jobs take turns, those in which a rule failed before the others."""
    turns: dict[str, list[tuple[bool, int, int, dict[str, str | None]]]] = {}
    for number, report in enumerate(reports):
        for rule, rows in report.samples.items():
            tolerated = not any(_fails(day, rule) for day in report.days)
            turns.setdefault(rule, []).extend((tolerated, place, number, row) for place, row in enumerate(rows))
    return {rule: [row for *_, row in sorted(rows, key=lambda turn: turn[:3])][:SAMPLE_ROWS] for rule, rows in turns.items()}


def _fails(day: DayReport, rule: str) -> bool:
    return any(v.rule == rule and not v.success for v in day.verdicts)

"""A backfill from its first plan to the last day that follows from it, round by round.

Belongs here: when to look again and what is left out. Does not: how a run is executed, which the caller says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from retail_lake.backfill.plan import Plan, Request, plan
from retail_lake.backfill.runs import Run, runs

if TYPE_CHECKING:
    from datetime import date

    from retail_lake.lake.lake import Lake
    from retail_lake.warehouse.base import Warehouse

ROUNDS: Final = 5
"""More than a chain of dimensions and facts is long."""
Place = tuple[str, "date | None"]


def carry_out(
    lake: Lake, warehouse: Warehouse, request: Request, first: Plan, execute: Callable[[Run, int, int], Iterable[Place]]
) -> None:
    """Execute the plan's runs, and then those of the days that see a dimension which came out changed, until there are none.

    `execute(run, number, of)` does a run and gives the tables and days that are bad after it: they are not tried again. Days that
    were stale before and that nobody asked for stay so.
    """
    again = replace(
        request, tables=tuple(first.perhaps), first=lake.settings.first_day, last=lake.settings.last_day, stale=True, force=False
    )
    left_out: set[Place] = plan(lake, warehouse, again).places - first.places if first.perhaps else set()
    todo = first
    for _ in range(ROUNDS):
        cut = runs(todo, request.last)
        for number, run in enumerate(cut, 1):
            left_out |= {*execute(run, number, len(cut))}
        if not (first.perhaps and cut):
            return
        todo = plan(lake, warehouse, again).without(left_out)

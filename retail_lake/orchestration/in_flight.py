"""What is under way in Dagster: the days of every table that a run which is queued or goes on was asked to build.

Belongs here: reading that off the runs. Does not: what follows from it (`due.py`).
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from retail_lake.orchestration.alive import is_over
from retail_lake.orchestration.due import Day
from retail_lake.orchestration.graph import Graph, table_key, warehouse_key
from retail_lake.orchestration.ranges import range_of
from retail_lake.orchestration.step import TABLE_JOBS

_UNDER_WAY: Final = [dg.DagsterRunStatus.QUEUED, *IN_PROGRESS_RUN_STATUSES]


def in_flight(instance: dg.DagsterInstance, graph: Graph) -> dict[str, set[Day]]:
    """The days under way by name: `layer.table`, or `warehouse.table`. A run that was asked for days beyond those of a table
    counts for that table all the same."""
    tables = [(table_key(t), t) for t in graph.tables.values()] + [(warehouse_key(t), t) for t in graph.gold()]
    found: dict[str, set[Day]] = defaultdict(set)
    for run in instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY)):
        if run.job_name not in TABLE_JOBS or is_over(run):
            continue
        asked = range_of(run.tags)
        days = asked.days if asked else []
        for key, table in tables:
            if run.asset_selection is None or key in run.asset_selection:
                found[".".join(key.path)].update(days if table.day else [None])
    return dict(found)

"""Which engine runs a job: the one asked for, or the one of the table's workload, or, for small arrivals, the one for those.

Belongs here: the choice. Does not: the settings it follows (`config.py`) or any engine.
"""

from __future__ import annotations

from collections.abc import Callable

from retail_lake.config import EngineName, Settings
from retail_lake.contract import Table, Workload
from retail_lake.engines.base import Engine
from retail_lake.jobs.description import JobDescription, JobReport

NEEDS_SQL: tuple[EngineName, ...] = ("local", "awslambda")
"""The engines without Spark."""


def choose(settings: Settings, table: Table, asked: str = "", input_bytes: int | None = None) -> str:
    """The name of the engine for a table's job. A table that only Spark can make goes to Spark whatever was asked.

    `input_bytes` is the size of what the job reads; None: not known yet, then nothing counts as small.
    """
    by_workload = {
        Workload.INGEST: settings.engine_ingest,
        Workload.TRANSFORM: settings.engine_transform,
        Workload.ANALYTICS: settings.engine_analytics,
    }
    chosen = asked or by_workload[table.workload]
    small = input_bytes is not None and input_bytes <= settings.small_bytes
    if not asked and table.workload is Workload.INGEST and small:
        chosen = settings.engine_small
    if table.spark and chosen in NEEDS_SQL:
        chosen = settings.engine_analytics if settings.engine_analytics not in NEEDS_SQL else "spark"
    return chosen


class RoutedEngine:
    """See `Engine`: runs each job of one table on the engine it belongs on. `opened` gives an engine by name."""

    def __init__(self, settings: Settings, table: Table, opened: Callable[[str], Engine], asked: str = "") -> None:
        self.settings, self.table, self.asked, self._opened = settings, table, asked, opened
        self.name = choose(settings, table, asked)

    def run(self, job: JobDescription) -> JobReport:
        """Run one job where it belongs."""
        return self._opened(choose(self.settings, self.table, self.asked, job.input_bytes)).run(job)

"""Ticks of sensors, and the runs they ask for, one after the other in this process: what the daemon does, without its clock.

Belongs here: ticking and running. Does not: any expectation.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import dagster as dg

from retail_lake.orchestration.ranges import range_of

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
AUTOMATED = ("touched_days", "automation")


class Ran(NamedTuple):
    """A run that a sensor asked for: its tables, its first and last day (none of unpartitioned ones), how it ended."""

    sensor: str
    tables: frozenset[str]
    days: tuple[date, date] | None
    success: bool


class Ticks:
    """The sensors of some definitions with their cursors, over one instance."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, sensors: Sequence[str] = AUTOMATED) -> None:
        self.instance, self._sensors = instance, sensors
        self._repository: Any = definitions.get_repository_def()
        self._job: Any = definitions.resolve_implicit_global_asset_job_def()
        self.cursors: dict[str, str | None] = {}
        self._keys: set[str] = set()

    def tick(self) -> list[Ran]:
        """Each sensor once, and the runs it asked for, which end before the next sensor's turn."""
        return [self._run(name, request) for name in self._sensors for request in self.requests(name)]

    def requests(self, name: str) -> list[dg.RunRequest]:
        """What one sensor asks for in one tick; a key that it gave before counts as launched before."""
        sensor = self._repository.get_sensor_def(name)
        with dg.build_sensor_context(
            self.instance, self.cursors.get(name), self._repository.name, repository_def=self._repository, sensor_name=name
        ) as context:
            found = sensor.evaluate_tick(context)
        self.cursors[name] = found.cursor
        new = [r for r in found.run_requests if r.run_key is None or r.run_key not in self._keys]
        self._keys |= {r.run_key for r in new if r.run_key}
        return new

    def settle(self, most: int = 12) -> list[Ran]:
        """Tick until nothing is asked for any more."""
        ran: list[Ran] = []
        for _ in range(most):
            if not (now := self.tick()):
                return ran
            ran += now
        raise AssertionError(f"it does not end: {ran}")

    def _run(self, sensor: str, request: dg.RunRequest) -> Ran:
        result = self._job.execute_in_process(
            instance=self.instance,
            asset_selection=request.asset_selection,
            tags=dict(request.tags),
            run_config=QUIET,
            raise_on_error=False,
        )
        days = range_of(request.tags)
        names = frozenset(".".join(key.path) for key in request.asset_selection or ())
        return Ran(sensor, names, (days.first, days.last) if days else None, result.success)

"""What does a run's work, bound to that run: engines that are heard and can be stopped, loads that keep to their pools.

Belongs here: which limits hold for which work. Does not: opening an engine or a warehouse (`resources.py`), pools (`pools.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from retail_lake.config import REMOTE, Settings
from retail_lake.contract import Table
from retail_lake.engines.base import Engine, Stopped
from retail_lake.engines.routed import RoutedEngine
from retail_lake.jobs.description import JobDescription, JobReport
from retail_lake.orchestration.pools import Pools
from retail_lake.orchestration.resources import Opener

if TYPE_CHECKING:
    import dagster as dg

    from retail_lake.engines.control import Channel
    from retail_lake.warehouse.base import LoadOutcome

_SPARK_SESSION: Final = threading.Lock()
"""The jobs of one Spark session name its views alike."""
_WAREHOUSE_FILE: Final = threading.Lock()
"""DuckDB's lock of its file keeps other processes out, and not another thread of this one."""


class Workers:
    """The engines and the warehouse of one run. `stop` ends remote jobs before their time; `say` is told of waits."""

    def __init__(
        self, context: dg.AssetExecutionContext, settings: Settings, stop: threading.Event, say: Callable[[str], None]
    ) -> None:
        self._resources, self._settings, self._stop = context.resources, settings, stop
        self._run_id, self._say = context.run.run_id, say
        self._limits: dict[str, int] = {str(name): limit for name, limit in settings.engine_limits.items()}
        self._pools = Pools(context.instance, context.run, stop, say, settings.job_timeout)
        self._channel = Opener(lambda: _channel(context, settings))

    def engine(self, table: Table, asked: str) -> Engine:
        """What runs a table's jobs: the engine asked for, or the one of each job's workload and size."""
        return RoutedEngine(self._settings, table, lambda name: self._engine(name, table), asked)

    def _engine(self, name: str, table: Table) -> Engine:
        engine: Any = getattr(self._resources, name).it
        limit = self._limits.get(name)

        def place() -> AbstractContextManager[Any]:
            return self._pools.place(f"engine/{name}", table.full_name, limit)

        if name in REMOTE:
            return _Bound(engine.heard(self._channel.it, self._stop, self._say), place, self._stop)
        session = _SPARK_SESSION if name == "spark" else nullcontext()
        return _Bound(engine, lambda: _both(place() if limit else nullcontext(), session), self._stop)

    def load(self, table: Table, days: Sequence[date] | None) -> LoadOutcome:
        """Load a gold table into the warehouse; no other load of the same table goes on meanwhile."""
        with self._alone(table):
            _go_on(self._stop)
            lake = self._resources.lake.it
            # Before the load: what is published meanwhile may be in it, and then the next load finds nothing to do.
            known = lake.publications_by_day().get(table.full_name, {})
            loaded: LoadOutcome = self._resources.warehouse.it.load(table, days, lake, run_id=self._run_id)
        its_days = (replace(d, version=known[d.day].fingerprint if d.day in known else "") for d in loaded.days)
        return replace(loaded, days=tuple(its_days))

    def _alone(self, table: Table) -> AbstractContextManager[Any]:
        # The embedded warehouse is one file, which other processes wait for by themselves, and which a killed one lets go.
        if self._settings.warehouse == "duckdb":
            return _WAREHOUSE_FILE
        table_place = self._pools.place(f"warehouse/{table.name}", f"warehouse.{table.name}", limit=1)
        place = self._pools.place("warehouse", f"load of {table.name}", self._settings.warehouse_limit or None)
        # The table first: who waits for it does not keep others from loading theirs.
        return _both(table_place, place)


class _Bound:
    """See `Engine`: runs each job `within` something that is entered for it, and none once the run is stopped."""

    def __init__(self, engine: Engine, within: Callable[[], AbstractContextManager[Any]], stop: threading.Event) -> None:
        self.name, self._engine, self._within, self._stop = engine.name, engine, within, stop

    def run(self, job: JobDescription) -> JobReport:
        with self._within():
            _go_on(self._stop)
            return self._engine.run(job)


@contextmanager
def _both(first: AbstractContextManager[Any], then: AbstractContextManager[Any]) -> Iterator[None]:
    with first, then:
        yield


def _go_on(stop: threading.Event) -> None:
    if stop.is_set():
        raise Stopped("the run was told to stop")


def _channel(context: dg.AssetExecutionContext, settings: Settings) -> Channel:
    # Imported on use: the AWS libraries are not for runs that have no remote job.
    from retail_lake.orchestration.pipes import PipesChannel

    return PipesChannel(context, settings)

"""Dagster's pools, for work inside a step: how many runs may do a thing at the same time.

Belongs here: taking a place and giving it back. Does not: which work needs one (`workers.py`).

Dagster's own pools are of a whole step. A run here is one step over many tables, of which only the load of one warehouse
table must not meet another run's load of the same, so that the place is taken around that load. The pools are in the UI
under Deployment > Concurrency: `warehouse/<table>` with one place each; `warehouse` for all loads and `engine/<name>` for an
engine's jobs, with as many as `RETAIL_LAKE_WAREHOUSE_LIMIT` and `RETAIL_LAKE_ENGINE_LIMITS` say or, where they do not, as
somebody gives them there; the engines of this machine have one only by the setting. A place left by a run that is over is taken
from it by the next who waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from retail_lake.engines.base import Stopped
from retail_lake.failure import TransientFailure
from retail_lake.orchestration.alive import is_over

if TYPE_CHECKING:
    import dagster as dg
    from dagster._utils.concurrency import ConcurrencyKeyInfo

LOOK_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Pools:
    """The pools of an instance for one run. It waits at most `patience` seconds for a place; `say` is told that it waits."""

    instance: dg.DagsterInstance
    run: dg.DagsterRun
    stop: threading.Event
    say: Callable[[str], None]
    patience: float

    @contextmanager
    def place(self, pool: str, who: str, limit: int | None = None) -> Iterator[None]:
        """Hold a place of the pool until the end of the block; `who` is one holder of this run.

        The pool gets this limit; without one it keeps what it has, or has none. Raises `TransientFailure`, naming the runs that
        hold the pool, when there is no place in time, and `Stopped` when the run is stopped.
        """
        from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

        storage = self.instance.event_log_storage
        if limit is not None and storage.supports_global_concurrency_limits and self._limits().get(pool) != limit:
            storage.set_concurrency_slots(pool, limit)
        with InstanceConcurrencyContext(self.instance, self.run) as places:
            until, told = time.monotonic() + self.patience, False
            while not places.claim(pool, who):
                found = storage.get_concurrency_info(pool)
                holders = self._holders(found)
                if self._is_overlooked(found, who):
                    storage.free_concurrency_slot_for_step(self.run.run_id, who)
                if not told:
                    self.say(f"{who} waits for the pool {pool}, which is held by {_named(holders)}.")
                    told = True
                if time.monotonic() > until:
                    raise TransientFailure(
                        f"{who}: no place in the pool {pool} for {self.patience:g} s; it is held by {_named(holders)}."
                    )
                if self.stop.wait(LOOK_SECONDS):
                    raise Stopped(who)
            try:
                yield
            finally:
                places.free_step(who)

    def _is_overlooked(self, found: ConcurrencyKeyInfo, who: str) -> bool:
        """Whether a place is free that nobody hands on: it was given back just when this one queued, and has to queue anew."""
        queued = {(p.run_id, p.step_key) for p in found.pending_steps if p.assigned_timestamp is None}
        return (self.run.run_id, who) in queued and found.assigned_step_count < found.slot_count

    def _limits(self) -> dict[str, int]:
        return {limit.name: limit.limit for limit in self.instance.event_log_storage.get_pool_limits()}

    def _holders(self, found: ConcurrencyKeyInfo) -> list[str]:
        """The runs that hold the pool or wait for it before us, but for those that are over: they lose their places."""
        storage = self.instance.event_log_storage
        holding = {s.run_id for s in found.claimed_slots}
        theirs = (holding | {s.run_id for s in found.pending_steps}) - {self.run.run_id}
        alive = []
        for run_id in sorted(theirs):
            run = self.instance.get_run_by_id(run_id)
            if run is None or is_over(run):
                storage.free_concurrency_slots_for_run(run_id)
            elif run_id in holding:
                alive.append(run_id)
        return alive


def _named(runs: list[str]) -> str:
    return f"run {', '.join(runs)}" if runs else "nobody any more"

"""What Dagster keeps of old runs: their results for ever, what else they said for `event_days`.

Belongs here: which events go. Does not: when that is done (`maintenance.py`), or ticks of sensors and schedules, which Dagster's
own daemon forgets as `dagster.yaml` says.

Materializations, check evaluations and the beginning, end and failure of a run stay: partitions, plots and the history of a table
are made of them. A run that is old and still going on keeps everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg
import sqlalchemy as db
from dagster import DagsterEventType as Type
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

_CHATTER: Final = (
    Type.ENGINE_EVENT, Type.HANDLED_OUTPUT, Type.LOADED_INPUT, Type.LOGS_CAPTURED, Type.OBJECT_STORE_OPERATION,
    Type.RESOURCE_INIT_STARTED, Type.RESOURCE_INIT_SUCCESS, Type.RUN_DEQUEUED, Type.RUN_ENQUEUED, Type.RUN_STARTING,
    Type.STEP_INPUT, Type.STEP_OUTPUT, Type.STEP_START, Type.STEP_SUCCESS, Type.STEP_WORKER_STARTED, Type.STEP_WORKER_STARTING,
)  # fmt: skip
"""How a run went, as opposed to what it came to."""
_AT_ONCE: Final = 5_000
"""Events in one transaction: a run that is writing its own waits for no longer than that takes."""
_LOGS_BEFORE: Final = timedelta(days=30)
"""How far beyond the limit the captured output of runs is looked for: a month without maintenance is made good."""


def forget_events(instance: dg.DagsterInstance, days: int, now: datetime | None = None) -> int:
    """Delete what runs said longer ago than that, but for their results; returns how many events went. 0 days keeps all."""
    storage = instance.event_log_storage
    if not days or not isinstance(storage, SqlEventLogStorage):
        return 0
    limit = (now or datetime.now(UTC)) - timedelta(days=days)
    events = SqlEventLogStorageTable
    going_on = [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=IN_PROGRESS_RUN_STATUSES))]
    old = (
        db.select(events.c.id)
        .where(events.c.timestamp < limit.astimezone(UTC).replace(tzinfo=None))
        # A message that is no event of Dagster's has no type.
        .where(db.or_(events.c.dagster_event_type.is_(None), events.c.dagster_event_type.in_([t.value for t in _CHATTER])))
        .where(events.c.run_id.not_in(going_on))
        .limit(_AT_ONCE)
    )
    gone = 0
    while True:
        with storage.index_connection() as connection:
            ids = [row[0] for row in connection.execute(old)]
            connection.execute(events.delete().where(events.c.id.in_(ids)))
        gone += len(ids)
        if len(ids) < _AT_ONCE:
            break
    for run_id in _ended(instance, limit):
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return gone


def _ended(instance: dg.DagsterInstance, limit: datetime) -> Iterable[str]:
    """The runs that are over and were made in the month before a moment."""
    wanted = dg.RunsFilter(created_before=limit, created_after=limit - _LOGS_BEFORE)
    return [run.run_id for run in instance.get_runs(wanted) if run.is_finished]

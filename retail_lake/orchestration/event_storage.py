"""Where Dagster keeps runs, events and schedules on the embedded default: SQLite, written in batches.

Belongs here: the storage classes that `dagster.yaml` names. Does not: what is written (`events.py`).

Dagster's stock SQLite storage opens a connection, and syncs the disk, two to four times per event, into two files. A
year of days for every table is some 20,000 events, and that cost more than the data work. Here one file takes all runs,
one engine keeps its connections, and a batch is one transaction. Several processes may read and write it at once
(write-ahead log); a process that dies loses at most the events of its open transaction, and a power cut the last few
(`synchronous=NORMAL`): they describe tables whose truth is in `ops.publications`, so running again restores them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as db
from dagster import AssetKey, DagsterEvent, DagsterEventType, EventLogEntry
from dagster._core.events import JobFailureData
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from dagster._utils.concurrency import ConcurrencyClaimStatus
from sqlalchemy.engine import Connection, Engine

from retail_lake.orchestration.alone import alone
from retail_lake.orchestration.check_states import check_states
from retail_lake.orchestration.latest_days import repair

repair()

BUSY_SECONDS = 60
"""How long a writer waits for another one: longer than any batch takes."""
BATCH_SIZE_VARIABLE = "DAGSTER_EVENT_BATCH_SIZE"
BATCH_SIZE = 1000
DAY_CHECK = "day"
"""The one check of a table that has days; see `checks.py`."""


class BatchedSqliteEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """One SQLite file for the events of all runs, in which whatever is stored inside `batch()` is committed at once."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Dagster batches the events it plans a run with only if this variable says so; a batch is what this class is for.
        os.environ.setdefault(BATCH_SIZE_VARIABLE, str(BATCH_SIZE))
        self._here = threading.local()
        self._engine: Engine | None = None
        self._engine_pid = 0
        self._known: dict[str, bool] = {}
        self._told_at = 0.0
        self._pools_lock = Path(base_dir) / ".pools.lock"
        # Dagster's own way of making tables is not safe beside another process.
        with alone(Path(base_dir) / ".event_log.lock"):
            super().__init__(base_dir, inst_data)
        self._watcher = SqlPollingEventWatcher(self)

    def _connections(self) -> Engine:
        if self._engine is None or self._engine_pid != os.getpid():  # a connection must not be used across a fork
            # IMMEDIATE: a transaction takes the write lock when it starts, and waits for it, rather than failing half way.
            self._engine = db.create_engine(
                self._conn_string, connect_args={"timeout": BUSY_SECONDS, "isolation_level": "IMMEDIATE"}
            )
            self._engine_pid = os.getpid()
            db.event.listen(self._engine, "connect", _tune)
        return self._engine

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        if (shared := getattr(self._here, "connection", None)) is not None:
            yield shared
        else:
            with self._connections().begin() as connection:
                yield connection

    @contextmanager
    def batch(self) -> Iterator[None]:
        """What this thread stores inside is written at the end, in one transaction; if the block raises, none of it is.

        Until then the database is free. A thread that logs holds the handler of its run's log while it waits for the database,
        so that a thread which had the database and logged would wait for it, and it for that thread.
        """
        waiting: list[EventLogEntry] = []
        self._here.waiting = waiting
        try:
            yield
        finally:
            self._here.waiting = None
        if waiting:
            self.store_event_batch(waiting)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._connections().begin() as connection:
            self._here.connection, self._here.assets = connection, {}
            try:
                yield
                for event, event_id in self._here.assets.values():
                    super()._store_asset_event(connection, event, event_id)
            finally:
                self._here.connection, self._here.assets = None, None

    def store_event(self, event: EventLogEntry) -> None:
        """Store one event, and what follows from it, in one transaction: the one of its batch, if there is one."""
        if (waiting := getattr(self._here, "waiting", None)) is not None:
            waiting.append(event)
            return
        with self._transaction():
            super().store_event(self._readable(event))

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store many events in one transaction."""
        with self._transaction():
            planned: list[EventLogEntry] = []
            for event in events:
                if event.dagster_event_type is DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                    planned.append(event)
                else:
                    super().store_event(self._readable(event))
            if planned:  # nothing refers to these by their ids, so that they can be written all at once
                connection = self._here.connection
                connection.execute(SqlEventLogStorageTable.insert(), [self._event_to_row(e) for e in planned])
                for event in planned:
                    self._store_asset_event(connection, event, 0)

    def _readable(self, event: EventLogEntry) -> EventLogEntry:
        """The event as the UI can show it."""
        said = event.dagster_event
        if said is not None and said.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            # The UI takes two of one run in the same millisecond for one.
            self._told_at = max(event.timestamp, self._told_at + 0.0011)
            return event._replace(timestamp=self._told_at)
        return event if said is None else event._replace(dagster_event=_without_foreseen_stack(said))

    def _store_asset_event(self, conn: Connection, event: EventLogEntry, event_id: int) -> None:
        # This writes an asset's latest event of a type over the one before: in a transaction only the last one matters.
        assert event.dagster_event is not None
        latest, told = self._here.assets, (event.dagster_event.asset_key, event.dagster_event_type)
        latest.pop(told, None)
        latest[told] = (event, event_id)

    def _event_to_row(self, event: EventLogEntry) -> dict[str, Any]:
        row = super()._event_to_row(event)
        self._here.written = (event, row["event"])
        return row

    def _json(self, event: EventLogEntry) -> str:
        """The event as just written, not made a second time."""
        written, text = getattr(self._here, "written", (None, ""))
        return text if written is event else str(self._event_to_row(event)["event"])

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        # Dagster plans a run's partitions for each of its checks, also for those that have none: such rows would never be
        # resolved, and a year's run would have a hundred thousand of them.
        assert event.dagster_event is not None
        planned = event.dagster_event.asset_check_planned_data
        daily = planned.check_name == DAY_CHECK and planned.partitions_subset is not None
        row = self._execution(planned.asset_key, planned.check_name, event, event_id, AssetCheckExecutionRecordStatus.PLANNED)
        days = planned.partitions_subset.get_partition_keys() if daily and planned.partitions_subset else [None]
        if planned.check_name == DAY_CHECK and not daily:
            return  # asked for without a day, it says again what it said of the last one
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), [row | {"partition": day} for day in days])

    def _update_asset_check_evaluation(self, event: EventLogEntry, event_id: int | None) -> None:
        assert event.dagster_event is not None
        found = event.dagster_event.asset_check_evaluation_data
        status = AssetCheckExecutionRecordStatus.SUCCEEDED if found.passed else AssetCheckExecutionRecordStatus.FAILED
        target = found.target_materialization_data
        row = self._execution(found.asset_key, found.check_name, event, event_id, status) | {
            "partition": found.partition,
            "materialization_event_storage_id": target.storage_id if target else None,
        }
        with self.index_connection() as connection:
            # A planned row, or an earlier evaluation of the same run, gives way.
            if (
                connection.execute(
                    _RESOLVE, {f"its_{name}": row[name] for name in _WHOSE} | {name: row[name] for name in _SAID}
                ).rowcount
                == 0
            ):
                connection.execute(AssetCheckExecutionsTable.insert(), row)

    def _execution(
        self, key: AssetKey, name: str, event: EventLogEntry, event_id: int | None, status: AssetCheckExecutionRecordStatus
    ) -> dict[str, Any]:
        return {
            "asset_key": key.to_string(),
            "check_name": name,
            "run_id": event.run_id,
            "execution_status": status.value,
            "evaluation_event": self._json(event),
            "evaluation_event_timestamp": self._event_insert_timestamp(event),
            "evaluation_event_storage_id": event_id,
        }

    # The schema is that of this version from the first: asking SQLite for it again with every event is half the time.
    def _has_asset_key_col_on_connection(self, conn: Connection, column_name: str) -> bool:
        return column_name in AssetKeyTable.c

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._known:
            self._known[table_name] = super().has_table(table_name)
        return self._known[table_name]

    def get_asset_check_state(self, keys: Sequence[Any]) -> Mapping[Any, Any]:
        """The days of each check by state; see `check_states.py`."""
        return check_states(self._instance, keys)

    def claim_concurrency_slot(
        self, concurrency_key: str, run_id: str, step_key: str, priority: int | None = None
    ) -> ConcurrencyClaimStatus:
        """Claim a place in a pool. Other databases lock the free place between finding and taking it; SQLite does not, and
        two who ask at once would have the same."""
        with alone(self._pools_lock):
            return super().claim_concurrency_slot(concurrency_key, run_id, step_key, priority)

    # Dagster's file watcher looks at the database file, which a write-ahead log leaves unchanged: poll instead.
    def watch(self, run_id: str, cursor: str | None, callback: Callable[..., Any]) -> None:
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: Callable[..., Any]) -> None:
        self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        self._watcher.close()
        if self._engine is not None and self._engine_pid == os.getpid():
            self._engine.dispose()


def _without_foreseen_stack(event: DagsterEvent) -> DagsterEvent:
    """A failure that the project foresaw has a message that says it all; the stack would be Dagster's own."""
    if event.event_type is DagsterEventType.RUN_FAILURE:
        said = event.event_specific_data  # None, where a run was found dead by somebody else
        if isinstance(said, JobFailureData) and said.first_step_failure_event is not None:
            first = _without_foreseen_stack(said.first_step_failure_event)
            return event._replace(event_specific_data=said._replace(first_step_failure_event=first))
    if event.event_type is DagsterEventType.STEP_FAILURE:
        data = event.step_failure_data
        if data.user_failure_data is not None and data.error is not None:
            error = data.error._replace(message=f"{data.user_failure_data.description}\n", stack=[])
            return event._replace(event_specific_data=data._replace(error=error))
    return event


_WHOSE = ("asset_key", "check_name", "run_id", "partition")
_SAID = ("execution_status", "evaluation_event", "evaluation_event_timestamp", "evaluation_event_storage_id",
         "materialization_event_storage_id")  # fmt: skip
_RESOLVE = (
    AssetCheckExecutionsTable.update()
    .where(db.and_(*(AssetCheckExecutionsTable.c[name].is_not_distinct_from(db.bindparam(f"its_{name}")) for name in _WHOSE)))
    .values({name: db.bindparam(name) for name in _SAID})
)


def _tune(connection: Any, _record: Any) -> None:
    """Set what SQLite keeps per connection."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA cache_size=-32000")


class LakeStorage(DagsterSqliteStorage):
    """Dagster's three storages below `<home>/dagster/storage`. `home` is `RETAIL_LAKE_HOME`, as `dagster.yaml` says."""

    def __init__(self, home: str, inst_data: ConfigurableClassData | None = None) -> None:
        self.home = home
        base = Path(home).absolute() / "dagster" / "storage"
        self.base_dir = str(base)
        self._inst_data = inst_data
        with alone(base / ".storage.lock"):
            self._run_storage = SqliteRunStorage.from_local(str(base))
            self._event_log_storage = BatchedSqliteEventLogStorage(str(base))  # type: ignore[assignment]
            self._schedule_storage = SqliteScheduleStorage.from_local(str(base))
        super(DagsterSqliteStorage, self).__init__()

    @classmethod
    def config_type(cls) -> Any:
        """What `dagster.yaml` gives: `home`."""
        from dagster import StringSource

        return {"home": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> LakeStorage:
        """Made by Dagster from `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    def _part(self, module: str, name: str) -> ConfigurableClassData:
        return ConfigurableClassData(module, name, f"base_dir: {self.base_dir}\n")

    @property
    def event_storage_data(self) -> ConfigurableClassData:
        """How another process finds the events."""
        return self._part(__name__, BatchedSqliteEventLogStorage.__name__)

    @property
    def run_storage_data(self) -> ConfigurableClassData:
        """How another process finds the runs."""
        return self._part("dagster._core.storage.runs", "SqliteRunStorage")

    @property
    def schedule_storage_data(self) -> ConfigurableClassData:
        """How another process finds schedules and sensors."""
        return self._part("dagster._core.storage.schedules", "SqliteScheduleStorage")

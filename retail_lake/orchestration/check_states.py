"""On which days each check passed or failed, all days at once: a repair of Dagster 1.13.27, whose UI is slow without it.

Belongs here: that repair. Does not: how verdicts are stored (`event_storage.py`).

For every look at the asset graph Dagster adds up each check's days one by one, with a calendar's arithmetic for each: a year of
days for every table takes it seconds. Here the days of one state are put together first. What comes of it is the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from dagster._core.asset_graph_view.serializable_entity_subset import SerializableEntitySubset
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
    AssetCheckExecutionResolvedStatus,
    AssetCheckPartitionInfo,
)
from dagster._core.storage.asset_check_state import AssetCheckState, _process_run_statuses
from dagster._core.storage.dagster_run import FINISHED_STATUSES, RunsFilter

if TYPE_CHECKING:
    from dagster import AssetCheckKey, DagsterInstance, PartitionsDefinition
    from dagster._core.storage.dagster_run import DagsterRunStatus

_PLANNED = AssetCheckExecutionRecordStatus.PLANNED
_RESOLVED = {
    AssetCheckExecutionRecordStatus.SUCCEEDED: AssetCheckExecutionResolvedStatus.SUCCEEDED,
    AssetCheckExecutionRecordStatus.FAILED: AssetCheckExecutionResolvedStatus.FAILED,
}


def check_states(
    instance: DagsterInstance, keys: Sequence[tuple[AssetCheckKey, PartitionsDefinition | None]]
) -> Mapping[AssetCheckKey, AssetCheckState]:
    """The state of each of these checks, from all that is stored of them."""
    infos: dict[AssetCheckKey, list[AssetCheckPartitionInfo]] = defaultdict(list)
    for info in instance.event_log_storage.get_asset_check_partition_info([key for key, _ in keys]):
        infos[info.check_key].append(info)
    planned = {i.latest_planned_run_id for found in infos.values() for i in found if i.latest_execution_status is _PLANNED}
    over = instance.get_runs(RunsFilter(run_ids=list(planned), statuses=list(FINISHED_STATUSES))) if planned else []
    statuses = {run.run_id: run.status for run in over}
    return {key: _state(key, partitions, infos[key], statuses) for key, partitions in keys}


def _state(
    key: AssetCheckKey,
    partitions: PartitionsDefinition | None,
    infos: Sequence[AssetCheckPartitionInfo],
    statuses: Mapping[str, DagsterRunStatus],
) -> AssetCheckState:
    days: dict[AssetCheckExecutionResolvedStatus, list[str | None]] = defaultdict(list)
    by_run: dict[str, list[str | None]] = defaultdict(list)
    there = set(partitions.get_partition_keys()) if partitions else {None}
    for info in infos:
        if info.partition_key not in there:
            continue
        if info.latest_execution_status is _PLANNED:
            days[AssetCheckExecutionResolvedStatus.IN_PROGRESS].append(info.partition_key)
            by_run[info.latest_planned_run_id].append(info.partition_key)
        elif info.is_current and info.latest_execution_status in _RESOLVED:
            days[_RESOLVED[info.latest_execution_status]].append(info.partition_key)
    subsets, in_progress = _process_run_statuses(
        key,
        partitions,
        {status: _subset(key, partitions, days[status]) for status in AssetCheckExecutionResolvedStatus},
        {run_id: _subset(key, partitions, its) for run_id, its in by_run.items()},
        statuses,
    )
    latest = (max(i.latest_check_event_storage_id, i.latest_materialization_storage_id or 0) for i in infos)
    return AssetCheckState(latest_storage_id=max(latest, default=0), subsets=subsets, in_progress_runs=in_progress)


def _subset(
    key: AssetCheckKey, partitions: PartitionsDefinition | None, days: Iterable[str | None]
) -> SerializableEntitySubset[AssetCheckKey]:
    found = list(days)
    if partitions is None:
        return SerializableEntitySubset(key=key, value=bool(found))
    return SerializableEntitySubset(key=key, value=partitions.subset_with_partition_keys([d for d in found if d]))

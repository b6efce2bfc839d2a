"""Keeping commits cheap: old snapshots are forgotten as publishing goes along."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retail_lake.lake.commit import conflicts

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

KEEP = timedelta(days=30)
BATCH = 30


def expire_snapshots(
    stored: IcebergTable,
    now: datetime | None = None,
    keep: timedelta = KEEP,
    *,
    pinned: Collection[int | None] = (),
    at_least: int | None = None,
) -> int:
    """Expire snapshots older than `keep`, `at_least` (`BATCH`) at a time so that most commits pay nothing; returns how many.

    A job pins its snapshots for hours at most, so that a pinned snapshot is always among those kept; `pinned` ones stay
    however old they are. Another writer in the way is no matter: the next publish expires what this one did not.
    """
    limit = (now or datetime.now(UTC)) - keep
    current = stored.current_snapshot()
    old = [
        s.snapshot_id
        for s in stored.snapshots()
        if s.timestamp_ms < limit.timestamp() * 1000
        and (current is None or s.snapshot_id != current.snapshot_id)
        and s.snapshot_id not in pinned
    ]
    if len(old) < (BATCH if at_least is None else at_least):
        return 0
    try:
        stored.maintenance.expire_snapshots().by_ids(old).commit()
    except conflicts():
        return 0
    return len(old)

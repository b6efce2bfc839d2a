"""The latest days of a lake that has ended: a repair of Dagster 1.13.27, without which its plots per day stay empty.

Belongs here: that repair. Does not: which days there are (`graph.py`).

Asked for the latest days, for a table's plots of rows, quarantined rows and seconds, Dagster counts back from today and not
from the end of the partitions. Here the clock it looks at stops at the end. The webserver comes by this module because it
loads the event storage.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import wraps
from typing import Any

from dagster import TimeWindowPartitionsDefinition
from dagster._core.definitions.partitions.context import PartitionLoadingContext

_counted_from_today = TimeWindowPartitionsDefinition.get_paginated_partition_keys


@wraps(_counted_from_today)
def _counted_from_the_end(
    self: TimeWindowPartitionsDefinition,
    context: PartitionLoadingContext,
    limit: int,
    ascending: bool,
    cursor: str | None = None,
) -> Any:
    end = self.end_timestamp
    if not ascending and end is not None and context.effective_dt.timestamp() > end:
        context = context.updated(datetime.fromtimestamp(end, UTC), None)
    return _counted_from_today(self, context=context, limit=limit, ascending=ascending, cursor=cursor)


def repair() -> None:
    """Let Dagster count from the end, in this process."""
    TimeWindowPartitionsDefinition.get_paginated_partition_keys = _counted_from_the_end  # type: ignore[method-assign]

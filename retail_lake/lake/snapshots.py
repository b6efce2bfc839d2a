"""What a commit says of itself: the properties of its snapshot.

Belongs here: their names, their text, and finding the commit that a day's rows came with. Does not: committing
(`publish.py`), or what outlives a snapshot (`publications.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

JOB_ID: Final = "retail-lake.job-id"
"""`<job>/<attempt>`: both snapshots of a commit that takes out and puts in have the same."""
RUN_ID: Final = "retail-lake.run-id"
DAYS: Final = "retail-lake.days"
"""The days whose rows it replaced; a compaction, which changes none, has no days."""
SEQUENCES: Final = "retail-lake.input-sequences"
LISTING: Final = "landing"
"""What stands for a listing of the landing among the inputs' sequences."""
ROLLED_BACK: Final = "retail-lake.rolled-back-to"
WHOLE: Final = "whole"
"""What stands for an unpartitioned table among days."""


def said(snapshot: Snapshot | None, name: str) -> str:
    """A property of a snapshot; empty where it has none of that name."""
    return snapshot.summary.additional_properties.get(name, "") if snapshot and snapshot.summary else ""


def say_days(days: Sequence[date | None]) -> str:
    """Days as text: `2017-01-01/2017-01-31,2017-02-02/2017-02-02`."""
    spans: list[list[date]] = []
    for day in sorted(d for d in days if d):
        if spans and day - spans[-1][1] == timedelta(days=1):
            spans[-1][1] = day
        else:
            spans.append([day, day])
    return ",".join(f"{first}/{last}" for first, last in spans) or WHOLE


def days_said(snapshot: Snapshot) -> set[date | None]:
    """The days whose rows a snapshot's commit replaced."""
    text = said(snapshot, DAYS)
    if text in ("", WHOLE):
        return {None} if text else set()
    spans = [tuple(map(date.fromisoformat, span.split("/"))) for span in text.split(",")]
    return {first + timedelta(days=i) for first, last in spans for i in range((last - first).days + 1)}


def origins(stored: IcebergTable, snapshot_id: int, days: Iterable[date | None]) -> dict[date | None, Snapshot]:
    """For each day the last commit that replaced its rows, of those a snapshot shows; of some it may not be kept."""
    from pyiceberg.table.snapshots import ancestors_of

    left = set(days)
    found: dict[date | None, Snapshot] = {}
    for snapshot in ancestors_of(stored.snapshot_by_id(snapshot_id), stored.metadata):
        if not left:
            break
        found |= dict.fromkeys(left & days_said(snapshot), snapshot)
        left -= set(found)
    return found

"""What is kept how long by policy: quarantined records, and landed files where somebody says so.

Belongs here: what may go by its age, and letting it go. Does not: what nobody can reach any more (`maintenance.py`), snapshots
(`expiry.py`), or where the policy stands (`config.py`).

Landed files are kept for ever unless `landing_days` says otherwise: they are what everything can be built from again. What
was made of files that are gone is final: it is not built again, whatever changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from retail_lake.config import Settings
from retail_lake.contract import Layer, Table
from retail_lake.lake.commit import retried
from retail_lake.storage import delete_files, list_files

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

    from retail_lake.lake.lake import Lake


def not_landed_any_more(settings: Settings, table: Table, day: date | None, now: datetime | None = None) -> bool:
    """Whether the landed files of a bronze table's day are beyond what is kept of landing."""
    if not settings.landing_days or table.layer is not Layer.BRONZE or day is None:
        return False
    return day < ((now or datetime.now(UTC)) - timedelta(days=settings.landing_days)).date()


def retire_quarantine(lake: Lake, table: Table, now: datetime | None = None) -> list[date]:
    """Delete the quarantined records of days that were last built longer ago than `quarantine_days`; returns those days.

    The count stays on record. Raises `TransientFailure` when other writers do not let it through.
    """
    from retail_lake.lake.lake import quarantine_name

    keep, name = lake.settings.quarantine_days, quarantine_name(table)
    if not keep or lake.stored(name) is None:
        return []
    limit = (now or datetime.now(UTC)) - timedelta(days=keep)

    def attempt() -> list[date]:
        from pyiceberg.expressions import In

        stored = lake.catalog.load_table(name)
        known = lake.publications_by_day().get(table.full_name, {})
        recent = {p.day for p in known.values() if p.published_at >= limit}
        # Its records may be of an attempt that is not on record yet.
        old = sorted(
            {d for d, at in _written(stored) if d not in recent and at < limit} - {d for d, at in _written(stored) if at >= limit}
        )
        if old:
            stored.delete(In("_day", [d.isoformat() for d in old]))
        return old

    return retried(attempt, f"retiring quarantine of {table.full_name}")


def retire_landing(lake: Lake, table: Table, now: datetime | None = None) -> list[str]:
    """Delete the landed files of a bronze table's days that are beyond `landing_days` and published; returns their keys.

    A day that is not published, incomplete or blocked keeps its files, and so does a file that came after its day was
    published, or whose name says no day.
    """
    from retail_lake.sources.landing import place

    landing = table.landing
    if landing is None or not lake.settings.landing_days:
        return []
    root = f"{lake.settings.landing_uri}/{landing.system}/{landing.dataset}"
    known = lake.publications_by_day().get(table.full_name, {})
    gone = []
    for stored in list_files(root, lake.settings):
        where = place(landing, stored.key, lake.settings.first_day)
        arrived = where.version[1]
        publication = known.get(where.day)
        # Of what was there before the lake, and of what names no day, nobody knows the age.
        if (
            not where.part
            or arrived == date.min
            or publication is None
            or publication.status != "published"
            or publication.rolled_back
        ):
            continue
        read = stored.modified.replace(tzinfo=UTC) < publication.published_at
        if read and not_landed_any_more(lake.settings, table, arrived, now):
            gone.append(stored.key)
    delete_files([f"{root}/{key}" for key in gone], lake.settings)
    return gone


def _written(stored: IcebergTable) -> Iterator[tuple[date, datetime]]:
    """The days of a quarantine with when their files were published; those of forgotten snapshots long ago."""
    from retail_lake.lake.lake import day_of

    at = {s.snapshot_id: datetime.fromtimestamp(s.timestamp_ms / 1000, UTC) for s in stored.snapshots()}
    snapshot = stored.current_snapshot()
    for manifest in snapshot.manifests(stored.io) if snapshot else ():
        for entry in manifest.fetch_manifest_entry(stored.io):
            if (day := day_of(entry.data_file)) is not None:
                yield day, at.get(entry.snapshot_id or 0, datetime.min.replace(tzinfo=UTC))

"""Keeping storage clean: files that were staged and never published, or replaced and forgotten, are removed when asked.

Belongs here: what may be deleted, and when. Does not: what is visible (`publish.py`) or forgotten (`expiry.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from retail_lake.contract import Table
from retail_lake.lake.lake import Lake, quarantine_name
from retail_lake.storage import delete_files, list_files

if TYPE_CHECKING:
    pass


def remove_orphans(lake: Lake, table: Table, older_than: timedelta, now: datetime | None = None) -> list[str]:
    """Delete the staged and replaced data files of a table that no kept snapshot shows; returns their keys.

    A file younger than `older_than` is left alone: the job that staged it may still be running, so choose more than the
    longest job takes.
    """
    data = f"{lake.data_location(table.full_name)}/data"
    # One job stages rows and quarantine side by side, and two tables show them.
    shown = {uri for name in (table.full_name, quarantine_name(table)) for uri in _shown(lake, name)}
    limit = ((now or datetime.now(UTC)) - older_than).astimezone(UTC).replace(tzinfo=None)
    found = list_files(data, lake.settings, hidden=True)
    orphans = [f.key for f in found if f.modified < limit and f"{data}/{f.key}" not in shown]
    delete_files([f"{data}/{key}" for key in orphans], lake.settings)
    return orphans


def _shown(lake: Lake, name: str) -> set[str]:
    """Every data file that a kept snapshot of a table shows."""
    stored = lake.stored(name)
    if stored is None:
        return set()
    manifests = {m.manifest_path: m for s in stored.snapshots() for m in s.manifests(stored.io)}
    return {e.data_file.file_path for m in manifests.values() for e in m.fetch_manifest_entry(stored.io, discard_deleted=False)}

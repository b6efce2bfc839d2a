"""Keeping storage clean: files that were staged and never published, or replaced and forgotten, are removed when asked.

Belongs here: what may be deleted, and when. Does not: what is visible (`publish.py`), forgotten (`expiry.py`) or kept by
policy (`retention.py`).

Three things keep a file: a kept snapshot shows it; it is younger than what a job may take; or its table is in doubt, as
after a lost catalog, when nothing tells an orphan from the only copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from retail_lake.config import Settings
from retail_lake.contract import Table
from retail_lake.lake.history import SUFFIX, read_history
from retail_lake.lake.lake import PUBLICATIONS, Lake, quarantine_name
from retail_lake.storage import Stored, delete_files, list_files

LEEWAY: Final = timedelta(minutes=10)
"""How far the clocks of this machine, the storage and a job's service may be apart; no commit takes longer either."""


def remove_orphans(lake: Lake, table: Table, older_than: timedelta, now: datetime | None = None) -> list[str]:
    """Delete the staged and replaced data files of a table that no kept snapshot shows; returns their keys.

    A file younger than `older_than` is left alone: the job that staged it may still be running, so choose more than the
    longest job takes. So is whatever came after the launch of a remote job of this table that is still open, and everything
    while the lake holds metadata of the table that the catalog does not account for (`in_doubt`).
    """
    data = f"{lake.data_location(table.full_name)}/data"
    # Listed first: what is published from here on is among what is shown afterwards.
    found = list_files(data, lake.settings, hidden=True)
    names = (table.full_name, quarantine_name(table))
    limit = min([(now or datetime.now(UTC)) - older_than, *_open_since(lake.settings, table.full_name)])
    old = [f for f in found if f.modified < _plain(limit)]
    if not old or any(in_doubt(lake, name) for name in names):
        return []
    # One job stages rows and quarantine side by side, and two tables show them.
    shown = {uri for name in names for uri in _shown(lake, name)}
    return _delete(lake, data, [f for f in old if f"{data}/{f.key}" not in shown])


def remove_old_metadata(lake: Lake, name: str, older_than: timedelta, now: datetime | None = None) -> list[str]:
    """Delete manifests and metadata files of a table that no kept snapshot needs, as killed commits and expired snapshots
    leave them; returns their keys. Younger ones (and any younger than a commit may take), and those of a table in doubt, are
    left alone. Of the record of publications, which no job stages, the data files go too.
    """
    place = lake.data_location(name)
    folders = [f"{place}/metadata", *([f"{place}/data"] if name == PUBLICATIONS else [])]
    limit = _plain((now or datetime.now(UTC)) - max(older_than, LEEWAY))
    old = {folder: [f for f in list_files(folder, lake.settings, hidden=True) if f.modified < limit] for folder in folders}
    stored = lake.stored(name)
    if stored is None or not any(old.values()) or in_doubt(lake, name):
        return []
    needed = {stored.metadata_location, *(entry.metadata_file for entry in stored.metadata.metadata_log)}
    for snapshot in stored.snapshots():
        needed |= {snapshot.manifest_list, *(manifest.manifest_path for manifest in snapshot.manifests(stored.io))}
    if name == PUBLICATIONS:
        needed |= _shown(lake, name)
    # A metadata file that nobody names may be the one that a recovery needs; it goes once commits have come after it.
    number = _number(stored.metadata_location)
    return [
        key
        for folder, files in old.items()
        for key in _delete(
            lake,
            folder,
            [f for f in files if f"{folder}/{f.key}" not in needed and not (f.key.endswith(SUFFIX) and _number(f.key) >= number)],
        )
    ]


def in_doubt(lake: Lake, name: str) -> bool:
    """Whether the lake holds committed metadata of a table that the catalog does not account for: the catalog was lost or
    set back, or another table was created at the same place. `recover` decides; until then nothing of it is an orphan.
    """
    folder = f"{lake.data_location(name)}/metadata"
    there = {f"{folder}/{f.key}" for f in list_files(folder, lake.settings) if f.key.endswith(SUFFIX)}
    stored = lake.stored(name)
    known = {stored.metadata_location, *(entry.metadata_file for entry in stored.metadata.metadata_log)} if stored else set()
    if there <= known:
        return False
    history = read_history(lake, name)
    # A table that two processes made at a first start has left one that never held anything.
    held = [v for v in history.versions if v.snapshot_id is not None]
    if stored is None:
        return bool(held)
    lineage, number = str(stored.metadata.table_uuid), _number(stored.metadata_location)
    return any(v.lineage != lineage or (history.is_settled(v) and v.number > number) for v in held)


def longest_job(settings: Settings) -> timedelta:
    """An age at which no job that is running can have staged a file, wherever it runs."""
    return timedelta(seconds=settings.job_timeout) + LEEWAY


def _open_since(settings: Settings, table: str) -> Iterable[datetime]:
    """When the remote jobs of a table that are not yet on the books were launched: what they staged came later."""
    if not settings.artifacts_uri:
        return []
    from retail_lake.engines import launches

    return [launch.submitted_at - LEEWAY for launch in launches.open(settings) if launch.table == table]


def _delete(lake: Lake, folder: str, files: Iterable[Stored]) -> list[str]:
    keys = [f.key for f in files]
    delete_files([f"{folder}/{key}" for key in keys], lake.settings)
    return keys


def _shown(lake: Lake, name: str) -> set[str]:
    """Every data file that a kept snapshot of a table shows."""
    stored = lake.stored(name)
    if stored is None:
        return set()
    manifests = {m.manifest_path: m for s in stored.snapshots() for m in s.manifests(stored.io)}
    return {e.data_file.file_path for m in manifests.values() for e in m.fetch_manifest_entry(stored.io, discard_deleted=False)}


def _plain(moment: datetime) -> datetime:
    """As storage tells times: UTC, without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _number(location: str) -> int:
    first = location.rsplit("/", 1)[-1].partition("-")[0]
    return int(first) if first.isdigit() else -1

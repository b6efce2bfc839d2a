"""A table's metadata files as they lie in the lake, without a catalog: which were committed, and which may be the newest.

Belongs here: reading and ordering them. Does not: what a catalog is told (`recover.py`) or what is deleted
(`maintenance.py`).

A commit writes its metadata file first and then tells the catalog, so that a killed or refused commit leaves a file that
never counted. Each file names those before it: whatever another file names was committed. Only of the newest ones, which
no file names yet, that cannot be told from the files alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from retail_lake.lake.lake import Lake
from retail_lake.storage import failures, list_files

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.table.metadata import TableMetadata

SUFFIX: Final = ".metadata.json"


@dataclass(frozen=True)
class Version:
    """One metadata file. `number` is the one its name starts with: each commit's is one more than that of its base."""

    location: str
    number: int
    metadata: TableMetadata

    @property
    def lineage(self) -> str:
        """The id a table got when it was created; one that was created anew at the same place has another."""
        return str(self.metadata.table_uuid)

    @property
    def written_at(self) -> datetime:
        """When its commit was made."""
        return datetime.fromtimestamp(self.metadata.last_updated_ms / 1000, UTC)

    @property
    def snapshot_id(self) -> int | None:
        """The snapshot that readers of it see."""
        return self.metadata.current_snapshot_id

    @property
    def before(self) -> tuple[str, ...]:
        """The files that were the table's before it, the oldest first: the last twenty."""
        return tuple(entry.metadata_file for entry in self.metadata.metadata_log)


@dataclass(frozen=True)
class History:
    """The readable metadata files of a table and the names of those that are not: written by half, or damaged."""

    name: str
    versions: tuple[Version, ...]
    unreadable: tuple[str, ...] = ()

    @cached_property
    def settled(self) -> frozenset[str]:
        """The files that were committed for certain: another one names them as what was there before it."""
        return frozenset(location for version in self.versions for location in version.before)

    def until(self, moment: datetime) -> History:
        """What there was before a moment."""
        return History(self.name, tuple(v for v in self.versions if v.written_at < moment), self.unreadable)

    def lineages(self) -> list[str]:
        """The ids of the tables that were ever created at this place, the one written to last first. One that never held
        anything, as two processes at a first start may leave, counts only if none did."""
        held = [v for v in self.versions if v.snapshot_id is not None] or self.versions
        latest = {v.lineage: v for v in sorted(held, key=lambda v: (v.written_at, v.number))}
        return sorted(latest, key=lambda lineage: latest[lineage].written_at, reverse=True)

    def newest(self, lineage: str) -> Iterator[Version]:
        """The versions of a lineage that may be its newest, the likeliest first: those that no file names and that come
        after all that any names; then the settled ones, backwards."""
        ours = [v for v in self.versions if v.lineage == lineage]
        settled = sorted((v for v in ours if v.location in self.settled), key=lambda v: v.number, reverse=True)
        reached = settled[0].number if settled else -1
        tips = [v for v in ours if v.location not in self.settled and v.number > reached]
        yield from sorted(tips, key=lambda v: (v.number, v.written_at, v.location), reverse=True)
        yield from settled

    def is_settled(self, version: Version) -> bool:
        """Whether it was committed for certain."""
        return version.location in self.settled


def read_history(lake: Lake, name: str) -> History:
    """Every metadata file of a table, as the lake has it now."""
    from pyiceberg.exceptions import ValidationError
    from pyiceberg.serializers import FromInputFile

    folder = f"{lake.data_location(name)}/metadata"
    io = file_io(lake)
    versions, unreadable = [], []
    for stored in list_files(folder, lake.settings):
        if not stored.key.endswith(SUFFIX):
            continue
        location = f"{folder}/{stored.key}"
        try:
            with failures(location):
                versions.append(Version(location, _number(stored.key), FromInputFile.table_metadata(io.new_input(location))))
        except FileNotFoundError:
            continue  # an older one, which a commit has just deleted
        except (ValidationError, ValueError):
            unreadable.append(stored.key)
    return History(name, tuple(versions), tuple(unreadable))


def file_io(lake: Lake) -> FileIO:
    """What reads metadata, as the catalog would."""
    from pyiceberg.io import load_file_io

    return load_file_io(dict(lake.catalog.properties), lake.location)


def _number(key: str) -> int:
    found = key.partition("-")[0].lstrip("v").partition(".")[0]
    return int(found) if found.isdigit() else -1

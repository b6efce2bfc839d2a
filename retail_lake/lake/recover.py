"""The catalog rebuilt from the metadata files in the lake, table by table, after it was lost or fell behind.

Belongs here: which metadata file a table gets back, and what the record of publications says of it then. Does not: the
order of metadata files (`history.py`), or undoing what was published (`rollback.py`).

A table gets the newest version that was committed for certain or is on record, and all of whose files are there. A version
that a commit wrote and nobody can vouch for is passed over: its days are not on record either, and are built again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from retail_lake.contract import Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.lake.commit import retried
from retail_lake.lake.history import History, Version, file_io, read_history
from retail_lake.lake.lake import PUBLICATIONS, Lake, quarantine_name
from retail_lake.lake.publications import Publication
from retail_lake.lake.snapshots import JOB_ID, RUN_ID, said
from retail_lake.storage import filesystem, list_files, list_folders
from retail_lake.tables import TABLES

if TYPE_CHECKING:
    from pyiceberg.io import FileIO

LOST: Final = "lost"
"""The fingerprint of a day whose record and data do not go together any more: no build ever gives it."""
_NAMED: Final = 3


class Did(StrEnum):
    """What became of a table's entry in the catalog."""

    REGISTERED = "registered"
    REPLACED = "replaced"
    LEFT = "as it was"
    REFUSED = "refused"
    GONE = "not recovered"


@dataclass(frozen=True)
class Recovery:
    """One table: what was done, with which metadata file, and what people should know of it."""

    table: str
    did: Did
    location: str = ""
    snapshot_id: int | None = None
    says: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        """Somebody has to decide or to rebuild."""
        return self.did in (Did.REFUSED, Did.GONE)


def recover(
    lake: Lake, tables: Sequence[str] = (), *, replace: bool = False, before: datetime | None = None, act: bool = True
) -> list[Recovery]:
    """Give the catalog back every table that the lake has (or only these), and say what was done with each.

    A table that the catalog shows is left as it is. One whose entry lags behind the lake, or is of another table at the same
    place, is refused unless `replace`. `before` takes the lake back to what it was at that moment, as far as metadata files
    reach. Unless `act`, only looks. Raises `ConfigurationFailure` for a table that the lake does not have.
    """
    found = stored_tables(lake)
    if unknown := sorted(set(tables) - set(found)):
        raise ConfigurationFailure(
            f"{lake.location} has no metadata of {', '.join(unknown)}. It has: {', '.join(found) or 'no table at all'}"
        )
    work = _Recovering(lake, replace, before, act)
    # The record first: it vouches for the commits of the others.
    chosen = [name for name in found if not tables or name in tables]
    done = {name: work.recover(name) for name in sorted(chosen, key=lambda name: name != PUBLICATIONS)}
    return [work.compare(done[name]) for name in chosen]


def stored_tables(lake: Lake) -> list[str]:
    """The full names of the tables whose metadata the lake has, contract or none."""
    names = [f"{space}.{name}" for space in _folders(lake, "") for name in _folders(lake, f"/{space}")]
    return [name for name in names if "metadata" in _folders(lake, f"/{name.replace('.', '/')}")]


def _folders(lake: Lake, below: str) -> list[str]:
    return list_folders(f"{lake.location}{below}", lake.settings)


class _Recovering:
    """One recovery: what is known of publications and files is looked up once."""

    def __init__(self, lake: Lake, replace: bool, before: datetime | None, act: bool) -> None:
        self.lake, self.replace, self.before, self.act = lake, replace, before, act
        self.io: FileIO = file_io(lake)
        self._present: dict[str, set[str]] = {}
        self._recorded: dict[str, list[Publication]] | None = None
        self._chosen: dict[str, Version] = {}

    def recover(self, name: str) -> Recovery:
        """Bring one table's entry in order."""
        history = read_history(self.lake, name)
        says = [f"{key} cannot be read and was passed over" for key in history.unreadable]
        if self.before:
            history = history.until(self.before)
        version, more = self._choose(history)
        says += more
        if version is None:
            return Recovery(name, Did.GONE, says=(*says, _nothing(history, self.before)))
        if (there := version.metadata.location) != self.lake.data_location(name):
            why = f"its files are at {there}: a lake is recovered where it was written, so copy it back there"
            return Recovery(name, Did.GONE, says=(*says, why))
        self._chosen[name] = version
        return self._enter(history, version, says)

    def _choose(self, history: History) -> tuple[Version | None, list[str]]:
        """The version to go on from, and why not a newer one."""
        says: list[str] = []
        lineages = history.lineages()
        if not lineages:
            return None, says
        if len(lineages) > 1:
            says.append(
                f"{len(lineages)} tables were created at this place, one after the other: the one written to last is taken"
            )
        # What is on record comes before what was only written later.
        for version in sorted(history.newest(lineages[0]), key=lambda v: not self._on_record(history, v)):
            name = version.location.rsplit("/", 1)[-1]
            if missing := self._missing(version):
                says.append(f"{name} was passed over: {_some(missing)} is not there")
            elif self._is_doubtful(history, version):
                says.append(f"{name} was passed over: its commit is not on record, and what it would show is to be built again")
            else:
                return version, says
        return None, says

    def _on_record(self, history: History, version: Version) -> bool:
        """Whether it is the newest there is, and the record names what it shows."""
        if history.is_settled(version) or history.name == PUBLICATIONS:
            return False
        return version.snapshot_id in {p.snapshot_id for p in self._of(history.name)} - {None}

    def _is_doubtful(self, history: History, version: Version) -> bool:
        """Whether it would show what a publish of a table wrote, and nothing says that its commit went through."""
        table = TABLES.get(history.name) or next((t for t in TABLES.values() if quarantine_name(t) == history.name), None)
        if table is None or history.is_settled(version) or self._on_record(history, version):
            return False
        if not (known := self._of(table.full_name)):
            return False  # nor would the record know of any other
        settled = next((v for v in history.newest(version.lineage) if history.is_settled(v)), None)
        if settled and settled.snapshot_id == version.snapshot_id:
            return False  # it only forgot old snapshots, or learned a column
        snapshot = version.metadata.snapshot_by_id(version.snapshot_id) if version.snapshot_id else None
        # Of a quarantine the record has no snapshots, but the runs that filled it.
        vouched = table.full_name != history.name and said(snapshot, RUN_ID) in {p.run_id for p in known}
        return bool(said(snapshot, JOB_ID)) and not vouched

    def _missing(self, version: Version) -> list[str]:
        """The files of its current snapshot that are not there, manifests included."""
        snapshot = version.metadata.snapshot_by_id(version.snapshot_id) if version.snapshot_id else None
        if snapshot is None:
            return []
        try:
            return sorted(
                entry.data_file.file_path
                for manifest in snapshot.manifests(self.io)
                for entry in manifest.fetch_manifest_entry(self.io)
                if not self._is_there(entry.data_file.file_path)
            )
        except FileNotFoundError:
            return [f"the list of its files, {snapshot.manifest_list.rsplit('/', 1)[-1]} or what that names,"]

    def _is_there(self, uri: str) -> bool:
        folder, data, _ = uri.rpartition("/data/")
        if not data or not folder.startswith(self.lake.location):
            from pyarrow.fs import FileType

            system, path = filesystem(uri, self.lake.settings)
            return bool(system.get_file_info(path).type == FileType.File)
        place = f"{folder}/data"
        if place not in self._present:
            listed = list_files(place, self.lake.settings, hidden=True)
            self._present[place] = {f"{place}/{file.key}" for file in listed}
        return uri in self._present[place]

    def _enter(self, history: History, version: Version, says: list[str]) -> Recovery:
        name = history.name

        def done(did: Did, *more: str) -> Recovery:
            return Recovery(name, did, version.location, version.snapshot_id, (*says, *more))

        try:
            entry = self.lake.stored(name)
        except FileNotFoundError:
            entry, broken = None, True
        else:
            broken = False
        if broken:
            self._register(name, version, drop=True)
            return done(Did.REPLACED, "the catalog named a metadata file that is not there")
        if entry is None:
            self._register(name, version, drop=False)
            return done(Did.REGISTERED)
        now, catalogs = entry.metadata_location, str(entry.metadata.table_uuid)
        if now == version.location:
            return Recovery(name, Did.LEFT, now, version.snapshot_id, tuple(says))
        if (
            self.before is None
            and catalogs == version.lineage
            and not self._lags(history, version, now, entry.metadata.current_snapshot_id)
        ):
            # Who else should know? A file on top of it is a commit's that never went through.
            self._chosen.pop(name)
            return Recovery(name, Did.LEFT, now, entry.metadata.current_snapshot_id)
        if not self.replace:
            self._chosen.pop(name)
            why = "another table at the same place" if catalogs != version.lineage else "another version"
            told = f"the catalog shows {why}, {now.rsplit('/', 1)[-1]}: --replace takes {version.location.rsplit('/', 1)[-1]}"
            return done(Did.REFUSED, told)
        self._register(name, version, drop=True)
        return done(Did.REPLACED)

    def _lags(self, history: History, version: Version, now: str, shows: int | None) -> bool:
        """Whether commits that went through came after the file that the catalog names, which shows that snapshot."""
        numbers = {v.location: v.number for v in history.versions}
        later = {number for location, number in numbers.items() if location in history.settled and number > numbers.get(now, -1)}
        return bool(later) or (version.snapshot_id != shows and self._on_record(history, version))

    def _register(self, name: str, version: Version, *, drop: bool) -> None:
        if not self.act:
            return
        from pyiceberg.exceptions import TableAlreadyExistsError

        catalog = self.lake.catalog
        retried(lambda: catalog.create_namespace_if_not_exists(name.partition(".")[0]), f"creating the namespace of {name}")
        if drop:
            catalog.drop_table(name)
        try:
            retried(lambda: catalog.register_table(name, version.location), f"registering {name}")
        except TableAlreadyExistsError:
            raise ConfigurationFailure(
                f"{name} was created meanwhile: stop what publishes to this lake and recover again"
            ) from None

    def _of(self, table: str) -> list[Publication]:
        return self._record().get(table, [])

    def _record(self) -> dict[str, list[Publication]]:
        """What is on record, by table: by the catalog, or else by the newest record that the lake has."""
        if self._recorded is None:
            self._recorded = {}
            for publication in self._read_record():
                self._recorded.setdefault(publication.table, []).append(publication)
        return self._recorded

    def _read_record(self) -> Iterable[Publication]:
        from pyiceberg.table import StaticTable

        from retail_lake.lake import publications

        version = self._chosen.get(PUBLICATIONS)
        if version is None:
            try:
                if known := self.lake.publications():
                    return known
            except FileNotFoundError:
                pass
            history = read_history(self.lake, PUBLICATIONS)
            version, _ = self._choose(history.until(self.before) if self.before else history)
        if version is None:
            return []
        return publications.read(StaticTable.from_metadata(version.location, dict(self.lake.catalog.properties)))

    def compare(self, found: Recovery) -> Recovery:
        """Hold what a table shows now against what is on record; days that do not agree will be built again."""
        version, table = self._chosen.get(found.table), TABLES.get(found.table)
        if version is None or table is None:
            return found
        rows = self._rows(table, version)
        wrong = [p for p in self._of(found.table) if p.visible and not _agrees(p, version, rows.get(p.day, 0))]
        unknown = sorted(set(rows) - {p.day for p in self._of(found.table) if p.visible}, key=str)
        says = list(found.says)
        if unknown:
            says.append(f"{_days(unknown)} not on record: to be built again")
        if wrong:
            says.append(f"{_days([p.day for p in wrong])} not as recorded: to be built again")
            if self.act:
                self.lake.amend(
                    found.table, lambda known: [_lost(known[p.day], rows.get(p.day, 0)) for p in wrong if p.day in known]
                )
        return Recovery(found.table, found.did, found.location, found.snapshot_id, tuple(says))

    def _rows(self, table: Table, version: Version) -> dict[date | None, int]:
        """Rows by day as the version's readers see them."""
        from pyiceberg.table import StaticTable

        from retail_lake.lake.lake import day_of

        stored = StaticTable.from_metadata(version.location, dict(self.lake.catalog.properties))
        snapshot = stored.current_snapshot()
        rows: dict[date | None, int] = {}
        for manifest in snapshot.manifests(self.io) if snapshot else ():
            for entry in manifest.fetch_manifest_entry(self.io):
                day = day_of(entry.data_file) if table.day else None
                rows[day] = rows.get(day, 0) + entry.data_file.record_count
        return rows


def _agrees(publication: Publication, version: Version, rows: int) -> bool:
    """Whether a version shows what is on record: as many rows, and not of a commit that it does not know yet."""
    known = {s.snapshot_id for s in version.metadata.snapshots}
    later = publication.snapshot_id not in known and publication.published_at.astimezone(UTC) > version.written_at
    return publication.rows == rows and not (publication.snapshot_id and later and publication.status != "blocked")


def _lost(publication: Publication, rows: int) -> Publication:
    return replace(
        publication, fingerprint=LOST, refused="", rows=rows, changes=((date.min, LOST),) if publication.changes else ()
    )


def _nothing(history: History, before: datetime | None) -> str:
    if before and not history.versions:
        return f"no metadata file is from before {before:%Y-%m-%d %H:%M:%S} UTC"
    return "no version of it is whole: build it again from landing"


def _some(names: Sequence[str]) -> str:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"{names[0]}{more}"


def _days(days: Sequence[date | None]) -> str:
    named = ", ".join(str(d) if d else "the whole table" for d in days[:_NAMED])
    more = f" and {len(days) - _NAMED} more days" if len(days) > _NAMED else ""
    return f"{named}{more} {'is' if len(days) == 1 else 'are'}"

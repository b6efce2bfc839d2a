"""Three clients of what is published: pyiceberg, DuckDB on a table's metadata, SQL on the warehouse.

Belongs here: reading a table once, as somebody would who knows nothing of the flow. Does not: what to make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from retail_lake.config import Settings
from retail_lake.contract import Layer, Table
from retail_lake.tables import TABLES
from retail_lake_tests.faults import redshift
from retail_lake_tests.faults.digest import WHOLE, Days, by_day
from retail_lake_tests.s3 import KEY, SECRET

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

GOLD: Final[dict[str, Table]] = {name: table for name, table in TABLES.items() if table.layer is Layer.GOLD}
PYICEBERG: Final = "pyiceberg"


class Busy(Exception):
    """Nothing to read at this moment: not there yet, or held by a writer. That is nobody's fault."""


class Read(NamedTuple):
    """What was read of a table: each day's content, and the jobs' folders that its rows lie in, where the client can tell."""

    days: Days
    folders: dict[str, frozenset[str]]


class Clients:
    """A reader's own connections. Raises `Busy`, or whatever a client raises that does not find what it was told is there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.by_name: dict[str, Callable[[str], Read]] = {
            PYICEBERG: self.with_pyiceberg,
            "DuckDB on the lake": self.with_duckdb,
            "SQL on the warehouse": self.in_warehouse,
        }

    def names(self) -> list[str]:
        """Every table that the catalog has."""
        return [".".join(name) for (space,) in self._catalog.list_namespaces() for name in self._catalog.list_tables(space)]

    def with_pyiceberg(self, name: str) -> Read:
        """A table of the lake."""
        return self._read(name, self._stored(name))

    def versions(self, name: str, since: str) -> Iterator[tuple[str, Read]]:
        """Every state a table of the lake was in, if for a moment, after the one whose metadata is `since` or from its first;
        at least the present one. The metadata of those that are past are kept for some twenty commits."""
        from pyiceberg.table import StaticTable

        stored = self._stored(name)
        past = [entry.metadata_file for entry in stored.metadata.metadata_log]
        if since in past:
            past = past[past.index(since) + 1 :]
        elif since == stored.metadata_location:
            past = []
        for location in past:
            with suppress(FileNotFoundError):
                yield location, self._read(name, StaticTable.from_metadata(location, stored.io.properties))
        yield stored.metadata_location, self._read(name, stored)

    def _read(self, name: str, stored: IcebergTable) -> Read:
        day = day_of(name)
        scan = stored.scan()
        folders: dict[str, set[str]] = {}
        for task in scan.plan_files():
            folder = task.file.file_path.split("/data/")[1].split("/")[0]
            folders.setdefault(_day(task.file.partition[0]) if day else WHOLE, set()).add(folder)
        self._duckdb.register("read", scan.to_arrow())
        try:
            return Read(by_day(self._duckdb, "read", day), {d: frozenset(found) for d, found in folders.items()})
        finally:
            self._duckdb.unregister("read")

    def with_duckdb(self, name: str) -> Read:
        """The same table, by the address of its metadata alone."""
        stored = self._stored(name)
        return Read(by_day(self._duckdb, f"iceberg_scan('{stored.metadata_location}')", day_of(name)), {})

    def in_warehouse(self, name: str) -> Read:
        """A table of gold as the warehouse serves it."""
        if self._settings.warehouse == "duckdb":
            return self._in_file(name)
        try:
            return Read(redshift.read(TABLES[name], self._settings.redshift_schema, self._duckdb), {})
        except redshift.Unanswered as error:
            raise Busy(name) from error

    def _in_file(self, name: str) -> Read:
        """The same in a DuckDB file, which is held no longer than that takes: writers wait for it."""
        import duckdb

        path, table = self._settings.warehouse_path, TABLES[name]
        if not path.exists():
            raise Busy(str(path))
        try:
            self._duckdb.execute(f"ATTACH '{path}' AS warehouse (READ_ONLY)")
        except duckdb.IOException as error:
            if "lock" in str(error):
                raise Busy(str(path)) from error
            raise
        try:
            return Read(by_day(self._duckdb, f'warehouse.main."{table.name}"', table.day), {})
        except duckdb.CatalogException as error:
            raise Busy(name) from error
        finally:
            self._duckdb.execute("DETACH warehouse")

    def _stored(self, name: str) -> IcebergTable:
        from pyiceberg.exceptions import NoSuchTableError
        from sqlalchemy.exc import OperationalError

        try:
            return self._catalog.load_table(name)
        except (NoSuchTableError, OperationalError) as error:
            raise Busy(name) from error

    @cached_property
    def _catalog(self) -> Catalog:
        from sqlalchemy.exc import OperationalError

        from retail_lake.lake.catalog import open_catalog

        if self._settings.catalog_uri.startswith("sqlite") and not self._settings.home.joinpath("catalog.db").exists():
            raise Busy("no catalog")
        uri = self._settings.lake_uri
        try:
            return open_catalog(self._settings, uri if "://" in uri else f"file://{uri}")
        except OperationalError as error:
            # The first two processes of a new lake may both find the catalog's own tables missing; the flow opens it again then.
            raise Busy("no catalog yet") from error

    @cached_property
    def _duckdb(self) -> DuckDBPyConnection:
        """DuckDB with its Iceberg extension, as anybody would load it, but without a network."""
        import duckdb
        from duckdb_extensions import import_extension

        connection = duckdb.connect(config={"threads": 1, "autoinstall_known_extensions": "false"})
        connection.execute("SET TimeZone = 'UTC'; SET enable_external_file_cache = false")
        for extension in ("avro", "iceberg", *(["httpfs"] if self._settings.s3_endpoint else [])):
            import_extension(extension, con=connection)
            connection.execute(f"LOAD {extension}")
        if address := self._settings.s3_endpoint.removeprefix("http://"):
            server = f"ENDPOINT '{address}', URL_STYLE 'path', USE_SSL false"
            connection.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', {server})")
        return connection


def day_of(name: str) -> str | None:
    """The column of a table's days; of quarantine and the publications' too."""
    if name in TABLES:
        return TABLES[name].day
    return "_day" if name.startswith("quarantine.") else None


def _day(held: Any) -> str:
    from datetime import date, timedelta

    return str(date(1970, 1, 1) + timedelta(days=held)) if isinstance(held, int) else str(held)

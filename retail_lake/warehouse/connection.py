"""Connections to the warehouse file: one writer at a time, anyone else waits a bounded time and is told for whom.

Belongs here: opening and locks. Does not: what is done with the connection.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retail_lake.config import Settings
from retail_lake.failure import DataFailure, TransientFailure
from retail_lake.spill import spill_folder

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DAMAGED: Final = re.compile("not a valid DuckDB database|could not read enough bytes|corrupt", re.IGNORECASE)


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string in SQL."""
    return "'" + text.replace("'", "''") + "'"


def path_of(uri: str) -> str:
    """A published file as DuckDB names it, in what it reads and in what it reports: local files without a scheme."""
    return uri.removeprefix("file://")


@contextmanager
def open_memory(settings: Settings) -> Iterator[DuckDBPyConnection]:
    """An in-memory database with the lake's limits, time zone and, for a lake on S3, its access. Times are UTC."""
    import duckdb

    connection = duckdb.connect(config={"memory_limit": settings.memory_limit, "autoinstall_known_extensions": "false"})
    try:
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET enable_progress_bar = false")
        if settings.threads:
            connection.execute(f"SET threads = {settings.threads}")
        connection.execute(f"SET temp_directory = {literal(str(spill_folder(settings)))}")
        if settings.lake_uri.startswith("s3://"):
            _use_s3(connection, settings)
        yield connection
    finally:
        connection.close()


def attach(connection: DuckDBPyConnection, path: Path, *, read_only: bool, wait: float) -> None:
    """Attach the warehouse file as `warehouse`, created if it is not there.

    Waits up to `wait` seconds for another process that holds its lock, then raises `TransientFailure` naming it. Raises
    `DataFailure` for a file that is no database, or not a whole one.
    """
    import duckdb

    options = " (READ_ONLY)" if read_only else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    until, pause = time.monotonic() + wait, 0.05
    while True:
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS warehouse{options}")
            return
        except duckdb.IOException as error:
            if _DAMAGED.search(str(error)):
                raise DataFailure(
                    f"The warehouse {path} is damaged ({error}). Move the file away, and load a new one from the lake: "
                    "retail-lake reload --all"
                ) from error
            if "lock" not in str(error):
                raise
            if time.monotonic() >= until:
                holder = re.search(r"held in (.+?\(PID \d+\))", str(error))
                raise TransientFailure(
                    f"The warehouse {path} is in use by {holder[1] if holder else 'another process'}, and still was after "
                    f"{wait:g} s. DuckDB lets one process write: close that program or wait for its load to end, then try again."
                ) from None
            time.sleep(pause)
            pause = min(pause * 2, 1.0)


def _use_s3(connection: DuckDBPyConnection, settings: Settings) -> None:
    """Let DuckDB read the lake's bucket with the credentials that AWS's own chain finds."""
    import boto3
    from duckdb_extensions import import_extension

    import_extension("httpfs", con=connection)
    found = boto3.Session().get_credentials()
    options = {"REGION": settings.region}
    if found:
        frozen = found.get_frozen_credentials()
        options |= {"KEY_ID": frozen.access_key or "", "SECRET": frozen.secret_key or "", "SESSION_TOKEN": frozen.token or ""}
    if settings.s3_endpoint:
        scheme, _, host = settings.s3_endpoint.rpartition("://")
        options |= {"ENDPOINT": host.rstrip("/"), "URL_STYLE": "path", "USE_SSL": "false" if scheme == "http" else "true"}
    given = ", ".join(f"{k} {literal(v)}" for k, v in options.items() if v)
    connection.execute(f"CREATE SECRET lake (TYPE s3, {given})")

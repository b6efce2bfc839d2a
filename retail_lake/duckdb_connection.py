"""Connections to DuckDB as the project uses it: UTC, bounded memory, what spills in the home, nothing downloaded, S3 with the
credentials that AWS's own chain finds.

Belongs here: opening one, and how it names files. Does not: what is done with it (`jobs/duckdb_session.py`, `warehouse/`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retail_lake.config import Settings
from retail_lake.spill import spill_folder
from retail_lake.sql.quote import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def path_of(uri: str) -> str:
    """A file as DuckDB names it, in what it reads and in what it reports: local files without a scheme."""
    return uri.removeprefix("file://")


def connect(settings: Settings) -> DuckDBPyConnection:
    """A database in memory, which reads and writes S3 where the lake or its landing is there. Close it, or use it in a `with`.

    A credential that is missing or wrong shows when S3 refuses.
    """
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": settings.memory_limit,
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    if settings.threads:
        config["threads"] = settings.threads
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET temp_directory = {literal(str(spill_folder(settings)))}")
    connection.execute("SET partitioned_write_max_open_files = 1000")
    if "s3://" in f"{settings.lake_uri} {settings.landing_uri}":
        _use_s3(connection, settings)
    return connection


def _use_s3(connection: DuckDBPyConnection, settings: Settings) -> None:
    import boto3
    from duckdb_extensions import import_extension

    import_extension("httpfs", con=connection)
    connection.execute("LOAD httpfs")
    options = {"REGION": settings.region}
    if (found := boto3.Session().get_credentials()) is not None:
        frozen = found.get_frozen_credentials()
        options |= {"KEY_ID": frozen.access_key or "", "SECRET": frozen.secret_key or "", "SESSION_TOKEN": frozen.token or ""}
    if settings.s3_endpoint:
        scheme, _, host = settings.s3_endpoint.rpartition("://")
        options |= {"ENDPOINT": host.rstrip("/"), "URL_STYLE": "path", "USE_SSL": "false" if scheme == "http" else "true"}
    given = ", ".join(f"{name} {literal(value)}" for name, value in options.items() if value)
    connection.execute(f"CREATE SECRET (TYPE s3, {given})")

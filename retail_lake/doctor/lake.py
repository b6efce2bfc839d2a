"""The catalog: reached, readable, and, as far as that can be told without making anything, writable.

Belongs here: what is asked of the Iceberg catalog. Does not: files (`buckets.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from retail_lake.aws import client, code_of
from retail_lake.config import Settings
from retail_lake.contract import Layer
from retail_lake.doctor.check import Check, Doubt
from retail_lake.lake.catalog import is_glue
from retail_lake.lake.lake import PUBLICATIONS, Lake


def checks(settings: Settings, after: str) -> Iterator[Check]:
    """What there is to look at of the catalog."""
    yield Check("catalog", partial(_read, settings), "glue", after if is_glue(settings.catalog_uri) else "")
    if is_glue(settings.catalog_uri):
        yield Check("catalog writable", partial(_written, settings), "glue", "catalog")


def _read(settings: Settings) -> str:
    made = settings.catalog_uri.removeprefix("sqlite:///")
    if made != settings.catalog_uri and not Path(made).exists():
        return f"{made} is made by the first run"
    lake = Lake(settings)
    spaces = [".".join(space) for space in lake.catalog.list_namespaces()]
    ours = [space for space in spaces if space in {*map(str, Layer)}]
    lake.stored(PUBLICATIONS)
    return f"{_shown(settings.catalog_uri)} is readable and has {', '.join(sorted(ours)) or 'nothing of this lake yet'}"


def _shown(uri: str) -> str:
    """The address without what an SQLAlchemy address may have of a password."""
    scheme, _, rest = uri.rpartition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if scheme else rest


def _written(settings: Settings) -> str:
    """Ask for what cannot be carried out: a table where there is no database, or one that is there already. Whoever may
    not make tables is refused before Glue looks whether it could be made."""
    glue = client("glue", settings)
    for database in map(str, Layer):
        table = _a_table(glue, database)
        if table == "":
            continue
        try:
            glue.create_table(DatabaseName=database, TableInput={"Name": table or "retail_lake_doctor"})
        except glue.exceptions.ClientError as error:
            if code_of(error) in ("AlreadyExistsException", "EntityNotFoundException"):
                return "tables may be made"
            raise
        break
    raise Doubt("whether tables may be made shows when the first one is: every database there is has none yet")


def _a_table(glue: Any, database: str) -> str | None:
    """The name of a table in the database; empty if it has none, None if there is no such database."""
    try:
        found = glue.get_tables(DatabaseName=database, MaxResults=1)["TableList"]
    except glue.exceptions.ClientError as error:
        if code_of(error) == "EntityNotFoundException":
            return None
        raise
    return str(found[0]["Name"]) if found else ""

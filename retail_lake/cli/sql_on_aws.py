"""Questions answered on AWS: by Athena, which reads the lake, and by Redshift, which serves gold.

Belongs here: what `retail-lake sql --on athena|redshift` asks them. Does not: how they are asked (`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from retail_lake.cli.sql import Found
from retail_lake.failure import ConfigurationFailure, Failure
from retail_lake.sql.reading import one_select

if TYPE_CHECKING:
    from retail_lake.config import Settings
    from retail_lake.warehouse.athena import Athena

_REDSHIFT_NUMBERS: Final = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})


@contextmanager
def on_athena(settings: Settings, query: str) -> Iterator[Found]:
    """Ask Athena, and say what it took."""
    from retail_lake.warehouse.athena import Athena
    from retail_lake.warehouse.athena_values import NUMBERS

    athena = Athena(settings, "retail-lake sql")
    found = athena.query(one_select(query, "athena"))
    took = f"{found.scanned_bytes:,} bytes scanned, {found.dollars:.6f} dollars by the list price, {found.seconds:.1f} s"
    notes = [note for note in (took, found.warning, _unguarded(athena)) if note]
    yield Found(
        [name for name, _ in found.columns], [name for name, type_ in found.columns if type_ in NUMBERS], found.rows, notes
    )


def _unguarded(athena: Athena) -> str:
    """What is wrong with the workgroup's own limit; nothing where it may not be looked at."""
    try:
        found = athena.unguarded()
    except Failure:
        return ""
    return f"Mind that {found}." if found else ""


@contextmanager
def on_redshift(settings: Settings, query: str) -> Iterator[Found]:
    """Ask Redshift through its Data API; plain names are tables of the served schema."""
    from retail_lake.warehouse.data_api import DataApi, Statement

    api = DataApi(settings, "retail-lake sql")
    schema = settings.redshift_schema.replace('"', '""')
    # One session for both: the Data API has no other way to say where plain names are.
    statements = [Statement(f'SET search_path TO "{schema}"'), Statement(one_select(query, "redshift"))]
    try:
        ended = api.transaction(statements)
    except RuntimeError as error:
        # In a load it would be a mistake of ours; here a person wrote it.
        raise ConfigurationFailure(str(error)) from None
    found = api.rows(f"{ended.id}:2")
    numbers = [name for name, type_ in found.columns if type_ in _REDSHIFT_NUMBERS]
    yield Found([name for name, _ in found.columns], numbers, iter(found.rows))

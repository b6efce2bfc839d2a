"""Names and strings as SQL writes them, on DuckDB and on Redshift alike."""

from __future__ import annotations


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string in SQL."""
    return "'" + text.replace("'", "''") + "'"

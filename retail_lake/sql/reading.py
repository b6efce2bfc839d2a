"""Whether a person's statement only reads: one SELECT, in the dialect of whoever will answer it.

Belongs here: refusing what changes something. Does not: the portable subset that tables are written in (`portable.py`). It
keeps people from mistakes; what keeps them from harm is the rights of the role they ask with.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from retail_lake.failure import ConfigurationFailure

_READS: Final = re.compile(r"(\s|--[^\n]*(\n|$)|/\*.*?\*/|\()*(select|with|values)\b", re.IGNORECASE | re.DOTALL)
_CHANGES: Final = (exp.DML, exp.DDL, exp.Into, exp.Lock, exp.Command)


def one_select(query: str, dialect: Literal["athena", "redshift"]) -> str:
    """The query without its closing semicolon. Raises `ConfigurationFailure` unless it is one statement that only reads."""
    refused = ConfigurationFailure(
        f"`retail-lake sql --on {dialect}` answers one SELECT and changes nothing. To write a file: --csv > file.csv"
    )
    if not _READS.match(query):
        raise refused
    try:
        statements = [s for s in sqlglot.parse(query, read=dialect) if s is not None]
    except SqlglotError as error:
        words = re.sub(r"\x1b\[\d*m", "", str(error)).strip().splitlines()[0]
        raise ConfigurationFailure(f"{dialect} could not read this: {words}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise refused
    # A query is DDL to SQLGlot too, because it may stand where a table is made.
    if any(not isinstance(node, exp.Query) for node in statements[0].find_all(*_CHANGES)):
        raise refused
    return query.strip().rstrip(";").rstrip()

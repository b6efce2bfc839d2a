"""Redshift's SQL, read as far as it is known here, and said to PostgreSQL.

Accepted is what is listed; what Redshift is known to refuse, and what nobody checked, is refused. Belongs here: statements.
Does not: COPY (`redshift_copy.py`), running (`redshift.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

COMMENTS = re.compile(r"^(\s*(/\*.*?\*/|--[^\n]*\n))*\s*", re.DOTALL)
_NAME = r'(?:"[^"]+"|[a-z_][a-z0-9_]*)'
_TABLE = rf"{_NAME}(?:\.{_NAME})?"
_NAMES = rf"\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)"
_LOCK = re.compile(rf"LOCK\s+(?:TABLE\s+)?({_TABLE}(?:\s*,\s*{_TABLE})*)\s*;?", re.IGNORECASE)
_PATH = re.compile(rf"SET\s+search_path\s+(?:TO|=)\s+{_NAME}(?:\s*,\s*{_NAME})*\s*;?", re.IGNORECASE)
_CREATE = re.compile(
    rf"CREATE\s+(?P<temp>(?:LOCAL\s+)?TEMP(?:ORARY)?\s+)?TABLE\s+(?P<exists>IF\s+NOT\s+EXISTS\s+)?(?P<name>{_TABLE})\s*\(",
    re.IGNORECASE,
)
_LAYOUT = re.compile(
    r"(?:\s*BACKUP\s+(?:YES|NO))?"
    r"(?:\s*DISTSTYLE\s+(?P<style>AUTO|EVEN|KEY|ALL))?"
    rf"(?:\s*DISTKEY\s*(?P<dist>{_NAMES}))?"
    rf"(?:\s*(?:(?:COMPOUND\s+|INTERLEAVED\s+)?SORTKEY\s*(?P<sort>{_NAMES})|SORTKEY\s+AUTO))?"
    r"(?:\s*ENCODE\s+AUTO)?\s*;?\s*",
    re.IGNORECASE,
)
_COLUMN = re.compile(
    rf"(?P<name>{_NAME})\s+(?P<type>[a-z][a-z ]*(?:\(\s*(?:\d+|max)\s*(?:,\s*\d+\s*)?\))?(?:\s+with(?:out)?\s+time\s+zone)?)"
    r"(?P<rest>(?:\s+(?:NOT\s+NULL|NULL|ENCODE\s+(?:RAW|AZ64|LZO|ZSTD|BYTEDICT|DELTA|DELTA32K|RUNLENGTH|TEXT255|TEXT32K)))*)",
    re.IGNORECASE,
)
_LENGTHS = {"varchar": 65535, "character varying": 65535, "char": 4096, "character": 4096}
_TYPES = {
    "bigint": "bigint", "int8": "bigint", "integer": "integer", "int": "integer", "int4": "integer", "smallint": "smallint",
    "boolean": "boolean", "bool": "boolean", "double precision": "double precision", "float8": "double precision",
    "float": "double precision", "real": "real", "date": "date", "timestamp": "timestamp",
    "timestamp without time zone": "timestamp", "super": "public.super",
}  # fmt: skip
_UNKNOWN = (exp.OnConflict, exp.Returning, exp.Filter, exp.Array, exp.Distinct)
_READS = (exp.Select, exp.Union, exp.Except, exp.Intersect)
_WRITES = (exp.Insert, exp.Delete, exp.Update)


class Refused(Exception):
    """What the database answers instead of running a statement."""


def bare(sql: str) -> str:
    """The statement without comments before it."""
    return COMMENTS.sub("", sql, count=1).strip()


def verb(sql: str) -> str:
    """The word that the statement begins with."""
    return re.split(r"\W", bare(sql), maxsplit=1)[0].upper()


def placeholders(sql: str) -> set[str]:
    """The names of the parameters in a statement: `:name` outside of strings, names and comments."""
    tokens = re.sub(r"/\*.*?\*/|--[^\n]*|'(?:[^'\\]|\\.|'')*'|\"[^\"]*\"|::", " ", sql, flags=re.DOTALL)
    return set(re.findall(r":([0-9a-zA-Z_]+)", tokens))


def translated(sql: str, parameters: Mapping[str, str]) -> str:
    """The statement for PostgreSQL, parameters put in. Raises `Refused`."""
    text = bare(sql)
    if found := _LOCK.fullmatch(text):
        return f"LOCK TABLE {found[1]} IN ACCESS EXCLUSIVE MODE"
    if _PATH.fullmatch(text):
        return text
    if found := _CREATE.match(text):
        return _create_table(text, found)
    if verb(sql) in ("LOCK", "COPY", "UNLOAD", "VACUUM", "GRANT", "SET", "BEGIN", "COMMIT", "ROLLBACK", "END"):
        raise Refused(f'syntax error at or near "{verb(sql).lower()}" (not known to this Redshift)')
    try:
        trees = sqlglot.parse(text, dialect="redshift")
    except SqlglotError as error:
        raise Refused(f"syntax error: {error}") from None
    if len(trees) != 1 or trees[0] is None:
        raise Refused("cannot insert multiple commands into a prepared statement")
    tree = trees[0]
    _check(tree)
    for place in list(tree.find_all(exp.Placeholder)):
        place.replace(exp.Literal.string(parameters[place.name]))
    return tree.sql("postgres", comments=False)


def tables_of(sql: str) -> bool:
    """Whether a query reads tables of users: then compute nodes run it, and word their errors in their own way."""
    return bool(re.search(r"\bFROM\b", bare(sql), re.IGNORECASE)) and "pg_namespace" not in sql


def _check(tree: exp.Expr) -> None:
    if isinstance(tree, exp.Create):
        if tree.kind != "SCHEMA":
            raise Refused(f"CREATE {tree.kind} is not known to this Redshift")
        return
    if isinstance(tree, exp.Drop):
        if tree.kind not in ("TABLE", "SCHEMA"):
            raise Refused(f"DROP {tree.kind} is not known to this Redshift")
        return
    if isinstance(tree, exp.Alter):
        _check_alter(tree)
        return
    if isinstance(tree, (exp.Comment, exp.TruncateTable)):
        return
    if not isinstance(tree, (*_READS, *_WRITES)):
        raise Refused(f"syntax error at or near {tree.sql('redshift')[:40]!r} (not known to this Redshift)")
    for node in tree.find_all(*_UNKNOWN):
        if not isinstance(node, exp.Distinct) or node.args.get("on"):
            raise Refused(f"syntax error at or near {node.sql('postgres')[:40]!r}")
    if "PG_LAST_COPY_COUNT" in tree.sql().upper() and tree.find(exp.Table):
        raise Refused("Specified types or functions (one per INFO message) not supported on Redshift tables.")


def _check_alter(tree: exp.Alter) -> None:
    actions = tree.args.get("actions") or []
    if tree.kind != "TABLE" or any(isinstance(a, exp.AlterColumn) for a in actions):
        # Redshift changes only the length of a VARCHAR, and that not in a transaction.
        raise Refused("ALTER TABLE ALTER COLUMN cannot run inside a transaction block")
    if len(actions) != 1 or not isinstance(actions[0], exp.ColumnDef):
        raise Refused("ALTER TABLE adds one column at a time")
    _type(actions[0].args["kind"].sql("postgres"))


def _create_table(text: str, found: re.Match[str]) -> str:
    """Columns with PostgreSQL's types; the layout is checked and forgotten."""
    inner, rest = _balanced(text, found.end())
    columns = [_column(part.strip()) for part in _split(inner)]
    layout = _LAYOUT.fullmatch(rest)
    if layout is None:
        raise Refused(f'syntax error at or near "{rest.strip()[:40]}"')
    names = {name.strip('"'): type_ for name, type_, _ in columns}
    if (layout["style"] or "").upper() not in ("", "KEY") and layout["dist"]:
        raise Refused(f"DISTSTYLE {layout['style']} does not allow DISTKEY")
    if (layout["style"] or "").upper() == "KEY" and not layout["dist"]:
        raise Refused("DISTSTYLE KEY requires DISTKEY")
    keys = [n.strip(' "') for group in (layout["dist"], layout["sort"]) if group for n in group.strip("()").split(",")]
    if layout["dist"] and "," in layout["dist"]:
        raise Refused("DISTKEY takes one column")
    for key in keys:
        if key not in names:
            raise Refused(f'column "{key}" named in DISTKEY or SORTKEY does not exist')
        if names[key] == "public.super":
            raise Refused(f'column "{key}" of type super cannot be a DISTKEY or SORTKEY')
    temp, exists = ("TEMP " if found["temp"] else ""), ("IF NOT EXISTS " if found["exists"] else "")
    made = ", ".join(f"{name} {type_}{' NOT NULL' if required else ''}" for name, type_, required in columns)
    return f"CREATE {temp}TABLE {exists}{found['name']} ({made})"


def _column(text: str) -> tuple[str, str, bool]:
    found = _COLUMN.fullmatch(text)
    if found is None:
        raise Refused(f'syntax error at or near "{text[:40]}"')
    return found["name"], _type(found["type"]), bool(re.search(r"NOT\s+NULL", found["rest"], re.IGNORECASE))


def _type(text: str) -> str:
    kind = " ".join(text.lower().split())
    if kind in _TYPES:
        return _TYPES[kind]
    if found := re.fullmatch(r"(varchar|character varying|char|character)\s?\(\s?(\d+|max)\s?\)", kind):
        length = _LENGTHS[found[1]] if found[2] == "max" else int(found[2])
        if length > _LENGTHS[found[1]]:
            raise Refused(f"length for type {found[1]} cannot exceed {_LENGTHS[found[1]]}")
        return f"varchar({length})" if "var" in found[1] else f"char({length})"
    if found := re.fullmatch(r"(?:numeric|decimal)\s?\(\s?(\d+)\s?,\s?(\d+)\s?\)", kind):
        if int(found[1]) > 38 or int(found[2]) > int(found[1]):
            raise Refused(f"NUMERIC precision {found[1]} must be between 1 and 38")
        return f"numeric({found[1]},{found[2]})"
    raise Refused(f'type "{kind}" does not exist, or should have its length said')


def _balanced(text: str, start: int) -> tuple[str, str]:
    """What is inside the bracket that was opened before `start`, and what follows it."""
    depth = 1
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return text[start:position], text[position + 1 :]
    raise Refused("syntax error at end of input")


def _split(inner: str) -> list[str]:
    """The parts between the commas outside every bracket."""
    parts, depth, start = [], 0, 0
    for position, char in enumerate(inner):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(inner[start:position])
            start = position + 1
    return [*parts, inner[start:]]

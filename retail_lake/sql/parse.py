"""Spark SQL to a syntax tree, once per text, and the inputs that the tree names.

Belongs here: reading SQL and saying what it reads from. Does not: judging it (`portable`) or changing it (`render`).
Trees are cached and shared: whoever changes one copies it first.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokens import TokenType

from retail_lake.contract import Layer, Table
from retail_lake.failure import ConfigurationFailure

# Databricks' is SQLGlot's Spark dialect with ANSI casts: only there do CAST and TRY_CAST stay two different things.
READ: Final = "databricks"
RUN_DAYS: Final = "run.days"
LAYERS: Final = frozenset({*map(str, Layer), "run"})
_QUERY: Final = re.compile(r"\s*(--[^\n]*\n\s*)*(select|with)\b", re.IGNORECASE)


@lru_cache(maxsize=2048)
def parse(sql: str, owner: str = "SQL") -> exp.Expr:
    """The tree of one SELECT, or of one stand-alone expression such as a predicate.

    `owner` is who wrote it, for the message. Raises `ConfigurationFailure` where it cannot be parsed.
    """
    is_query = _QUERY.match(sql) is not None
    try:
        statements = sqlglot.parse(_statement(sql), read=READ)
    except SqlglotError as error:
        raise ConfigurationFailure(f"{owner}: cannot read the SQL: {_first_line(error)}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ConfigurationFailure(f"{owner}: one SELECT is expected, found {len(statements)} statements: {sql[:80]!r}")
    tree = statements[0]
    # SQLGlot knows functions of these names from other dialects; here they are macros.
    for node in list(tree.find_all(exp.WeekStart)):
        node.replace(exp.Anonymous(this="week_start", expressions=[node.this]))
    if is_query:
        return tree
    if len(tree.expressions) != 1 or tree.args.get("from_"):
        raise ConfigurationFailure(f"{owner}: one expression is expected: {sql[:80]!r}")
    return tree.expressions[0].pop()


def _statement(sql: str) -> str:
    """What is parsed: the text itself, or a SELECT of the expression that it is."""
    return sql if _QUERY.match(sql) else f"SELECT {sql}"


def as_written(node: exp.Expr, sql: str) -> str:
    """A function's call as it stands in the text that it was parsed from, where a tree may have it under another name.

    Empty for what is no call.
    """
    if "start" not in node.meta:
        return ""
    text, open_ = _statement(sql)[node.meta["start"] :], 0
    for number, token in enumerate(sqlglot.tokenize(text, read=READ)):
        open_ += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if number and not open_:
            return " ".join(text[: token.end + 1].split()) if token.token_type is TokenType.R_PAREN else ""
    return ""


def parse_table(table: Table) -> exp.Query:
    """The tree of a table's transformation. Raises `ConfigurationFailure` naming the table."""
    tree = parse(table.sql, table.full_name)
    if not isinstance(tree, exp.Query):
        raise ConfigurationFailure(f"{table.full_name}: the SQL must be a SELECT")
    return tree


@lru_cache(maxsize=2048)
def sql_inputs(sql: str, owner: str = "SQL") -> tuple[str, ...]:
    """The `layer.table` names that a text reads from, sorted, each once, `run.days` among them."""
    tree = parse(sql, owner)
    names: set[str] = set()
    known = {cte.alias_or_name.lower() for cte in tree.find_all(exp.CTE)}
    for relation in tree.find_all(exp.Table):
        if not isinstance(relation.this, exp.Identifier):
            continue
        name = input_name(relation)
        if name is None and (relation.db or relation.name.lower() not in known):
            raise ConfigurationFailure(
                f"{owner}: reads from {relation.sql(READ)}, which is no input: write layer.table with a layer of {sorted(LAYERS)}"
            )
        if name:
            names.add(name)
    return tuple(sorted(names))


def inputs(table: Table) -> tuple[str, ...]:
    """The inputs of a table's SQL, sorted; none for a table without SQL."""
    return sql_inputs(table.sql, table.full_name) if table.sql else ()


def input_name(relation: exp.Table) -> str | None:
    """`layer.table` where the relation is an input of the lake, else None (a CTE, a relation of the job's own)."""
    db = relation.db.lower()
    return f"{db}.{relation.name.lower()}" if db in LAYERS and not relation.catalog else None


def relations(select: exp.Expr) -> list[exp.Expr]:
    """What a SELECT reads from, in order, without its lateral views."""
    sources = [select.args["from_"].this] if select.args.get("from_") else []
    return sources + [join.this for join in select.args.get("joins") or []]


def relation_name(name: str) -> str:
    """The relation that an input is read from unless told otherwise: `silver.sales` -> `silver__sales`."""
    return name.replace(".", "__")


def _first_line(error: Exception) -> str:
    return re.sub(r"\x1b\[\d*m", "", str(error)).strip().splitlines()[0]

"""Types, checked at load by DuckDB's own binder: nothing runs, only empty relations are bound.

Belongs here: holding a transformation against its contract, and the casts that would mean two things. Does not: which
constructs are allowed (`portable`).

The engines agree on a cast only from some types, and a tree knows no types. So the binder is given each such operand
inside a probe: a function with a typed parameter, or a macro where several types will do, that refuses all others.
DuckDB binds a macro's arguments before it knows aggregates: what is printed of those is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from sqlglot import exp

from retail_lake.contract import Column, Layer, Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.sql.parse import inputs, parse, relation_name
from retail_lake.sql.render import render_tree
from retail_lake.sql.types import becomes, duckdb_type

if TYPE_CHECKING:
    import duckdb

_ANY_ZONE: Final = "UTC"
# Probe -> the types it takes (integers become decimals, those doubles, dates timestamps), and what to say of others.
_PROBES: Final = {
    "probe_exact": (("DECIMAL(38, 10)",), "takes whole numbers and decimals only; doubles round differently"),
    "probe_number": (("DOUBLE",), "takes numbers only; text needs parse_bigint or parse_decimal"),
    "probe_time": (("TIMESTAMP",), "takes dates and timestamps only; text needs parse_date or parse_timestamp"),
    "probe_text": (("VARCHAR",), "takes text only"),
    "probe_printed": (
        ("BIGINT", "HUGEINT", "INTEGER", "DECIMAL(38, 10)", "VARCHAR", "DATE", "TIMESTAMP", "BOOLEAN"),
        "prints doubles differently on each engine; take a decimal",
    ),
}
_MACROS: Final = ("probe_text", "probe_printed")
_CAST_PROBES: Final = {
    exp.DType.DECIMAL: "probe_exact",
    exp.DType.INT: "probe_number",
    exp.DType.BIGINT: "probe_number",
    exp.DType.DOUBLE: "probe_number",
    exp.DType.DATE: "probe_time",
    exp.DType.TIMESTAMPTZ: "probe_time",
    exp.DType.TEXT: "probe_printed",
}
_MACRO_PROBES: Final = {
    "surrogate_key": "probe_printed",
    "ratio": "probe_number",
    **dict.fromkeys(("business_day", "week_start", "iso_day_of_week", "iso_week", "iso_year"), "probe_time"),
    **dict.fromkeys(("parse_bigint", "parse_int", "parse_date", "parse_timestamp"), "probe_text"),
}


def bind(table: Table, tables: Mapping[str, Table]) -> None:
    """Hold a table's SQL against its contract and its inputs' contracts.

    Every contract column must come out, under its name and with a type that the job's cast keeps the meaning of, and no
    other column. Raises `ConfigurationFailure` naming the table, the column and what is wrong.
    """
    if not table.sql:
        return
    read = tuple((name, tables[name].columns) for name in inputs(table) if name in tables)
    for column, type_ in _check(table, read, output_types(table, tables)):
        raise ConfigurationFailure(f"{table.full_name}: column {column} {type_}")


def output_types(table: Table, tables: Mapping[str, Table]) -> dict[str, str]:
    """Output column -> DuckDB type, as bound. Raises `ConfigurationFailure` with the binder's words."""
    read = tuple((name, tables[name].columns) for name in inputs(table) if name in tables)
    return dict(_bound(table.full_name, table.sql, read))


def _check(table: Table, read: tuple[tuple[str, tuple[Column, ...]], ...], bound: Mapping[str, str]) -> list[tuple[str, str]]:
    wanted = {c.name: c.type for c in table.columns} | ({"_day": "date"} if table.layer == Layer.SILVER else {})
    wrong = [(name, "is in the contract, and not in the SQL") for name in wanted if name not in bound]
    wrong += [(name, "is in the SQL, and not in the contract") for name in bound if name not in wanted]
    for name in (n for n in wanted if n in bound):
        if why := becomes(bound[name], duckdb_type(wanted[name])):
            wrong.append((name, f"is {wanted[name]} in the contract and {bound[name]} in the SQL: {why}"))
    return wrong


@lru_cache(maxsize=256)
def _bound(owner: str, sql: str, read: tuple[tuple[str, tuple[Column, ...]], ...]) -> tuple[tuple[str, str], ...]:
    import duckdb

    connection = _connection()
    for name, columns in read:
        listed = ", ".join(f'"{c.name}" {duckdb_type(c.type)}' for c in columns)
        connection.execute(f'CREATE OR REPLACE TEMP TABLE "{relation_name(name)}" ({listed})')
    text = render_tree(_probed(parse(sql, owner)), "duckdb", zone=_ANY_ZONE)
    try:
        rows = connection.execute(f"DESCRIBE {text}").fetchall()
    except duckdb.Error as error:
        raise ConfigurationFailure(f"{owner}: {_plain(str(error))}") from None
    names = [row[0] for row in rows]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ConfigurationFailure(f"{owner}: columns named twice in the SQL: {twice}")
    return tuple((row[0], row[1]) for row in rows)


@lru_cache(maxsize=1)
def _connection() -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.execute('CREATE TEMP TABLE "run__days" ("day" DATE)')
    for name, (types, _) in _PROBES.items():
        if name in _MACROS:
            connection.execute(f"CREATE TEMP MACRO {name}{', '.join(f'(x {type_}) AS x' for type_ in types)}")
        else:
            # Nothing is called: with effects it is not tried out on constants either, which would take pandas.
            connection.create_function(name, lambda x: x, list(types), types[0], side_effects=True)
    return connection


def _probed(tree: exp.Expr) -> exp.Expr:
    """A copy of the tree with each operand that must be of certain types inside its probe."""
    tree = tree.copy()
    for node in list(tree.walk()):
        for operand, probe in _operands(node):
            unjudged = probe in _MACROS and operand.find(exp.AggFunc, exp.Window)
            if not unjudged and not isinstance(operand, (exp.Literal, exp.Null)):
                operand.replace(exp.Anonymous(this=probe, expressions=[operand.copy()]))
    return tree


def _operands(node: exp.Expr) -> list[tuple[exp.Expr, str]]:
    """The operands of a node that are judged, each with its probe."""
    if isinstance(node, exp.Cast):
        target = node.args["to"].this
        probe = _CAST_PROBES.get(target)
        return [(node.this, probe)] if probe else []
    if isinstance(node, (exp.Round, exp.Ceil, exp.Floor)):
        return [(node.this, "probe_exact")]
    if isinstance(node, exp.DateDiff):
        return [(node.this, "probe_time"), (node.expression, "probe_time")]
    if isinstance(node, (exp.TsOrDsToDate, exp.TimestampTrunc, exp.TsOrDsAdd, exp.AddMonths, exp.LastDay)):
        return [(node.this, "probe_time")]
    if isinstance(node, exp.DPipe):
        return [(side, "probe_printed") for side in (node.left, node.right) if not isinstance(side, exp.DPipe)]
    if isinstance(node, exp.ConcatWs):
        return [(part, "probe_printed") for part in node.expressions]
    probe = _MACRO_PROBES.get(node.name.lower()) if isinstance(node, exp.Anonymous) else None
    return [(argument, probe) for argument in node.expressions] if probe else []


def _plain(message: str) -> str:
    """The binder's message without its picture of the query, a probe's name replaced by what it stands for."""
    first = message.split("\n\nLINE")[0].split("\nLINE")[0]
    if probe := re.search(r"probe_\w+", first):
        shown = re.search(r"LINE \d+: (.*)", message)
        where = f" near {shown.group(1).strip()[:120]!r}" if shown else ""
        return f"a cast or function {_PROBES[probe.group()][1]}{where}"
    return " ".join(first.split())

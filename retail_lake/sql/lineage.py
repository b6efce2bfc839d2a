"""Which input columns each output column is computed from, read off the syntax tree.

Belongs here: following names through CTEs, subqueries, unions and lateral views. Does not: rows, filters and join
conditions, which decide whether a row is there and not what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from sqlglot import exp

from retail_lake.contract import Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.sql.parse import input_name, inputs, parse, relations

Source = tuple[str, str]
# What a relation offers: its columns in order, each with the input columns it comes from.
Relation = dict[str, frozenset[Source]]


def column_lineage(table: Table, tables: Mapping[str, Table]) -> dict[str, tuple[Source, ...]]:
    """Output column -> the (input table, input column) pairs it is computed from, sorted; none for constants.

    `run.days` counts as an input. Raises `ConfigurationFailure` naming the table where a name cannot be followed.
    """
    if not table.sql:
        return {}
    schemas = tuple((name, tuple(c.name for c in tables[name].columns)) for name in inputs(table) if name in tables)
    return dict(_trace(table.sql, table.full_name, schemas))


@lru_cache(maxsize=256)
def _trace(sql: str, owner: str, schemas: tuple[tuple[str, tuple[str, ...]], ...]) -> tuple[tuple[str, tuple[Source, ...]], ...]:
    known = {name: {c.lower(): frozenset({(name, c)}) for c in columns} for name, columns in schemas}
    known["run.days"] = {"day": frozenset({("run.days", "day")})}
    traced = _Tracer(owner, known).query(parse(sql, owner), {})
    return tuple((column, tuple(sorted(sources))) for column, sources in traced.items())


class _Tracer:
    def __init__(self, owner: str, inputs_: Mapping[str, Relation]) -> None:
        self.owner = owner
        self.inputs = inputs_

    def query(self, query: exp.Expr, ctes: Mapping[str, Relation]) -> Relation:
        """The columns of a query, under their names as written."""
        if isinstance(query, exp.Subquery):
            return self.query(query.this, ctes)
        if with_ := query.args.get("with_"):
            ctes = dict(ctes)
            for cte in with_.expressions:
                named = self.query(cte.this, ctes)
                ctes[cte.alias.lower()] = _renamed(named, cte.args["alias"])
        if isinstance(query, exp.SetOperation):
            left, right = self.query(query.left, ctes), self.query(query.right, ctes)
            return {column: a | b for (column, a), b in zip(left.items(), right.values(), strict=False)}
        return self.select(cast(exp.Select, query), ctes)

    def select(self, select: exp.Select, ctes: Mapping[str, Relation]) -> Relation:
        scope: dict[str, Relation] = {}
        for source in relations(select):
            scope[source.alias_or_name.lower()] = self.relation(source, ctes)
        for lateral in select.args.get("laterals") or []:
            alias = lateral.args["alias"]
            names = [c.name.lower() for c in alias.args.get("columns") or []] or ["pos", "col"]
            scope[alias.name.lower()] = dict.fromkeys(names, self.sources(lateral.this, scope, {}))
        columns: Relation = {}
        for projection in select.expressions:
            if projection.is_star:
                of = projection.table.lower() if isinstance(projection, exp.Column) else None
                for name, relation in scope.items():
                    columns |= relation if of in (None, name) else {}
                continue
            columns[projection.alias_or_name] = self.sources(projection, scope, columns)
        return columns

    def relation(self, source: exp.Expr, ctes: Mapping[str, Relation]) -> Relation:
        if isinstance(source, exp.Table):
            name = input_name(source)
            found = self.inputs.get(name) if name else ctes.get(source.name.lower())
            if found is None:
                raise ConfigurationFailure(f"{self.owner}: {source.sql()} is no input and no CTE")
            return _renamed(found, source.args.get("alias"))
        if isinstance(source, exp.Values):
            return {c.lower(): frozenset() for c in source.alias_column_names}
        return _renamed(self.query(source, ctes), source.args.get("alias"))

    def sources(self, expression: exp.Expr, scope: Mapping[str, Relation], aliases: Relation) -> frozenset[Source]:
        found: frozenset[Source] = frozenset()
        for column in expression.find_all(exp.Column):
            found |= self.column(column, scope, aliases)
        return found

    def column(self, column: exp.Column, scope: Mapping[str, Relation], aliases: Relation) -> frozenset[Source]:
        """`a.b.c` is relation.column.field, layer.table.column, or column.field…: the first reading that exists."""
        parts = [part.name.lower() for part in column.parts]
        for place, part in enumerate(parts[:-1]):
            if part in scope and parts[place + 1] in scope[part]:
                return scope[part][parts[place + 1]]
        for relation in scope.values():
            if parts[0] in relation:
                return relation[parts[0]]
        for name, sources in aliases.items():
            if name.lower() == parts[0]:
                return sources
        raise ConfigurationFailure(f"{self.owner}: the column {'.'.join(p.name for p in column.parts)} is in none of its inputs")


def _renamed(relation: Relation, alias: exp.Expr | None) -> Relation:
    names = [c.name.lower() for c in alias.args.get("columns") or []] if alias else []
    lowered = {column.lower(): sources for column, sources in relation.items()}
    return dict(zip(names, lowered.values(), strict=False)) if names else lowered

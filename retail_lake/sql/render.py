"""A syntax tree to the text that one engine runs.

Belongs here: expanding macros, naming relations, and the constructs that SQLGlot alone would render with another meaning.
Does not: deciding what may be written (`portable`). Rendering changes a copy; the order of work is children first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from sqlglot import exp

from retail_lake.sql.macros import expand, macro_of
from retail_lake.sql.parse import input_name, parse, relation_name
from retail_lake.sql.template import Engine, fill

_LETTERS: Final = ("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_INTEGERS: Final = (exp.DType.TINYINT, exp.DType.SMALLINT, exp.DType.INT, exp.DType.BIGINT)


def render(sql: str, engine: Engine, *, zone: str, names: Mapping[str, str] | None = None) -> str:
    """The text of `sql` (a SELECT or one expression) for an engine.

    `zone` is the stores' IANA time zone. `names` maps `layer.table` to the relation to read; without an entry,
    `silver.sales` becomes `silver__sales`. Raises `ConfigurationFailure` where the SQL cannot be parsed.
    """
    return _render(sql, engine, zone, tuple(sorted((names or {}).items())))


@lru_cache(maxsize=1024)
def _render(sql: str, engine: Engine, zone: str, names: tuple[tuple[str, str], ...]) -> str:
    return render_tree(parse(sql), engine, zone=zone, names=dict(names))


def render_tree(tree: exp.Expr, engine: Engine, *, zone: str, names: Mapping[str, str] | None = None) -> str:
    """The same for a parsed tree, which is left as it is."""
    tree = tree.copy()
    _name_relations(tree, names or {})
    rewrites = _DUCKDB if engine == "duckdb" else _SPARK
    for node in reversed(list(tree.walk(bfs=True))):
        if macro_of(node):
            new = expand(node, engine, zone)
        elif rewrite := rewrites.get(type(node)) or _BOTH.get(type(node)):
            new = rewrite(node, engine)
        else:
            continue
        if node is tree:
            tree = new
        elif new is not node:
            # A call became an operator: inside another expression it keeps together.
            loose = isinstance(new, exp.Binary) and not isinstance(node.parent, (exp.Select, exp.Alias, exp.Paren))
            node.replace(exp.Paren(this=new) if loose else new)
    return tree.sql(dialect=engine, identify=True, comments=False)


def _name_relations(tree: exp.Expr, names: Mapping[str, str]) -> None:
    renamed: set[tuple[str, str]] = set()
    for relation in list(tree.find_all(exp.Table)):
        if name := input_name(relation):
            renamed.add((relation.db.lower(), relation.name.lower()))
            alias = relation.args.get("alias") or exp.TableAlias(this=exp.to_identifier(relation.name))
            target = exp.to_table(names.get(name, relation_name(name)))
            relation.set("this", target.this)
            relation.set("db", target.args.get("db"))
            relation.set("catalog", target.args.get("catalog"))
            relation.set("alias", alias)
    for column in tree.find_all(exp.Column):
        if column.args.get("db") and (column.db.lower(), column.table.lower()) in renamed:
            column.set("db", None)


def _template(text: str, **arguments: str) -> Callable[[exp.Expr, Engine], exp.Expr]:
    """A rewrite to a fragment, whose places are the node's arguments of those names."""

    def rewrite(node: exp.Expr, engine: Engine) -> exp.Expr:
        return fill(text, engine, {place: node.args[argument] for place, argument in (arguments or {"x": "this"}).items()})

    return rewrite


def _whole_days(node: exp.Expr, engine: Engine) -> exp.Expr:
    days = (
        "DATE_ADD(CAST(:date AS DATE), CAST(:days AS INT))"
        if engine == "spark"
        else "CAST(:date AS DATE) + CAST(:days AS INTEGER)"
    )
    if isinstance(node.expression, exp.Interval):
        return node
    return fill(days, engine, {"date": node.this, "days": node.expression})


def _days_between(node: exp.Expr, engine: Engine) -> exp.Expr:
    days = "DATEDIFF(CAST(:a AS DATE), CAST(:b AS DATE))" if engine == "spark" else "CAST(:a AS DATE) - CAST(:b AS DATE)"
    return fill(days, engine, {"a": node.this, "b": node.expression})


def _timestamps_without_zone(node: exp.Expr, engine: Engine) -> exp.Expr:
    if node.this in (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ):
        node.set("this", exp.DType.TIMESTAMPNTZ if engine == "spark" else exp.DType.TIMESTAMP)
    return node


def _cast(node: exp.Expr, engine: Engine) -> exp.Expr:
    """Spark cuts a fraction off, DuckDB would round it. TRUNC also refuses text and truth values when it is bound."""
    if node.args["to"].this in _INTEGERS and not (isinstance(node.this, exp.Null) or node.this.is_int):
        node.set("this", fill("TRUNC(:x)", engine, {"x": node.this}))
    return node


def _trim(node: exp.Expr, engine: Engine) -> exp.Expr:
    """Spark trims blanks only, DuckDB every kind of Unicode space unless told."""
    node.set("expression", node.args.get("expression") or exp.Literal.string(" "))
    return node


def _pattern_end(node: exp.Expr, engine: Engine) -> exp.Expr:
    """Java's `$` also matches before a line break at the end."""
    pattern = node.expression
    if isinstance(pattern, exp.Literal) and pattern.name.endswith("$"):
        node.set("expression", exp.Literal.string(pattern.name[:-1] + "\\z"))
    return node


def _range_of_days(node: exp.Expr, engine: Engine) -> exp.Expr:
    """Spark 3.5 measures no days back from a date, only from a timestamp."""
    spec, order = node.args.get("spec"), node.args.get("order")
    if spec and order and any(isinstance(spec.args.get(bound), exp.Interval) for bound in ("start", "end")):
        for ordered in order.expressions:
            ordered.set("this", exp.cast(ordered.this, exp.DType.TIMESTAMPNTZ))
    return node


def _letters(source: str, target: str) -> Callable[[exp.Expr, Engine], exp.Expr]:
    return _template(f"TRANSLATE(:x, '{source}', '{target}')")


def _truncate(node: exp.Expr, engine: Engine) -> exp.Expr:
    """Spark's own result would carry a time zone."""
    unit = node.args["unit"].name.upper()
    text = f"CAST(DATE_TRUNC('{unit}', CAST(:x AS TIMESTAMP)) AS TIMESTAMP)"
    return fill(text.replace("TIMESTAMP", "TIMESTAMP_NTZ") if engine == "spark" else text, engine, {"x": node.this})


def _series(node: exp.Expr, engine: Engine) -> exp.Expr:
    """Spark counts downwards where the end is below the start."""
    return fill(
        "CASE WHEN :a <= :b THEN GENERATE_SERIES(:a, :b) ELSE GENERATE_SERIES(:a, :b, -1) END",
        engine,
        {"a": node.args["start"], "b": node.args["end"]},
    )


def _laterals(node: exp.Expr, engine: Engine) -> exp.Expr:
    """Lateral views as lateral joins, in their order, positions from 0 and under the view's own name."""
    for lateral in node.args.get("laterals") or []:
        generator, alias = lateral.this, lateral.args["alias"]
        text = "(SELECT element FROM UNNEST(:array) AS elements(element))"
        if isinstance(generator, exp.Posexplode):
            text = "(SELECT place - 1, element FROM UNNEST(:array) WITH ORDINALITY AS elements(element, place))"
        # Spark gives a lateral view's columns their own names only where it is told.
        if not alias.args.get("columns"):
            names = ("pos", "col") if isinstance(generator, exp.Posexplode) else ("col",)
            alias.set("columns", [exp.to_identifier(n) for n in names])
        subquery = fill(text, engine, {"array": generator.this})
        node.append("joins", exp.Join(this=exp.Lateral(this=subquery, alias=alias.copy()), kind="CROSS"))
    node.set("laterals", None)
    return node


_Rewrite = Callable[[exp.Expr, Engine], exp.Expr]

_BOTH: Final[Mapping[type, _Rewrite]] = {
    exp.DataType: _timestamps_without_zone,
    exp.TsOrDsAdd: _whole_days,
    exp.DateDiff: _days_between,
    exp.Upper: _letters(*_LETTERS),
    exp.Lower: _letters(*reversed(_LETTERS)),
    exp.TimestampTrunc: _truncate,
    exp.DateTrunc: _truncate,
}
_DUCKDB: Final[Mapping[type, _Rewrite]] = {
    exp.Cast: _cast,
    # Of no row at all Spark counts 0, DuckDB's count_if gives NULL.
    exp.CountIf: _template("COUNT(CASE WHEN :x THEN 1 END)"),
    exp.Trim: _trim,
    exp.LastDay: _template("LAST_DAY(CAST(:x AS DATE))"),
    exp.AddMonths: _template("CAST(CAST(:x AS DATE) + TO_MONTHS(CAST(:n AS INTEGER)) AS DATE)", x="this", n="expression"),
    exp.GenerateSeries: _series,
    exp.Select: _laterals,
}
_SPARK: Final[Mapping[type, _Rewrite]] = {
    exp.RegexpLike: _pattern_end,
    exp.Window: _range_of_days,
}

"""The allow-list: what may be written in portable SQL, because it means the same on every engine.

Belongs here: judging a parsed tree, construct by construct, and saying what to write instead. Does not: types, which
DuckDB's binder judges (`binder`), nor rendering. Nothing is added to the list without a query in the tests that runs on
DuckDB and on Spark and gives the same values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from sqlglot import exp

from retail_lake.contract import Table
from retail_lake.failure import ConfigurationFailure
from retail_lake.sql.instead import INSTEAD
from retail_lake.sql.macros import MACROS, macro_of
from retail_lake.sql.parse import READ, as_written, inputs, parse, relations

# Parts of other constructs: they mean nothing alone, and what they are part of is judged.
PARTS: Final = frozenset(
    {
        exp.Alias, exp.ColumnDef, exp.DataType, exp.DataTypeParam, exp.Distinct, exp.From, exp.Group, exp.Having, exp.Identifier,
        exp.Interval, exp.Order, exp.Ordered, exp.Star, exp.TableAlias, exp.Tuple, exp.TsOrDsToDate, exp.Var, exp.Where,
        exp.WindowSpec, exp.With, exp.CTE, exp.PropertyEQ, exp.Select, exp.Subquery, exp.Table, exp.Column,
    }
)  # fmt: skip
# Constructs that mean the same in whatever shape they are parsed.
PLAIN: Final = frozenset(
    {
        exp.Abs, exp.Add, exp.AddMonths, exp.And, exp.ArraySize, exp.Between, exp.Boolean, exp.Case, exp.Ceil, exp.Coalesce,
        exp.CountIf, exp.Day, exp.DayOfMonth, exp.DayOfYear, exp.DenseRank, exp.DPipe, exp.EQ, exp.Filter, exp.Floor, exp.GT,
        exp.GTE, exp.Greatest, exp.Hour, exp.If, exp.Is, exp.LT, exp.LTE, exp.Lag, exp.LastDay, exp.Lead, exp.Least, exp.Length,
        exp.Literal, exp.LogicalAnd, exp.LogicalOr, exp.Lower, exp.MD5, exp.Minute, exp.Month, exp.Mul, exp.NEQ, exp.Neg, exp.Not,
        exp.Ntile, exp.Null, exp.NullSafeEQ, exp.Nullif, exp.Or, exp.Paren, exp.PercentRank, exp.Quarter, exp.Rank, exp.Round,
        exp.RowNumber, exp.Sign, exp.StartsWith, exp.Sub, exp.Upper, exp.Values, exp.Year,
    }
)  # fmt: skip
RANKING: Final = (
    exp.Lag, exp.Lead, exp.RowNumber, exp.Rank, exp.DenseRank, exp.PercentRank, exp.Ntile,
)  # fmt: skip
_JOINS: Final = {"", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "SEMI", "ANTI", "OUTER"}
_CAST_TARGETS: Final = frozenset({
    exp.DType.INT, exp.DType.BIGINT, exp.DType.DOUBLE, exp.DType.DECIMAL, exp.DType.DATE, exp.DType.TIMESTAMPTZ,
    exp.DType.TIMESTAMPNTZ, exp.DType.TEXT, exp.DType.BOOLEAN,
})  # fmt: skip
_TRUNCATIONS: Final = {"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE"}
_PATTERN: Final = re.compile(r"\^?([A-Za-z0-9_ @/:,-]|\[\^?[A-Za-z0-9_ .@/:,+-]+\]|\((?!\?)|\)|\{[0-9]+(,[0-9]*)?\}|[*+?|])*\$?")


_UNPROVEN: Final = (
    "{word} is not on the list of retail_lake/sql/portable.py: what it means on each engine is not proven. Write it with what is:"
    " arithmetic, CASE, the list's functions, the macros ({macros}). Or compute it where the table is read, write the table for"
    " Spark alone (`spark` in place of `sql`), or prove it: a line in retail_lake_tests/sql/test_two_engines.py"
)


def check(table: Table, tables: Mapping[str, Table]) -> None:
    """Refuse what a table's SQL must not say, and inputs that do not exist.

    Raises `ConfigurationFailure` naming the table, the construct and what to write instead.
    """
    if not table.sql:
        return
    for name in inputs(table):
        if name not in tables and not name.startswith("run."):
            raise ConfigurationFailure(f"{table.full_name}: reads {name}, which is no table of this project")
        if name == table.full_name:
            raise ConfigurationFailure(f"{table.full_name}: reads itself; a day is a function of its inputs")
    check_sql(table.sql, table.full_name)


@lru_cache(maxsize=2048)
def check_sql(sql: str, owner: str) -> None:
    """The same for one text, a SELECT or an expression; `owner` is named in the message."""
    for node in parse(sql, owner).walk():
        if complaint := _complaint(node, sql):
            construct = as_written(node, sql) or node.sql(READ, comments=False)
            shown = construct if len(construct) <= 100 else construct[:97] + "..."
            raise ConfigurationFailure(f"{owner}: `{shown}` is not portable: {complaint}")


def _complaint(node: exp.Expr, sql: str) -> str | None:
    """What is wrong with a node of that text by itself, and what to write instead; None where nothing is."""
    kind = type(node)
    if kind in RULES:
        return RULES[kind](node)
    if kind in PLAIN or kind in PARTS or macro_of(node):
        return None
    if isinstance(node, exp.Anonymous):
        known = node.name.lower()
    elif isinstance(node, exp.Func):
        known = node.sql_name().lower()
    else:
        known = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()
    word = as_written(node, sql).partition("(")[0].strip().lower() or known
    return INSTEAD.get(word) or INSTEAD.get(known) or _UNPROVEN.format(word=word, macros=", ".join(MACROS))


def _is_number(node: exp.Expr | None, least: int) -> bool:
    return isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit() and int(node.this) >= least


def _is_text(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_string)


def _unless(good: Callable[[exp.Expr], bool], instead: str) -> Callable[[exp.Expr], str | None]:
    return lambda node: None if good(node) else instead


def _star(node: exp.Expr) -> str | None:
    """A star may stand for the columns of a CTE or subquery, which the same text names; not for those of an input."""
    if isinstance(node.parent, exp.Count):
        return None
    select = node.find_ancestor(exp.Select)
    relation = node.parent.table.lower() if isinstance(node.parent, exp.Column) else None
    if select is None or node.args.get("except_") or node.args.get("replace") or node.args.get("rename"):
        return "name the columns"
    sources = [s for s in relations(select) if relation in (None, s.alias_or_name.lower())]
    if all(not isinstance(s, exp.Table) or not s.db for s in sources):
        return None
    return "name the columns: a column added to the input would change this table"


def _select(node: exp.Expr) -> str | None:
    if node.args.get("order"):
        return "rows of a table have no order: leave ORDER BY out, or rank by row_number() over a total order"
    if node.args.get("limit") or node.args.get("offset"):
        return "which rows stay is open: keep row_number() OVER (… a total order) <= n in an outer SELECT"
    allowed = {"expressions", "from_", "joins", "laterals", "where", "group", "having", "with_", "distinct", "windows"}
    other = sorted(k for k, v in node.args.items() if v and k not in allowed)
    if other:
        return INSTEAD.get(other[0], f"{other[0]} means something else elsewhere or nothing: leave it out")
    distinct = node.args.get("distinct")
    return "DISTINCT ON keeps any row: use row_number() over a total order" if distinct and distinct.args.get("on") else None


def _join(node: exp.Expr) -> str | None:
    words = {str(node.args.get(k) or "").upper() for k in ("side", "kind", "method")}
    if not words <= _JOINS or node.args.get("match_condition"):
        return "joins are INNER, LEFT, RIGHT, FULL, CROSS, LEFT SEMI and LEFT ANTI, with ON"
    if node.args.get("using"):
        return "write ON a.x = b.x: USING merges the columns"
    if not node.args.get("on") and not words <= {"", "CROSS"}:
        return "write ON, or CROSS JOIN where every pair is meant"
    return None


def _lateral(node: exp.Expr) -> str | None:
    if node.args.get("outer"):
        return "it loses rows with empty arrays on one engine: UNION ALL the rows where size(array) = 0 OR array IS NULL"
    if not node.args.get("view") or not isinstance(node.this, (exp.Explode, exp.Posexplode)) or node.this.expressions:
        return "only LATERAL VIEW explode(array) and posexplode(array) are proven"
    return None


def _explode(node: exp.Expr) -> str | None:
    if isinstance(node.parent, exp.Lateral):
        return None
    holder = node.parent.parent if isinstance(node.parent, exp.Alias) else node.parent
    if isinstance(node, exp.Explode) and isinstance(holder, exp.Select) and len(list(holder.find_all(exp.Explode))) == 1:
        return None
    return "write LATERAL VIEW explode(array) name AS column"


def _cast(node: exp.Expr) -> str | None:
    target, value = node.args["to"].this, node.this
    if target is exp.DType.TIMESTAMP:
        return "write parse_timestamp(text), or cast(date AS timestamp)"
    if node.args.get("format") or target not in _CAST_TARGETS:
        return "cast to int, bigint, decimal(p,s), double, date, timestamp, string or boolean"
    if target is exp.DType.DECIMAL and len(node.args["to"].expressions) != 2:
        return "write decimal(precision, scale): the default differs"
    if _is_text(value):
        if target is exp.DType.DATE:
            return None if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value.name) else "write date 'YYYY-MM-DD'"
        if target in (exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPNTZ):
            exact = re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(\.\d{1,6})?", value.name)
            return None if exact else "write timestamp 'YYYY-MM-DD HH:MM:SS', which is UTC"
        return None if target is exp.DType.TEXT else "write the value itself, not its text"
    return None


def _window(node: exp.Expr) -> str | None:
    over = node.this
    if isinstance(over, exp.Filter):
        return "one engine has no FILTER in windows: write sum(CASE WHEN … THEN … END) OVER (…)"
    if isinstance(over, RANKING) and not node.args.get("order") and not node.args.get("alias"):
        return "its rows have no order: ORDER BY a total order inside OVER (…)"
    if isinstance(over, (exp.IgnoreNulls, exp.RespectNulls)):
        return "IGNORE NULLS is not proven"
    return None


def _window_spec(node: exp.Expr) -> str | None:
    if str(node.args.get("kind") or "").upper() not in ("ROWS", "RANGE") or node.args.get("exclude"):
        return "frames are ROWS or RANGE BETWEEN … AND …"
    return None


def _interval(node: exp.Expr) -> str | None:
    if not isinstance(node.parent, exp.WindowSpec) or not re.fullmatch("DAYS?", str(node.args.get("unit") or ""), re.IGNORECASE):
        return "intervals only bound a window's frame, in days; else write date_add(date, n) or add_months(date, n)"
    return None


def _subquery(node: exp.Expr) -> str | None:
    if isinstance(node.parent, (exp.From, exp.Join, exp.Subquery, exp.SetOperation, exp.CTE)):
        return None
    return "a subquery is allowed as a relation only: CROSS JOIN an aggregate, or LEFT SEMI JOIN"


def _in(node: exp.Expr) -> str | None:
    if node.args.get("query"):
        return "write LEFT SEMI JOIN or LEFT ANTI JOIN: NOT IN (SELECT …) is never true where the list has a NULL"
    return None if node.expressions and not node.args.get("unnest") else "IN needs a list of values"


def _group(node: exp.Expr) -> str | None:
    other = [k for k, v in node.args.items() if v and k != "expressions"]
    return "GROUP BY takes columns and expressions; UNION ALL several for totals" if other else None


def _regexp(node: exp.Expr) -> str | None:
    pattern = node.expression
    if node.args.get("flag") or not _is_text(pattern) or not _PATTERN.fullmatch(pattern.name):
        return "patterns are literals of letters, digits, [classes], groups, | and repetition: no back-slash, dot, look-around"
    return None


def _series(node: exp.Expr) -> str | None:
    if node.args.get("step"):
        return "write sequence(first, last) of whole numbers and compute from them"
    if any(node.find_all(exp.Cast, exp.TsOrDsAdd, exp.LastDay, exp.TimestampTrunc)):
        return "of dates it gives timestamps on one engine: date_add(first, n) over sequence(0, days) of whole numbers"
    return None


_ON_PURPOSE: Final = "the divisor must be a literal other than 0; else use ratio(a, b)"
_POSITIVE: Final = "start and length must be literal numbers, counted from 1: from 0 or below the engines disagree"
_LITERALS: Final = "its arguments after the first must be literals that are not empty"

RULES: Final[Mapping[type, Callable[[exp.Expr], str | None]]] = {
    exp.Select: _select,
    exp.Union: _unless(lambda n: not n.args.get("by_name"), "write the columns in the same order"),
    exp.Join: _join,
    exp.Lateral: _lateral,
    exp.Explode: _explode,
    exp.Posexplode: _explode,
    exp.GenerateSeries: _series,
    exp.Cast: _cast,
    exp.Window: _window,
    exp.WindowSpec: _window_spec,
    exp.Interval: _interval,
    exp.Subquery: _subquery,
    exp.In: _in,
    exp.Group: _group,
    exp.RegexpLike: _regexp,
    exp.Star: _star,
    exp.Count: _unless(lambda n: not n.expressions, "count one expression, or count(DISTINCT a, b)"),
    exp.Distinct: _unless(lambda n: isinstance(n.parent, (exp.Count, exp.Select)), "DISTINCT stands in count(DISTINCT …) only"),
    exp.Sum: _unless(lambda n: True, ""),
    exp.Min: _unless(lambda n: not n.expressions, "use least(a, b)"),
    exp.Max: _unless(lambda n: not n.expressions, "use greatest(a, b)"),
    exp.Mod: _unless(lambda n: _is_number(n.expression, 1), _ON_PURPOSE),
    exp.IntDiv: _unless(lambda n: _is_number(n.expression, 1), _ON_PURPOSE),
    exp.Like: _unless(
        lambda n: _is_text(n.expression) and "\\" not in n.expression.name, "the pattern must be a literal without \\"
    ),
    exp.Trim: _unless(lambda n: not n.expression, "trim blanks only: trim(text)"),
    exp.Substring: _unless(
        lambda n: _is_number(n.args.get("start"), 1) and (not n.args.get("length") or _is_number(n.args["length"], 0)), _POSITIVE
    ),
    exp.Left: _unless(lambda n: _is_number(n.expression, 0), _POSITIVE),
    exp.Pad: _unless(
        lambda n: _is_number(n.expression, 1) and bool(_is_text(p := n.args.get("fill_pattern")) and p.name), _LITERALS
    ),
    exp.Replace: _unless(
        lambda n: bool(_is_text(n.expression) and n.expression.name and _is_text(n.args.get("replacement"))), _LITERALS
    ),
    exp.ConcatWs: _unless(lambda n: _is_text(n.expressions[0]), "the separator must be a literal"),
    exp.TsOrDsAdd: _unless(lambda n: not isinstance(n.expression, exp.Interval), "write date_add(date, days)"),
    exp.DateDiff: _unless(lambda n: n.text("unit").upper() in ("", "DAY"), "write datediff(later, earlier), in days"),
    exp.TimestampTrunc: _unless(lambda n: n.text("unit").upper() in _TRUNCATIONS, f"truncate to one of {sorted(_TRUNCATIONS)}"),
    exp.TsOrDsToDate: _unless(
        lambda n: isinstance(n.parent, exp.Func) and type(n.parent) in PLAIN, "write cast(timestamp AS date) or parse_date(text)"
    ),
    exp.Values: _unless(lambda n: n.alias_column_names != [], "name the columns: VALUES (…) AS name(a, b)"),
}
# Everything allowed that the tests must show to mean the same.
ALLOWED: Final = PLAIN | frozenset(RULES) - {exp.Star, exp.Interval, exp.Distinct}

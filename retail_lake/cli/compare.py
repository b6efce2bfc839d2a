"""Two engines' results of one job, value for value.

Belongs here: comparing staged rows and reports. Does not: running the job or telling people.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from retail_lake.contract import Layer, Table
from retail_lake.jobs.description import JobReport, StagedFile

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Doubles may differ by the order of their sums; everything else is equal or it is a difference.
TOLERANCE: Final = 1e-9
_QUARANTINE: Final = ("_day", "rules", "source_file", "position")
_COUNTS: Final = ("rows_in", "published", "quarantined", "duplicates", "files_read")


@dataclass(frozen=True)
class Difference:
    """One place where the engines disagree: a row's column, a missing row or a count of the report."""

    where: str
    what: str
    local: str
    spark: str


def differences(connection: DuckDBPyConnection, table: Table, local: JobReport, spark: JobReport, limit: int) -> list[Difference]:
    """The first differences of the reports, of the rows and of the quarantine; none if the engines agree."""
    found = list(_reports(local, spark))
    doubles = [c.name for c in table.columns if c.type == "double"]
    names = [c.name for c in table.columns]
    key = ("_source_file", "_position") if table.layer is Layer.BRONZE else table.key
    key = tuple(dict.fromkeys((*([table.day] if table.day else []), *key))) or tuple(n for n in names if n not in doubles)
    found += _rows(connection, "row", names, doubles, key, local.staged, spark.staged, limit)
    found += _rows(connection, "quarantine", list(_QUARANTINE), [], _QUARANTINE, local.quarantine, spark.quarantine, limit)
    return found[:limit]


def _reports(local: JobReport, spark: JobReport) -> Iterator[Difference]:
    theirs = {d.day: d for d in spark.days}
    for day in local.days:
        other = theirs.get(day.day)
        where = str(day.day or "whole")
        if other is None:
            yield Difference(where, "report", "there", "missing")
            continue
        for name in _COUNTS:
            if getattr(day, name) != getattr(other, name):
                yield Difference(where, name, str(getattr(day, name)), str(getattr(other, name)))
        verdicts = {v.rule: v for v in other.verdicts}
        for verdict in day.verdicts:
            found = verdicts.get(verdict.rule)
            mine, its = ((v.success, v.judged, v.unexpected) if v else None for v in (verdict, found))
            if mine != its:
                yield Difference(where, f"check {verdict.rule}", str(mine), str(its))


def _rows(
    connection: DuckDBPyConnection,
    what: str,
    names: Sequence[str],
    doubles: Sequence[str],
    key: Sequence[str],
    local: Sequence[StagedFile],
    spark: Sequence[StagedFile],
    limit: int,
) -> Iterator[Difference]:
    """Rows matched by key and, where a key repeats, by the order of all their values."""
    from retail_lake.duckdb_connection import path_of
    from retail_lake.sql.quote import literal, quoted

    sides = []
    for files in (local, spark):
        uris = [literal(path_of(f.uri)) for f in files if f.rows]
        rows = f"read_parquet([{', '.join(uris)}], union_by_name => true, hive_partitioning => false)" if uris else None
        picked = ", ".join(quoted(n) for n in names)
        order = ", ".join(quoted(n) for n in sorted(names, key=lambda n: (n in doubles, n)))
        by = ", ".join(quoted(k) for k in key)
        sides.append(rows and f"(SELECT {picked}, row_number() OVER (PARTITION BY {by} ORDER BY {order}) AS _nth FROM {rows})")
    mine, its = sides
    if mine is None and its is None:
        return
    if mine is None or its is None:
        yield Difference("all", what, "no rows" if mine is None else "rows", "no rows" if its is None else "rows")
        return
    on = " AND ".join(f"l.{quoted(k)} IS NOT DISTINCT FROM s.{quoted(k)}" for k in (*key, "_nth"))
    compared = [n for n in names if n not in key]
    differs = {n: _differs(quoted(n), n in doubles) for n in compared}
    any_ = " OR ".join(["l._nth IS NULL", "s._nth IS NULL", *differs.values()])
    values = ", ".join(f"{d} IS TRUE, l.{quoted(n)}, s.{quoted(n)}" for n, d in differs.items())
    keys = ", ".join(f"coalesce(l.{quoted(k)}, s.{quoted(k)})" for k in key)
    result = connection.execute(
        f"SELECT l._nth IS NOT NULL, s._nth IS NOT NULL, {keys}{', ' if values else ''}{values}"
        f" FROM {mine} AS l FULL OUTER JOIN {its} AS s ON {on} WHERE {any_} ORDER BY {keys} LIMIT {limit}"
    )
    for in_local, in_spark, *rest in result.fetchall():
        where = ", ".join(f"{k}={v}" for k, v in zip(key, rest, strict=False))
        if not (in_local and in_spark):
            yield Difference(where, what, "there" if in_local else "missing", "there" if in_spark else "missing")
            continue
        cells = rest[len(key) :]
        for i, name in enumerate(compared):
            differing, left, right = cells[3 * i : 3 * i + 3]
            if differing:
                yield Difference(where, name if what == "row" else f"{what} {name}", repr(left), repr(right))


def _differs(column: str, double: bool) -> str:
    """SQL that is true where a column's two values are not the same; two NaN are the same."""
    distinct = f"l.{column} IS DISTINCT FROM s.{column}"
    if not double:
        return f"({distinct})"
    near = f"abs(l.{column} - s.{column}) <= {TOLERANCE} * greatest(1, abs(l.{column}))"
    return f"({distinct} AND NOT coalesce({near}, false))"

"""Stock Great Expectations, run natively on the rows of one day: the judge in the tests, and the slow way at run time for
expectations that the grouped audit does not know.

Belongs here: handing rows to the library's pandas engine and reading its results. Does not: anything grouped.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from retail_lake.contract import Rule, Table
from retail_lake.jobs.description import RuleVerdict
from retail_lake.quality import columns, expectations
from retail_lake.quality.findings import Finding, failed, verdict_of
from retail_lake.quality.supported import MULTICOLUMN_ROWS, PAIR_ROWS, columns_of_condition
from retail_lake.sql.render import render

if TYPE_CHECKING:
    import pandas as pd

_RESULT: Final = {"result_format": "COMPLETE", "partial_unexpected_count": 0}


def columns_read(table: Table, rules: Iterable[Rule]) -> tuple[str, ...]:
    """The columns that judging these rules takes, those of their conditions too, in the table's order."""
    named = {c for rule in rules for c in (*_judged(table, rule), *columns_of_condition(table, rule))}
    return tuple(c.name for c in table.columns if c.name in named)


def judge(table: Table, rules: Iterable[Rule], frame: pd.DataFrame, *, zone: str = "UTC") -> tuple[RuleVerdict, ...]:
    """The verdicts of one day's rows, one per rule and in their order.

    A rule that the library cannot judge on these rows is broken, and its details say why. `zone` is the stores' time zone,
    for row conditions that name a business day.
    """
    chosen = tuple(rules)
    return tuple(
        verdict(table, rule, result) for rule, result in zip(chosen, results(table, chosen, frame, zone=zone), strict=True)
    )


def results(table: Table, rules: Iterable[Rule], frame: pd.DataFrame, *, zone: str = "UTC") -> list[Any]:
    """The library's own validation results, one per rule; `unexpected_index_list` has labels of the frame's index."""
    return [
        _validate(expectations.build(rule, table), _prepared(table, rule, _within(table, rule, frame, zone))) for rule in rules
    ]


def _validate(expectation: Any, frame: pd.DataFrame) -> Any:
    batch = _context().data_sources.pandas_default.read_dataframe(frame)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return batch.validate(expectation, result_format=_RESULT)


_cached: Any = None


def _context() -> Any:
    """One context in memory, silent: no progress bars, no analytics, no files."""
    global _cached
    if _cached is None:
        expectations.library()
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        _cached = gx.get_context(mode="ephemeral")
        _cached.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return _cached


def _within(table: Table, rule: Rule, frame: pd.DataFrame, zone: str) -> pd.DataFrame:
    """The rows where the rule's condition, our portable SQL, is true; they keep their index."""
    if rule.row_condition is None or frame.empty:
        return frame
    import duckdb

    # A column without any value has no type of its own in pandas: the contract's is given to all.
    named = [c for c in frame.columns if columns.family(table, c) != "nested"]
    typed = ", ".join(f"CAST({columns.quoted(c)} AS {columns.type_of(table, c)}) AS {columns.quoted(c)}" for c in named)
    condition = render(
        f"SELECT coalesce({rule.row_condition}, FALSE) AS inside FROM (SELECT {typed} FROM frame) AS typed", "duckdb", zone=zone
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("frame", frame)
        return frame[connection.execute(condition).fetchnumpy()["inside"].astype(bool)]


def _judged(table: Table, rule: Rule) -> tuple[str, ...]:
    """The columns that the rule is about: all of them where it names none, or one's place among them."""
    whole = not rule.columns or "column_index" in rule.kwargs
    return tuple(c.name for c in table.columns) if whole else tuple(dict.fromkeys(rule.columns))


def _prepared(table: Table, rule: Rule, frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that the rule is about, as the library's pandas engine can take them.

    Decimals become floats, because the library compares bounds and members as floats; dates become timestamps; integers
    with gaps stay exact integers among None, but where pandas would compare None with them.
    """
    import pandas as pd

    compares = rule.type in PAIR_ROWS | MULTICOLUMN_ROWS
    prepared = {}
    for name in _judged(table, rule):
        series = frame[name]
        kind = columns.type_of(table, name)
        if kind.startswith("decimal") or kind in ("double", "float"):
            series = series.astype("float64")
        elif kind in ("date", "timestamp"):
            series = series.astype("datetime64[us]")
        elif columns.family(table, name) == "number":
            gaps = bool(series.isna().any())
            integers = [None if pd.isna(v) else int(v) for v in series]
            series = pd.Series(integers, index=series.index, dtype=("float64" if compares else "object") if gaps else "int64")
        elif columns.family(table, name) in ("text", "boolean"):
            series = series.astype("object").where(series.notna(), None)
        prepared[name] = series
    return pd.DataFrame(prepared, index=frame.index)


def verdict(table: Table, rule: Rule, result: Any) -> RuleVerdict:
    """The verdict in one of the library's results."""
    if message := _raised(result.exception_info):
        return failed(table, rule, message)
    found: Mapping[str, Any] = result.result
    rows, missing, value = found.get("element_count") or 0, found.get("missing_count") or 0, found.get("observed_value")
    finding = Finding(
        rows=rows,
        judged=rows - missing,
        unexpected=found.get("unexpected_count") or 0,
        absent=missing,
        value=getattr(value, "item", lambda: value)(),
    )
    return verdict_of(table, rule, bool(result.success), finding)


def _raised(info: Mapping[str, Any] | None) -> str | None:
    """What the library could not do, from either of the shapes that it reports this in."""
    if not info or info.get("raised_exception") is False:
        return None
    inner = info if "raised_exception" in info else next(iter(info.values()))
    return str(inner["exception_message"])

"""The language tables are written in: what a table is, said once, with nothing heavy imported.

Belongs here: `Table`, `Column`, `Rule`, `Landing` and the checks a contract can make of itself.
Does not: how a table is computed (`jobs/`), audited (`quality/`), stored (`lake/`) or orchestrated (`orchestration/`).
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, NamedTuple

from retail_lake.failure import ConfigurationFailure


class Layer(StrEnum):
    """Where a table stands in the one-way flow from landing to warehouse."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Workload(StrEnum):
    """The kind of work a table is; a profile maps each kind to an engine."""

    INGEST = "ingest"
    TRANSFORM = "transform"
    ANALYTICS = "analytics"


class Severity(StrEnum):
    """What a broken rule does: `critical` quarantines or blocks, `warning` publishes and warns."""

    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `type` is a Spark SQL type: `bigint`, `int`, `string`, `boolean`, `double`, `date`, `timestamp` (UTC, without zone),
    `decimal(p,s)`, `array<…>` or `struct<name:type,…>`. `pii` columns are masked wherever rows are shown.
    """

    name: str
    type: str
    comment: str
    pii: bool = False


@dataclass(frozen=True)
class Rule:
    """One Great Expectations expectation as a plain configuration.

    `type` is GX's own snake-case name (`expect_column_values_to_be_between`) and `kwargs` its own arguments.
    `mostly` is the tolerated share among the rows the expectation judges, `row_condition` a portable SQL predicate
    over the table's columns: rows where it is not true are outside the rule.
    """

    type: str
    kwargs: Mapping[str, Any]
    mostly: float = 1.0
    severity: Severity = Severity.CRITICAL
    row_condition: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the expectation reads, in the order of its arguments."""
        named = [self.kwargs[k] for k in ("column", "column_A", "column_B") if k in self.kwargs]
        return (*named, *self.kwargs.get("column_list", ()))

    @property
    def name(self) -> str:
        """A stable identifier, unique in its table: the columns, the expectation and, if any, what tells it apart."""
        subject = "_".join(self.columns) or "table"
        short = re.sub(r"^expect_(column_values_to_|column_pair_values_|compound_columns_to_|column_|table_)?", "", self.type)
        parts = [subject, short]
        if self.row_condition:
            parts.append(f"where_{hashlib.sha256(self.row_condition.encode()).hexdigest()[:4]}")
        if self.severity is Severity.WARNING:
            parts.append("warning")
        return "__".join(parts)


class _Expect:
    """GX's vocabulary as functions: `expect.column_values_to_be_between("quantity", min_value=0, mostly=0.99)`.

    Positional arguments are the columns: one (`column`), two for a pair (`column_A`, `column_B`), a list for compound
    expectations (`column_list`).
    """

    def __getattr__(self, name: str) -> Callable[..., Rule]:
        if name.startswith("_"):
            raise AttributeError(name)

        def rule(
            *columns: str,
            mostly: float = 1.0,
            severity: str = "critical",
            row_condition: str | None = None,
            **kwargs: Any,
        ) -> Rule:
            if name.startswith("column_pair"):
                keys: dict[str, Any] = dict(zip(("column_A", "column_B"), columns, strict=True))
            elif name.startswith(("compound_columns", "select_column", "multicolumn")):
                keys = {"column_list": list(columns)}
            elif columns:
                (column,) = columns
                keys = {"column": column}
            else:
                keys = {}
            return Rule(f"expect_{name}", {**keys, **kwargs}, mostly, Severity(severity), row_condition)

        return rule


expect: Final = _Expect()


@dataclass(frozen=True)
class Landing:
    """What a bronze table reads: one dataset of one source system, as files in the landing area.

    `pattern` is a regular expression over the key below `<system>/<dataset>/`. Its named groups: `arrival` (the arrival
    day, `YYYY-MM-DD` or `YYYY/MM/DD`; a key without one arrived before the lake's first day), `part` (the logical file:
    what a correction replaces) and `version` (an integer; the newest version of a part is input, others are superseded).
    `expected` lists the parts every arrival day must bring, in which `{day}` stands for the day as `YYYYMMDD`.
    `reader` names a module of `sources/`; `options` are that reader's own. `claimed_day` is a portable SQL expression of
    the business day that a record claims. `max_lateness` is in days.

    When a day may start: as soon as everything `expected` is there and, if `marker` names a file that the system writes last
    into the day's folder (`_SUCCESS`), that file; at the latest `start_after` the end of the arrival day in the stores' time
    zone, without what is missing. Without `start_after` it waits; with nothing else it starts then.
    """

    system: str
    dataset: str
    pattern: str
    reader: str
    options: Mapping[str, Any] = field(default_factory=dict)
    expected: tuple[str, ...] = ()
    claimed_day: str = "CAST(NULL AS DATE)"
    max_lateness: int = 10
    marker: str = ""
    start_after: timedelta | None = None

    @property
    def decides(self) -> dict[str, Any]:
        """What decides the rows that are read, as plain data; when a day may start does not."""
        return {name: value for name, value in asdict(self).items() if name not in ("marker", "start_after")}


class Validity(NamedTuple):
    """When a row of a slowly changing dimension holds: `starts` (included) to `ends` (not), one row of `of` at a time.

    `current` is the column, if the table has it, that says whether a row is the last one; like `ends` it changes when the
    next row comes, and facts do not read it.
    """

    of: str
    starts: str
    ends: str
    current: str = "is_current"


# What every bronze row, and (but for the last two) every silver row, carries besides its own columns.
SOURCE_COLUMNS: Final = (
    Column("_source_file", "string", "Key of the landed file the record came from."),
    Column("_position", "bigint", "Position of the record in that file: line or row number, from 1."),
)
BRONZE_COLUMNS: Final = (
    *SOURCE_COLUMNS,
    Column("_ingested_at", "timestamp", "When the landed file was written (UTC), so that a rebuild gives the same row."),
    Column("_day", "date", "Business day the record claims, or the arrival day where that is unreadable or implausible."),
    Column("_arrival_day", "date", "Day the file arrived; the partition."),
)


@dataclass(frozen=True)
class Table:
    """One lake table: its contract and its transformation.

    `day` names the date column the table is partitioned by; None means unpartitioned and replaced whole. `window=N` says
    that day D reads the N days ending at D. `key` is unique within a day (within the table when unpartitioned); silver
    keeps the first row of a key by `order_by`. `validity` names the natural key and the two timestamp columns that bound a
    row of a slowly changing dimension. `conserves` names the input each of a gold table's rows stands for, row by row.
    `unnests` says that a silver table maps an input row to the elements that it unnests. `whole` names the inputs that a
    table with a `day` reads entirely, not just the days asked for: keep them small. `spark` is a transformation for Spark
    only, in place of `sql`. `sort_by` and `distribute_by` say how a warehouse that can choose (Redshift) lays the rows out:
    sorted by the day, or else the key, unless said; spread as the warehouse finds best, or by the column that large
    tables are joined on. `fresh_within` is how long after its end a business day may take to be in the table; for an
    unpartitioned table, how long a change of what it reads may.

    Raises `ConfigurationFailure` at construction when the contract contradicts itself.
    """

    name: str
    layer: Layer
    description: str
    grain: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    order_by: str = ""
    day: str | None = None
    window: int = 1
    workload: Workload = Workload.TRANSFORM
    owner: str = "team:retail-data"
    rules: tuple[Rule, ...] = ()
    sql: str = ""
    spark: Callable[..., Any] | None = None
    landing: Landing | None = None
    validity: Validity | None = None
    conserves: str | None = None
    unnests: bool = False
    whole: tuple[str, ...] = ()
    sort_by: tuple[str, ...] = ()
    distribute_by: str | None = None
    fresh_within: timedelta | None = None

    def __post_init__(self) -> None:
        for name in ("columns", "key", "rules", "whole", "sort_by"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "sql", inspect.cleandoc(self.sql))
        object.__setattr__(self, "description", inspect.cleandoc(self.description or ""))
        if self.layer is Layer.BRONZE:
            object.__setattr__(self, "columns", (*self.columns, *BRONZE_COLUMNS))
            object.__setattr__(self, "day", "_arrival_day")
            object.__setattr__(self, "workload", Workload.INGEST)
        elif self.layer is Layer.SILVER:
            object.__setattr__(self, "columns", (*self.columns, *SOURCE_COLUMNS))
            claims = expect.column_pair_values_to_be_equal(self.day, "_day", mostly=0.9, ignore_row_if="neither")
            object.__setattr__(self, "rules", (*self.rules, claims))
        elif self.key:
            unique = (
                expect.column_values_to_be_unique(*self.key)
                if len(self.key) == 1
                else expect.compound_columns_to_be_unique(
                    *((self.day,) if self.day and self.day not in self.key else ()), *self.key
                )
            )
            object.__setattr__(self, "rules", (*self.rules, unique))
        self._check()

    @cached_property
    def code_version(self) -> str:
        """Digest of all that decides the table's rows and verdicts; prose and layout do not count.

        A day published under another code version is stale.
        """
        parts = {
            "columns": [(c.name, c.type) for c in self.columns],
            "rules": [(r.type, dict(r.kwargs), r.mostly, r.severity, r.row_condition) for r in self.rules],
            "sql": self.sql,
            "spark": inspect.getsource(self.spark) if self.spark else "",
            "landing": self.landing.decides if self.landing else None,
            "rest": (self.key, self.order_by, self.day, self.window, self.validity, self.unnests, self.whole),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]

    @property
    def full_name(self) -> str:
        """`layer.table`, the name used in SQL, in the catalog and by people."""
        return f"{self.layer}.{self.name}"

    def column(self, name: str) -> Column:
        """The column of that name. Raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def pii(self) -> frozenset[str]:
        """Names of the columns to mask."""
        return frozenset(c.name for c in self.columns if c.pii)

    def _check(self) -> None:
        def refuse(what: str) -> None:
            raise ConfigurationFailure(f"{self.full_name}: {what}")

        names = [c.name for c in self.columns]
        if len(set(names)) != len(names):
            refuse(f"columns named twice: {sorted({n for n in names if names.count(n) > 1})}")
        known = {*names, "_day"} if self.layer is Layer.SILVER else set(names)
        for what, used in (
            ("key", self.key),
            ("day", (self.day,) if self.day else ()),
            ("validity", self.validity[:3] if self.validity else ()),
            ("sort_by", self.sort_by),
            ("distribute_by", (self.distribute_by,) if self.distribute_by else ()),
            *((f"rule {r.name}", r.columns) for r in self.rules),
        ):
            if unknown := [c for c in used if c not in known]:
                refuse(f"{what} names columns the contract does not have: {unknown}")
        rule_names = [r.name for r in self.rules]
        if twice := sorted({n for n in rule_names if rule_names.count(n) > 1}):
            refuse(f"rules stated twice: {twice}")
        if (self.layer is Layer.BRONZE) != (self.landing is not None):
            refuse("a bronze table, and only a bronze table, has a `landing`")
        if self.layer is not Layer.BRONZE and bool(self.sql) == bool(self.spark):
            refuse("give either `sql` or, for Spark only, `spark`")
        if self.layer is Layer.SILVER and not (self.key and self.order_by and self.day):
            refuse("a silver table needs `key`, `order_by` and `day`: its rows are deduplicated day by day")
        if self.day and self.column(self.day).type != "date":
            refuse(f"day column {self.day} must be a date")
        if self.window < 1 or (self.window > 1 and not self.day):
            refuse("`window` is a number of days, for tables with a `day`")
        if self.fresh_within is not None and not timedelta(minutes=1) <= self.fresh_within <= timedelta(days=30):
            refuse("`fresh_within` is between a minute and thirty days")

"""A lake of seven small tables, an engine and a warehouse that remember instead of working: for what Dagster does with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from retail_lake.config import Settings
from retail_lake.contract import Column, Landing, Layer, Table, expect
from retail_lake.jobs.description import DayReport, FileProblem, RuleVerdict
from retail_lake.orchestration import build_definitions
from retail_lake.orchestration.resources import resource
from retail_lake.warehouse.base import LoadedDay, LoadOutcome

DAY = Column("day", "date", "Business day.")
ID = Column("id", "bigint", "Key.")
CARD = Column("card", "string", "Loyalty card.", pii=True)


def _bronze(name: str) -> Table:
    landing = Landing("tills", name, r"(?P<arrival>\d{4}-\d{2}-\d{2})/(?P<part>\w+)\.csv", "csv")
    return Table(
        name,
        Layer.BRONZE,
        f"Raw {name}.",
        "line",
        (ID,),
        landing=landing,
        rules=(expect.column_values_to_not_be_null("id", mostly=0.9),),
    )


def _silver(name: str) -> Table:
    rules = (
        expect.column_values_to_not_be_null("id", mostly=0.9),
        expect.column_values_to_be_between("id", min_value=0, severity="warning"),
    )
    return Table(
        name,
        Layer.SILVER,
        f"Typed {name}.",
        "line",
        (ID, DAY, CARD),
        ("id",),
        "id",
        "day",
        rules=rules,
        sql=f"SELECT id, _day AS day, CAST(id AS STRING) AS card, _source_file, _position, _day FROM bronze.{name}",
    )


def _gold(name: str, sql: str, **more: Any) -> Table:
    return Table(name, Layer.GOLD, f"Gold {name}.", "id", (ID, DAY), ("id",), sql=sql, **more)


INPUTS = {
    "bronze.lines": (),
    "bronze.people": (),
    "silver.lines": ("bronze.lines",),
    "silver.people": ("bronze.people",),
    "gold.dim_person": ("silver.people", "silver.lines"),
    "gold.fact": ("silver.lines", "gold.dim_person"),
    "gold.mart": ("gold.fact",),
}
TABLES = {
    t.full_name: t
    for t in (
        _bronze("lines"),
        _bronze("people"),
        _silver("lines"),
        _silver("people"),
        _gold("dim_person", "SELECT id, day FROM silver.people UNION ALL SELECT id, day FROM silver.lines"),
        _gold("fact", "SELECT l.id, l.day FROM silver.lines AS l LEFT JOIN gold.dim_person AS p ON p.id = l.id", day="day"),
        _gold("mart", "SELECT id, day FROM gold.fact", day="day", window=2),
    )
}


@dataclass(frozen=True)
class DayOutcome:
    day: date | None
    status: str
    report: DayReport | None
    previous_rows: int | None
    rows: int
    reason: str = ""
    known: None = None


@dataclass(frozen=True)
class TableOutcome:
    table: Table
    days: tuple[DayOutcome, ...]
    samples: dict[str, list[dict[str, str | None]]]
    seconds: dict[str, float]
    job_ids: tuple[str, ...] = ("job",)
    snapshot_id: int | None = 2**62 + 1
    engine: str = "local"


@dataclass
class FakeFlow:
    """Stands for `materialize` and for the warehouse. `blocked` and `incomplete` are (table, day); `raises` is by table."""

    blocked: set[tuple[str, date | None]] = field(default_factory=set)
    incomplete: set[tuple[str, date | None]] = field(default_factory=set)
    raises: dict[str, Exception] = field(default_factory=dict)
    published: set[tuple[str, date | None]] = field(default_factory=set)
    calls: list[tuple[str, tuple[date, ...], frozenset[date]]] = field(default_factory=list)

    def materialize(
        self, lake: Any, engine: Any, table: Table, days: Sequence[date], *, run_id: str, unavailable: frozenset[date],
        force: bool, progress: Callable[[str], None],
    ) -> TableOutcome:  # fmt: skip
        self.calls.append((table.full_name, tuple(days), unavailable))
        progress(f"{table.full_name}: {len(days)} days")
        if error := self.raises.get(table.full_name):
            raise error
        return TableOutcome(
            table, tuple(self._day(table, d, unavailable, force) for d in days or [None]), self._samples(table), {}
        )

    def _day(self, table: Table, day: date | None, unavailable: frozenset[date], force: bool) -> DayOutcome:
        here = (table.full_name, day)
        if day in unavailable:
            return DayOutcome(day, "skipped", None, 10, 10)
        bad = here in self.blocked
        if here in self.published and not bad and not force:
            return DayOutcome(day, "unchanged", None, 10, 10)
        verdicts = tuple(
            RuleVerdict(
                rule=r.name,
                success=not (bad and i == 0),
                severity=str(r.severity),
                judged=12,
                unexpected=6 if bad and i == 0 else 0,
            )
            for i, r in enumerate(table.rules)
        )
        problem = FileProblem(
            key=f"tills/x/{day}.csv", arrival_day=day or date(2017, 1, 1), rule="missing", problem="did not arrive"
        )
        report = DayReport(
            day=day, rows_in=12, published=10, quarantined=1, duplicates=1, verdicts=verdicts,
            problems=(problem,) if here in self.incomplete else (),
        )  # fmt: skip
        if bad:
            return DayOutcome(day, "blocked", report, 9, 9)
        self.published.add(here)
        return DayOutcome(day, "incomplete" if report.incomplete else "published", report, 9, 10)

    def _samples(self, table: Table) -> dict[str, list[dict[str, str | None]]]:
        return {r.name: [{"id": None, "card": "***"}] for r in table.rules[:1]}

    def load(self, table: Table, days: Sequence[date] | None, lake: Any, *, run_id: str) -> LoadOutcome:
        here = list(days) if days is not None else [None]
        loaded = tuple(LoadedDay(d, 10, (f"warehouse.{table.name}", d) not in self.published) for d in here)
        self.published |= {(f"warehouse.{table.name}", d) for d in here}
        return LoadOutcome(table.name, loaded, 10 * len(loaded), 7, 0.0)


def fake_settings(home: Path, first: date = date(2017, 1, 1), last: date = date(2017, 1, 14)) -> Settings:
    return Settings(home=home, first_day=first, last_day=last)


def fake_definitions(settings: Settings, flow: FakeFlow, tables: dict[str, Table] | None = None, inputs: Any = None) -> Any:
    return build_definitions(
        settings=settings,
        tables=tables or TABLES,
        inputs=inputs or INPUTS,
        resources={
            "lake": resource(object),
            "warehouse": resource(lambda: flow),
            "local": resource(object),
            "spark": resource(object),
        },
        materialize=flow.materialize,
    )

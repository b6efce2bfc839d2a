"""A lake of seven small tables, an engine and a warehouse that remember instead of working: for what Dagster does with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from retail_lake.config import Settings
from retail_lake.contract import Column, Landing, Layer, Table, expect
from retail_lake.engines.base import Stopped
from retail_lake.engines.control import Channel, State, Status
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
    engine: str = "local"
    console: str = ""
    usage: dict[str, float] = field(default_factory=dict)


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
    """Stands for `materialize` and for the warehouse. `blocked`, `lost` (a row on the way) and `incomplete` are (table, day);
    `raises` is by table, and `misfits` is what looking at a table in the warehouse raises.

    With `runs_jobs` each table has its engine run something. Loads take `load_seconds` and are put down
    in a file, which several processes may share, as they begin and end.
    """

    blocked: set[tuple[str, date | None]] = field(default_factory=set)
    lost: set[tuple[str, date | None]] = field(default_factory=set)
    incomplete: set[tuple[str, date | None]] = field(default_factory=set)
    raises: dict[str, Exception] = field(default_factory=dict)
    misfits: dict[str, Exception] = field(default_factory=dict)
    published: set[tuple[str, date | None]] = field(default_factory=set)
    calls: list[tuple[str, tuple[date, ...], frozenset[date]]] = field(default_factory=list)
    runs_jobs: bool = False
    load_seconds: float = 0.0
    loads: Path | None = None

    def materialize(
        self, lake: Any, engine: Any, table: Table, days: Sequence[date], *, run_id: str, unavailable: frozenset[date],
        force: bool, progress: Callable[[str], None],
    ) -> TableOutcome:  # fmt: skip
        self.calls.append((table.full_name, tuple(days), unavailable))
        progress(f"{table.full_name}: {len(days)} days")
        if self.runs_jobs:
            engine.run(SimpleNamespace(table=table.full_name, input_bytes=1))
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
            day=day, rows_in=12, published=10 - (here in self.lost), quarantined=1, duplicates=1, verdicts=verdicts,
            problems=(problem,) if here in self.incomplete else (),
        )  # fmt: skip
        if report.blocked:
            return DayOutcome(day, "blocked", report, 9, 9)
        self.published.add(here)
        return DayOutcome(day, "incomplete" if report.incomplete else "published", report, 9, 10)

    def _samples(self, table: Table) -> dict[str, list[dict[str, str | None]]]:
        return {r.name: [{"id": None, "card": "***"}] for r in table.rules[:1]}

    def _put_down(self, line: str) -> None:
        if self.loads:
            with self.loads.open("a") as file:
                file.write(f"{line}\n")

    def check(self, tables: Sequence[Table]) -> None:
        for table in tables:
            if error := self.misfits.get(f"warehouse.{table.name}"):
                raise error

    def load(self, table: Table, days: Sequence[date] | None, lake: Any, *, run_id: str) -> LoadOutcome:
        here = list(days) if days is not None else [None]
        self._put_down(f"begin {table.name}")
        time.sleep(self.load_seconds)
        self._put_down(f"end {table.name}")
        loaded = tuple(LoadedDay(d, 10, (f"warehouse.{table.name}", d) not in self.published) for d in here)
        self.published |= {(f"warehouse.{table.name}", d) for d in here}
        return LoadOutcome(table.name, loaded, 10 * len(loaded), 7, 0.0)


class FakeLake:
    """A lake in which nothing is on record or stored."""

    def publications_by_day(self) -> dict[str, Any]:
        return {}

    def check(self, table: Table) -> None:
        pass


@dataclass
class FakeControl:
    """A service that remembers: its jobs' states by remote id, and which of them were cancelled."""

    name: str = "glue"
    states: dict[str, State] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)

    def find(self, token: str) -> str | None:
        return next((i for i in self.states if i == f"job-{token}"), None)

    def status(self, remote_id: str) -> Status:
        return Status(self.states[remote_id], usage={"dpu_seconds": 60.0})

    def cancel(self, remote_id: str) -> None:
        self.cancelled.append(remote_id)
        self.states[remote_id] = State.STOPPED

    def console(self, remote_id: str) -> str:
        return f"https://console.aws.amazon.com/{remote_id}"


@dataclass
class FakeRemote:
    """A remote engine whose jobs are marks in a folder, for other processes to see; they last until they are stopped, or
    `seconds`, if that is not None."""

    folder: Path
    seconds: float | None = None
    name: str = "glue"
    control: FakeControl = field(default_factory=FakeControl)
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[str], None] = print
    under_way: list[str] = field(default_factory=list)
    most: list[int] = field(default_factory=list)

    def heard(self, channel: Channel, stop: threading.Event, progress: Callable[[str], None]) -> FakeRemote:
        return replace(self, stop=stop, progress=progress)

    def run(self, job: Any) -> Any:
        (self.folder / f"{job.table}.started").touch()
        self.under_way.append(job.table)
        self.most.append(len(self.under_way))
        stopped = self.stop.wait(60 if self.seconds is None else self.seconds)
        self.under_way.remove(job.table)
        if stopped:
            (self.folder / f"{job.table}.cancelled").touch()
            raise Stopped(job.table)


def fake_settings(home: Path, first: date = date(2017, 1, 1), last: date = date(2017, 1, 14), **more: Any) -> Settings:
    return Settings(home=home, first_day=first, last_day=last, **more)


def on_glue(home: Path, **more: Any) -> Settings:
    """Settings with all jobs on Glue, several at a time."""
    return fake_settings(home, engine="glue", glue_role="role", artifacts_uri="s3://bucket/artifacts", jobs_at_once=4, **more)


def fake_definitions(
    settings: Settings, flow: FakeFlow, tables: dict[str, Table] | None = None, inputs: Any = None, **resources: Any
) -> Any:
    return build_definitions(
        settings=settings,
        tables=tables or TABLES,
        inputs=inputs or INPUTS,
        resources={
            "lake": resource(FakeLake),
            "warehouse": resource(lambda: flow),
            "local": resource(object),
            "spark": resource(object),
            **{name: resource(lambda it=it: it) for name, it in resources.items()},
        },
        materialize=flow.materialize,
    )

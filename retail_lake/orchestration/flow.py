"""One run over the selected tables: which days go on, which stop, and why. No Dagster in here.

Belongs here: how a bad day travels downstream through a run, and when a table is tried again. Does not: building a table
(`retail_lake/materialize.py`), loading one (`warehouse/`), threads (`at_once.py`), or telling Dagster (`events.py`).
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from retail_lake.contract import Table
from retail_lake.engines.base import Stopped
from retail_lake.failure import ConfigurationFailure, DataFailure, Failure, TransientFailure, kind_of, of_the_machine, words
from retail_lake.jobs.description import DayReport
from retail_lake.orchestration.at_once import run_all

if TYPE_CHECKING:
    from retail_lake.lake.publications import Publication
    from retail_lake.orchestration.graph import Graph

BAD: Final = frozenset({"blocked", "failed", "skipped"})
"""The states of a day that leave readers with what was there before."""
ATTEMPTS: Final = 3
PAUSE: Final = 4.0
"""Seconds, more or less, before the second attempt at a table; four times as many before the third."""
_NAMED = 3
"""How many days, rules or inputs a message spells out before it only counts."""


@dataclass(frozen=True)
class DayResult:
    """What came of one day (`day` None: of the whole unpartitioned table).

    `status` is `published`, `incomplete` (published, but a file is missing), `unchanged`, `superseded` (a newer publication is
    there), `blocked` (its audit failed), `failed` (its job failed) or `skipped` (its input is bad). `why` says it in words.
    A day that was built has its `report`; one that was left as it is, what is `known` of it. `engine` ran its job, `console`
    is where AWS shows that job, and `usage` is the day's share of what it used, by unit. `version` is, of a day in the
    warehouse, the fingerprint of the publication loaded.
    """

    day: date | None
    status: str
    rows: int = 0
    previous_rows: int | None = None
    report: DayReport | None = None
    why: str = ""
    known: Publication | None = None
    engine: str = ""
    console: str = ""
    usage: Mapping[str, float] = field(default_factory=dict, hash=False)
    version: str = ""

    @property
    def bad(self) -> bool:
        """Readers still see what was there before."""
        return self.status in BAD


@dataclass(frozen=True)
class AssetResult:
    """What came of one table, in the lake or in the warehouse. `samples` are masked violating rows by rule."""

    table: Table
    in_warehouse: bool
    days: tuple[DayResult, ...]
    samples: Mapping[str, Sequence[Mapping[str, str | None]]] = field(default_factory=dict)
    snapshot_id: int | None = None
    engine: str = ""
    seconds: float = 0.0
    error: Exception | None = None

    @property
    def name(self) -> str:
        """`layer.table`, or `warehouse.table`."""
        return _name(self.table, self.in_warehouse)

    def in_words(self) -> str:
        """How many days came out how: `13 published, 1 blocked in 2.4 s`."""
        counted = Counter(d.status for d in self.days)
        return f"{', '.join(f'{n} {status}' for status, n in counted.items()) or 'nothing to do'} in {self.seconds:.1f} s"


@dataclass
class Flow:
    """Builds tables and remembers what went wrong, so that only what depends on it is skipped.

    `build(table, days, unavailable)` and `load(table, days)` do the work; their outcomes have the shape of
    `materialize.TableOutcome` and `warehouse.base.LoadOutcome`. `days` are the days asked for. `stop` is set when the run is
    to end before its time. `say` is told of second attempts.
    """

    graph: Graph
    days: Sequence[date]
    build: Callable[[Table, Sequence[date], frozenset[date]], Any]
    load: Callable[[Table, Sequence[date] | None], Any]
    results: list[AssetResult] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    say: Callable[[str], None] = lambda _: None
    pause: float = field(default_factory=lambda: PAUSE)
    _bad: dict[str, dict[date | None, str]] = field(default_factory=dict)
    _after: set[tuple[str, date | None]] = field(default_factory=set)
    _remembering: threading.Lock = field(default_factory=threading.Lock)

    def run_all(self, selection: Sequence[tuple[Table, bool]], told: Callable[[AssetResult], None], *, at_once: int = 1) -> None:
        """Bring these tables, in dependency order, up to date, `at_once` at a time; each result is `told` in this thread.

        The order in which tables end changes nothing but the order in which they are told.
        """
        named = {_name(table, in_warehouse): (table, in_warehouse) for table, in_warehouse in selection}
        try:
            run_all(
                list(named), lambda name: self._needs(*named[name]), lambda name: self.run(*named[name]), told,
                at_once=at_once, stop=self.stop,
            )  # fmt: skip
        finally:
            places = {name: place for place, name in enumerate(named)}
            self.results.sort(key=lambda result: places[result.name])

    def _needs(self, table: Table, in_warehouse: bool) -> list[str]:
        """What comes before a table: what it reads; in the warehouse its lake table, and dimensions before facts."""
        if not in_warehouse:
            return [source.full_name for source in self.graph.sources(table)]
        dimensions = [_name(t, True) for t in self.graph.gold() if not t.day] if table.day else []
        return [table.full_name, *dimensions]

    def run(self, table: Table, in_warehouse: bool) -> AssetResult:
        """Bring one table up to date. A failure of its data or of what it depends on is a result; others are raised."""
        days: list[date | None] = list(self.days) if table.day else [None]
        skipped = {day: why for day in days if (why := self._why_unavailable(table, day, in_warehouse))}
        started = time.monotonic()
        try:
            result = self._persist(_name(table, in_warehouse), lambda: self._run(table, in_warehouse, days, skipped))
        except (DataFailure, TransientFailure) as error:
            failed = [d for d in days if d not in skipped]
            result = AssetResult(table, in_warehouse, tuple(DayResult(d, "failed", why=str(error)) for d in failed), error=error)
        except ConfigurationFailure as error:
            said = str(error)
            raise ConfigurationFailure(said if said.startswith(table.full_name) else f"{table.full_name}: {said}") from None
        told = {d.day for d in result.days}
        more = tuple(DayResult(day, "skipped", why=why) for day, why in skipped.items() if day not in told)
        result = AssetResult(
            table, in_warehouse, tuple(sorted((*result.days, *more), key=lambda d: d.day or date.min)), result.samples,
            result.snapshot_id, result.engine, time.monotonic() - started, result.error,
        )  # fmt: skip
        with self._remembering:
            self._after |= {(result.name, day) for day in skipped}
            self._bad[result.name] = {d.day: d.status for d in result.days if d.bad}
            self.results.append(result)
        return result

    def _persist(self, name: str, work: Callable[[], AssetResult]) -> AssetResult:
        """Work, and work again after a pause when what went wrong is transient: days that are published by then stay so."""
        for number in range(1, ATTEMPTS):
            try:
                return _foreseen(name, work)
            except TransientFailure as failure:
                pause = self.pause * 4 ** (number - 1) * random.uniform(0.5, 1.5)
                self.say(f"{name}: attempt {number} of {ATTEMPTS} failed, the next one is in {pause:.0f} s: {failure}")
            if self.stop.wait(pause):
                raise Stopped(name)
        return _foreseen(name, work)

    def _run(self, table: Table, in_warehouse: bool, days: list[date | None], skipped: Mapping[date | None, str]) -> AssetResult:
        if len(skipped) == len(days):
            return AssetResult(table, in_warehouse, ())
        if in_warehouse:
            loaded = self.load(table, [d for d in days if d and d not in skipped] if table.day else None)
            return AssetResult(
                table,
                True,
                tuple(
                    DayResult(d.day, "published" if d.changed else "unchanged", d.rows, version=d.version) for d in loaded.days
                ),
                snapshot_id=loaded.snapshot_id,
            )
        outcome = self.build(table, [d for d in days if d], frozenset(d for d in skipped if d))
        return AssetResult(
            table,
            False,
            tuple(
                DayResult(
                    d.day,
                    d.status,
                    d.rows,
                    d.previous_rows,
                    d.report,
                    skipped.get(d.day) or d.reason or _why(d),
                    d.known,
                    d.engine,
                    d.console,
                    d.usage,
                )
                for d in outcome.days
            ),
            outcome.samples,
            outcome.snapshot_id,
            outcome.engine,
        )

    def _why_unavailable(self, table: Table, day: date | None, in_warehouse: bool) -> str:
        """Why a day cannot be built in this run, or nothing. Only what this run tried counts."""
        if in_warehouse:
            bad = self._bad.get(table.full_name, {})
            return f"{table.full_name} is {bad[day]}" if day in bad else ""
        for source in self.graph.sources(table):
            name, bad = source.full_name, self._bad.get(source.full_name, {})
            if day is None or name in table.whole:
                # Whole from the good days of its inputs, unless an input has no answer at all.
                why = f"{name} is {bad[None]}" if None in bad else f"{name} failed" if "failed" in bad.values() else ""
            elif source.day:
                # The day itself decides, also where a window reads more: once a bad day is repaired, the days that read it
                # are stale and are built again.
                why = f"{name} of {day} is {bad[day]}" if day in bad else ""
            else:
                why = f"{name} is {bad[None]}" if None in bad else ""
            if why:
                return why
        return ""

    def kinds(self) -> set[str]:
        """The kinds of failure that there were. A blocked day is its data's; one that is skipped only follows, but for a
        day that waits for an input which this run was not asked for: that too is a matter of data."""
        failed = {kind_of(result.error) for result in self.results if result.error}
        bad = {(r.name, d.day) for r in self.results for d in r.days if d.status in ("blocked", "skipped")}
        return failed | ({"data"} if bad - self._after else set())

    def summary(self) -> str:
        """The bad days by table, in words, and then the tables that only follow; empty if there are none."""
        lines = []
        following: dict[tuple[DayResult, ...], list[str]] = {}
        for result in self.results:
            by_why: dict[str, list[DayResult]] = {}
            after = []
            for day in result.days:
                if day.bad and (result.name, day.day) in self._after:
                    after.append(DayResult(day.day, day.status))
                elif day.bad:
                    by_why.setdefault(f"{day.status}: {day.why}" if day.why else day.status, []).append(day)
            lines += [f"  {result.name}{_days(found)} {why}" for why, found in by_why.items()]
            if after:
                following.setdefault(tuple(after), []).append(result.name)
        lines += [f"  skipped, because they read that{_days(days)} {', '.join(names)}" for days, names in following.items()]
        return "\n".join(lines)


def _foreseen(name: str, work: Callable[[], AssetResult]) -> AssetResult:
    """Work, with a fault of the machine told as the transient failure that it is."""
    try:
        return work()
    except Failure:
        raise
    except Exception as error:
        if of_the_machine(error):
            raise TransientFailure(f"{name}: {words(error)}") from error
        raise


def _name(table: Table, in_warehouse: bool) -> str:
    return f"warehouse.{table.name}" if in_warehouse else table.full_name


def _days(days: Sequence[DayResult]) -> str:
    named = [str(d.day) for d in days[:_NAMED] if d.day]
    if not named:
        return ":"
    return " " + ", ".join(named) + (f" and {len(days) - _NAMED} more days" if len(days) > _NAMED else "") + ":"


def _why(day: Any) -> str:
    """What a day's report holds against it."""
    report: DayReport | None = day.report
    if report is None:
        return ""
    parts = []
    if day.status == "blocked":
        if not report.conserved:
            parts.append(
                f"rows are missing or too many ({report.rows_in} in, but {report.published} to publish, {report.quarantined} in"
                f" quarantine and {report.duplicates} duplicates)"
            )
        for verdict in report.verdicts:
            if not verdict.success and verdict.severity == "critical":
                if verdict.unexpected is not None:
                    parts.append(f"{verdict.rule} ({verdict.unexpected} of {verdict.judged} rows)")
                else:
                    parts.append(f"{verdict.rule} ({verdict.observed})")
    parts += [f"{p.key}: {p.problem}" for p in report.problems]
    return "; ".join(parts[:_NAMED]) + (f"; and {len(parts) - _NAMED} more" if len(parts) > _NAMED else "")

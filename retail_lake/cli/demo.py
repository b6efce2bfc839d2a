"""`retail-lake demo`: days of a real grocer's year, from landed files to the warehouse, in one command.

Belongs here: the order of its steps and its progress. Does not: what is served (`demo/`), built (`orchestration/run.py`) or
summed up (`summary.py`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import click

from retail_lake.cli.common import DAY
from retail_lake.config import ENGINES
from retail_lake.contract import Layer

if TYPE_CHECKING:
    from retail_lake.config import Settings
    from retail_lake.lake.lake import Lake


@click.command(name="demo", short_help="Serve a grocer's days and build everything from them.")
@click.option("--start", type=DAY, default="2017-01-01", show_default=True, help="First day to serve.")
@click.option("--days", type=click.IntRange(min=1), default=14, show_default=True, help="How many days; 375 reach 2018-01-10.")
@click.option("--engine", type=click.Choice(ENGINES), help="What runs the jobs (default: as the settings say).")
def command(start: date, days: int, engine: str | None) -> None:
    """Serve the tills, ERP, CRM, marketing and events of some days of 2017 as landed files, then build every table of the
    lake with all checks, load the warehouse, and sum up.

    Run it again, with the same days or others: only what is missing or has changed is done.
    """
    from retail_lake.cli.common import console, settings
    from retail_lake.cli.summary import show_summary
    from retail_lake.demo.days import FIRST_DAY, LAST_DAY
    from retail_lake.demo.serve import serve
    from retail_lake.failure import ConfigurationFailure

    started = time.monotonic()
    last = start + timedelta(days=days - 1)
    if start < FIRST_DAY or last > LAST_DAY:
        raise ConfigurationFailure(
            f"The demo has the days {FIRST_DAY} to {LAST_DAY}; {days} days from {start} end on {last}. "
            "Choose others with --start and --days."
        )
    current = widen(settings(), FIRST_DAY, last)
    with progress() as tell:
        served = serve(
            current.landing_uri,
            current.home / "ledger",
            start,
            days,
            s3_endpoint=current.s3_endpoint,
            region=current.region,
            progress=tell,
        )
        tell("importing the project")
        from retail_lake.orchestration.run import materialize_range

        runs = []
        for tables, first, until in unfinished(current, start, last):
            runs.append(materialize_range(tables, first, until, settings=current, engine=engine or "", progress=tell))
    show_summary(console(), current, served, runs, time.monotonic() - started)
    if not all(run.success for run in runs):
        raise SystemExit(1)


def widen(current: Settings, first: date, last: date) -> Settings:
    """The settings with the lake's days reaching over these too, as `settings.env` in the home folder says from now on.

    Other lines of that file stay. Raises `ConfigurationFailure` if the environment holds the lake to other days.
    """
    from retail_lake.config import PREFIX, load_settings
    from retail_lake.config import settings as cached
    from retail_lake.failure import ConfigurationFailure

    file = current.home / "settings.env"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    told = {name.strip().upper(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    names = (f"{PREFIX}FIRST_DAY", f"{PREFIX}LAST_DAY")
    days = (
        min(first, date.fromisoformat(told[names[0]])) if names[0] in told else first,
        max(last, date.fromisoformat(told[names[1]])) if names[1] in told else last,
    )
    kept = [line for line in lines if line.split("=")[0].strip().upper() not in names]
    current.home.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".env.new")
    new.write_text("\n".join([*kept, *(f"{n}={d}" for n, d in zip(names, days, strict=True))]) + "\n", encoding="utf-8")
    new.replace(file)
    cached.cache_clear()
    widened = load_settings()
    if not widened.first_day <= first <= last <= widened.last_day:
        raise ConfigurationFailure(
            f"The environment sets the lake's days to {widened.first_day} to {widened.last_day}; {first} to {last} is outside: "
            f"unset {' and '.join(n for n in names if n in os.environ)}"
        )
    return widened


def masters() -> list[str]:
    """Tables by day that need nothing which has to arrive every day: the history of what tills and events refer to."""
    from retail_lake.tables import TABLES, inputs

    found: list[str] = []
    for name, table in TABLES.items():
        daily = table.landing is not None and any("{day}" in part for part in table.landing.expected)
        if table.layer is not Layer.GOLD and not daily and all(i in found or i == "run.days" for i in inputs(table)):
            found.append(name)
    return found


Ranges = Iterator[tuple[list[str] | None, date, date]]


def unfinished(current: Settings, start: date, last: date) -> Ranges:
    """The tables (None: all) and days to build, in order, each judged when its turn comes: nothing that is as it should be.

    Where the window begins in the middle of the year, the master data's days before it come first, because they are a
    history, and then the days before it that late rows claim, so that nothing that arrives in the window is lost.
    """
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.plan import survey
    from retail_lake.tables import TABLES
    from retail_lake.warehouse import open_warehouse

    lake, warehouse = Lake(current), open_warehouse(current)
    before = days_from(current.first_day, start - timedelta(days=1))
    window = days_from(start, last)
    if early := {d for name in masters() for d in survey(lake, TABLES[name], before).todo if d}:
        yield masters(), min(early), start - timedelta(days=1)
    if before:
        landed = [n for n, t in TABLES.items() if t.layer is Layer.BRONZE]
        if any(survey(lake, TABLES[n], window).todo for n in landed):
            yield landed, start, last
        yield from stragglers(lake, before)
    known = lake.publications_by_day()
    waits = any(n not in known or (s := survey(lake, t, window)).todo or s.waiting for n, t in TABLES.items())
    if waits or any(warehouse.pending(t, window, lake) for t in TABLES.values() if t.layer is Layer.GOLD):
        yield None, start, last


def stragglers(lake: Lake, before: list[date]) -> Ranges:
    """The days before the window that late rows claim, in ranges without gaps, and the tables that can be built of them."""
    from retail_lake.lake.plan import survey
    from retail_lake.tables import TABLES, inputs

    whole = [n for n, t in TABLES.items() if t.day is None]
    always = {*masters(), "run.days", *whole}
    for name in (n for n, t in TABLES.items() if t.layer is Layer.BRONZE and n not in always):
        fed = {name}
        for other, reader in TABLES.items():
            if reader.day and fed & set(inputs(reader)) and set(inputs(reader)) <= fed | always:
                fed.add(other)
        claimed = {d for p in lake.publications(name) for d in p.touched_days}
        late = sorted(claimed & set(before))
        behind = {d for n in fed - {name} for s in [survey(lake, TABLES[n], late)] for d in (*s.todo, *s.waiting) if d}
        tables = [*sorted(fed - {name}), *whole]
        served = [f"warehouse.{TABLES[n].name}" for n in tables if TABLES[n].layer is Layer.GOLD]
        for first, last in runs_of_days(behind):
            yield [*tables, *served], first, last


def runs_of_days(days: Iterable[date]) -> list[tuple[date, date]]:
    """Days as ranges without gaps, in order."""
    found: list[tuple[date, date]] = []
    for day in sorted(days):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def days_from(first: date, last: date) -> list[date]:
    """Every day from first to last; none if last is before first."""
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Shows what is being done: one moving line on a terminal, one line per step anywhere else."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from retail_lake.cli.common import console

    out = console(stderr=True)
    if not out.is_terminal:

        def tell(message: str) -> None:
            out.print(f"{datetime.now():%H:%M:%S} {message}", markup=False)  # noqa: DTZ005 (the reader's own clock)

        yield tell
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=out, transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda message: bar.update(task, description=message)

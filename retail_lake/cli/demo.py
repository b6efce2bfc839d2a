"""`retail-lake demo`: days of a real grocer's year, from landed files to the warehouse, in one command.

Belongs here: the order of its steps and its progress. Does not: what is served (`demo/`), built (`orchestration/run.py`) or
summed up (`summary.py`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import click

from retail_lake.cli.common import DAY

if TYPE_CHECKING:
    from retail_lake.config import Settings


@click.command(name="demo", short_help="Serve a grocer's days and build everything from them.")
@click.option("--start", type=DAY, default="2017-01-01", show_default=True, help="First day to serve.")
@click.option("--days", type=click.IntRange(min=1), default=14, show_default=True, help="How many days; 375 reach 2018-01-10.")
@click.option("--engine", type=click.Choice(["local", "spark"]), help="What runs the jobs (default: as the settings say).")
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
            s3_region=current.s3_region,
            progress=tell,
        )
        tell("importing the project")
        from retail_lake.orchestration.run import materialize_range

        runs = []
        if start > current.first_day:
            # Master data is a history: its days before the window are part of what the window sees.
            before = start - timedelta(days=1)
            runs.append(
                materialize_range(masters(), current.first_day, before, settings=current, engine=engine or "", progress=tell)
            )
        runs.append(materialize_range(None, start, last, settings=current, engine=engine or "", progress=tell))
        for tables, first, until in late(current, start):
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
    from retail_lake.contract import Layer
    from retail_lake.tables import TABLES, inputs

    found: list[str] = []
    for name, table in TABLES.items():
        daily = table.landing is not None and any("{day}" in part for part in table.landing.expected)
        if table.layer is not Layer.GOLD and not daily and all(i in found or i == "run.days" for i in inputs(table)):
            found.append(name)
    return found


def late(current: Settings, start: date) -> Iterator[tuple[list[str], date, date]]:
    """Days before the window that late rows claim: the tables that can be built of them, and ranges without gaps.

    A window that begins in the middle of the year brings the stragglers of the days before it, and nothing is lost.
    """
    from retail_lake.contract import Layer
    from retail_lake.lake.lake import Lake
    from retail_lake.tables import TABLES, inputs

    lake, always = Lake(current), {*masters(), "run.days", *(n for n, t in TABLES.items() if t.day is None)}
    for name, table in TABLES.items():
        if table.layer is not Layer.BRONZE or name in always:
            continue
        known = {n: {p.day for p in lake.publications(n)} for n in always}
        days = sorted({d for p in lake.publications(name) for d in p.touched_days if d < start})
        fed = {name}
        for other, reader in TABLES.items():
            if reader.day and fed & set(inputs(reader)) and set(inputs(reader)) <= fed | always:
                fed.add(other)
        needed = {i for n in fed for i in inputs(TABLES[n]) if i in always and i in TABLES and TABLES[i].day}
        days = [d for d in days if all(d in known[n] for n in needed)]
        for gap in [i for i, d in enumerate(days) if i == 0 or d - days[i - 1] > timedelta(days=1)]:
            end = next((i for i in range(gap + 1, len(days)) if days[i] - days[i - 1] > timedelta(days=1)), len(days)) - 1
            yield sorted(fed - {name}), days[gap], days[end]


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

"""`retail-lake backfill`: build a range of days again, or just the stale ones, with everything that follows from them.

Belongs here: what is asked for and the order of steps. Does not: which days (`backfill/plan.py`), a run (`orchestration/run.py`),
how it is shown (`backfilled.py`).
"""

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING

import click

from retail_lake.cli.common import DAY
from retail_lake.config import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from retail_lake.backfill.estimate import Estimate
    from retail_lake.backfill.plan import Plan, Request
    from retail_lake.backfill.runs import Run
    from retail_lake.config import Settings
    from retail_lake.contract import Table
    from retail_lake.lake.lake import Lake
    from retail_lake.orchestration.run import RunSummary


@click.command(name="backfill", short_help="Build a range of days, or the stale ones, and what follows from them.")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--from", "first", type=DAY, help="First day (with --stale by default the lake's first).")
@click.option("--to", "last", type=DAY, help="Last day (default: that of --from; with --stale the lake's last).")
@click.option("--stale", is_flag=True, help="Only published days that older code, or other inputs, made.")
@click.option("--force", is_flag=True, help="Days that are as they should be, too.")
@click.option("--downstream/--no-downstream", default=True, show_default=True, help="And everything built from them.")
@click.option("--dry-run", is_flag=True, help="Say what would be built, why, how long it takes and what it costs; do nothing.")
@click.option("--engine", type=click.Choice(ENGINES), help="What runs the jobs (default: as the settings say).")
def command(
    tables: tuple[str, ...],
    first: date | None,
    last: date | None,
    stale: bool,
    force: bool,
    downstream: bool,
    dry_run: bool,
    engine: str | None,
) -> None:
    """Build the days --from to --to of each TABLE (all, if none is named): those that are missing, or that older code or other
    inputs made; and then, with them, the days of every table that is built from them.

    `warehouse.TABLE` names what the warehouse serves. Doing it twice changes nothing, and others may build the same days
    meanwhile. A day that must not be published stops nothing but itself: the exit code is 1 then, and the summary says
    which days of which tables.
    """
    from retail_lake.backfill.plan import plan
    from retail_lake.backfill.rounds import carry_out
    from retail_lake.backfill.runs import runs
    from retail_lake.cli.backfilled import show_plan, show_summary
    from retail_lake.cli.common import console, settings
    from retail_lake.cli.demo import progress
    from retail_lake.compatible import check_selection
    from retail_lake.lake.lake import Lake
    from retail_lake.warehouse import open_warehouse

    started = time.monotonic()
    current = settings()
    request = _request(current, tables, first, last, stale=stale, force=force, downstream=downstream)
    lake, warehouse = Lake(current), open_warehouse(current)
    todo = plan(lake, warehouse, request)
    if dry_run:
        show_plan(console(), todo, runs(todo, request.last), _estimate(current, lake, todo, engine or ""))
        return
    summaries: list[RunSummary] = []
    if todo.work:
        with progress() as tell:
            # Each run looks at its own tables; here at those of all of them, before the first.
            check_selection(_selection(todo), lake, warehouse, tell)
            carry_out(lake, warehouse, request, todo, _executor(current, engine or "", force, tell, summaries))
    show_summary(console(), summaries, todo.waiting, time.monotonic() - started)
    if todo.waiting or not all(summary.success for summary in summaries):
        raise SystemExit(1)


def _request(
    current: Settings,
    tables: tuple[str, ...],
    first: date | None,
    last: date | None,
    *,
    stale: bool,
    force: bool,
    downstream: bool,
) -> Request:
    """What was asked for. Raises `ConfigurationFailure` for what cannot be."""
    from retail_lake.backfill.plan import WAREHOUSE, Request
    from retail_lake.cli.common import check_day, find_tables, nearest
    from retail_lake.contract import Layer
    from retail_lake.failure import ConfigurationFailure
    from retail_lake.tables import TABLES

    if stale and force:
        raise ConfigurationFailure("--stale and --force exclude each other: stale days are built again anyway.")
    if first is None and not stale:
        raise ConfigurationFailure("Say which days: --from 2017-01-01 --to 2017-01-31. Or --stale, for the stale ones.")
    first = first or current.first_day
    last = last or (current.last_day if stale else first)
    if first > last:
        raise ConfigurationFailure(f"--from {first} is after --to {last}")
    check_day(first, current)
    check_day(last, current)
    served = {f"{WAREHOUSE}{t.name}" for t in TABLES.values() if t.layer is Layer.GOLD}
    if unknown := [name for name in tables if name.startswith(WAREHOUSE) and name not in served]:
        raise ConfigurationFailure(f"There is no table {unknown[0]}. {nearest(unknown[0], served)}")
    found = [t.full_name for t in find_tables((n for n in tables if n not in served), TABLES)]
    return Request((*found, *(n for n in tables if n in served)), first, last, stale, force, downstream)


def _selection(todo: Plan) -> Iterator[tuple[Table, bool]]:
    """The plan's tables, each with whether it is the warehouse's."""
    from retail_lake.backfill.plan import WAREHOUSE
    from retail_lake.tables import TABLES

    for name in todo.work:
        served = name.startswith(WAREHOUSE)
        yield TABLES[f"gold.{name.removeprefix(WAREHOUSE)}" if served else name], served


def _executor(
    current: Settings, engine: str, force: bool, tell: Callable[[str], None], summaries: list[RunSummary]
) -> Callable[[Run, int, int], set[tuple[str, date | None]]]:
    """What does a run; its summary is put with the others."""
    from retail_lake.orchestration import build_definitions
    from retail_lake.orchestration.run import materialize_range

    tell("importing the project")
    definitions = build_definitions(settings=current)

    def execute(run: Run, number: int, of: int) -> set[tuple[str, date | None]]:
        part = f"run {number} of {of}: " if of > 1 else ""
        summary = materialize_range(
            run.tables, run.first, run.last, settings=current, definitions=definitions, engine=engine, force=force,
            progress=lambda message: tell(f"{part}{message}"),
        )  # fmt: skip
        summaries.append(summary)
        return {(result.name, day.day) for result in summary.results for day in result.days if day.bad}

    return execute


def _estimate(current: Settings, lake: Lake, todo: Plan, engine: str) -> Mapping[str, Estimate]:
    from datetime import UTC, datetime, timedelta

    from retail_lake.backfill.estimate import estimate
    from retail_lake.backfill.plan import WAREHOUSE
    from retail_lake.config import REMOTE
    from retail_lake.cost import ledger
    from retail_lake.engines.routed import choose
    from retail_lake.orchestration.instance import open_instance
    from retail_lake.orchestration.past_runs import past_runs
    from retail_lake.tables import TABLES

    with open_instance(current) as instance:
        samples = past_runs(instance, todo.work)
    engines = {n: choose(current, TABLES[n], engine) for n in todo.work if not n.startswith(WAREHOUSE)}
    today = datetime.now(UTC).date()
    remote = any(chosen in REMOTE for chosen in engines.values())
    used = ledger.read(current, today - timedelta(days=90), today) if remote else []
    # Small jobs go to an engine of their own: what a table cost counts, whatever it ran on.
    free = [n for n in todo.work if engines.get(n) not in REMOTE]
    return estimate(todo, lake.publications_by_day(), samples, used, free)

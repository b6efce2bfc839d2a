"""`retail-lake rollback`: a table, or days of it, as an earlier snapshot showed them.

Belongs here: the command. Does not: how it is done (`lake/rollback.py`).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from retail_lake.cli.common import DAY, MOMENT

if TYPE_CHECKING:
    from retail_lake.contract import Table
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.rollback import Rollback

_STATES = 20


@click.command(name="rollback", short_help="Take a table or a day back to an earlier snapshot.")
@click.argument("table")
@click.option("--day", "days", type=DAY, multiple=True, help="Only this day; may be given several times.")
@click.option("--to", "snapshot", type=int, help="The snapshot to show again.")
@click.option("--before", type=MOMENT, help="The last state from before this moment (UTC).")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def command(table: str, days: tuple[date, ...], snapshot: int | None, before: datetime | None, dry_run: bool) -> None:
    """Show TABLE as the snapshot did; without --to and --before, only list the snapshots it keeps.

    What was rolled back is not built again by itself until its inputs or its code change; to take the rollback back, build the
    day with force. Everything downstream is stale and follows. Stop runs that build the table first.
    """
    from retail_lake.cli.common import check_day, console, find_tables, settings
    from retail_lake.failure import ConfigurationFailure
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.rollback import rollback
    from retail_lake.tables import TABLES

    current = settings()
    (chosen,) = find_tables([table], TABLES)
    for day in days:
        check_day(day, current)
    lake = Lake(current)
    if snapshot is None and before is None:
        _list(lake, chosen)
        return
    if snapshot is not None and before is not None:
        raise ConfigurationFailure("Give either --to or --before: each of them says which snapshot is meant")
    done = rollback(lake, chosen, to=snapshot, before=before, days=days, act=not dry_run)
    _tell(done, chosen, dry_run)
    if not dry_run and any(day.changed for day in done.days):
        console().print(f"Downstream of {chosen.full_name} is stale now: `retail-lake status` shows it.")


def _list(lake: Lake, table: Table) -> None:
    from retail_lake.cli.common import console, day_ranges, grid
    from retail_lake.lake.rollback import states

    kept = states(lake, table)
    shown = grid("snapshot", "since (UTC)", "run", "days changed", "")
    for state in kept[:_STATES]:
        days = day_ranges(d for d in state.days if d)
        shown.add_row(
            str(state.snapshot_id), f"{state.at:%Y-%m-%d %H:%M:%S}", state.run_id or "-", days, "current" if state.current else ""
        )
    console().print(shown)
    if len(kept) > _STATES:
        console().print(
            f"and {len(kept) - _STATES} older ones, back to {kept[-1].at:%Y-%m-%d %H:%M:%S}; reach them with --before"
        )


def _tell(done: Rollback, table: Table, dry_run: bool) -> None:
    from retail_lake.cli.common import console, count, grid

    out = console()
    would = "would go back" if dry_run else "is back"
    out.print(f"{table.full_name} {would} to snapshot {done.to.snapshot_id} of {done.to.at:%Y-%m-%d %H:%M:%S} UTC")
    shown = grid("day", "rows before", "rows", "", numbers=("rows before", "rows"))
    for day in done.days:
        if day.changed:
            shown.add_row(
                str(day.day or "whole"), count(day.rows_before), count(day.rows), "would change" if dry_run else "changed"
            )
    if any(day.changed for day in done.days):
        out.print(shown)
    else:
        out.print("It shows just that already.")
    for line in done.says:
        out.print(line)

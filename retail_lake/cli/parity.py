"""`retail-lake parity`: the same job on two engines, on the user's own data, compared value for value."""

from __future__ import annotations

from datetime import date

import click

from retail_lake.cli.common import DAY
from retail_lake.config import ENGINES


@click.command(name="parity", short_help="Prove that two engines give the same.")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--day", type=DAY, required=True, help="The day to build; for an unpartitioned table any day of the lake.")
@click.option("--rows", type=click.IntRange(min=1), default=10, show_default=True, help="Differences to show of a table.")
@click.option(
    "--engine", type=click.Choice(ENGINES[1:]), default="spark", show_default=True, help="What the local engine is held against."
)
def command(tables: tuple[str, ...], day: date, rows: int, engine: str) -> None:
    """Run each TABLE (all, if none is named) on the local and on another engine from the same pinned inputs.

    Compares rows, quarantine, counts and verdicts; doubles to 1e-9. Publishes nothing. Exit code 1 if anything differs.
    Tables that are written for Spark only are left out. Personal data in differing columns is shown.
    """
    from rich.markup import escape

    from retail_lake.cli.common import check_day, console, find_tables, grid, settings
    from retail_lake.cli.compare import differences
    from retail_lake.cli.trial import describe, staging
    from retail_lake.duckdb_connection import connect
    from retail_lake.engines import local_engine, open_engine
    from retail_lake.lake.lake import Lake
    from retail_lake.tables import TABLES

    current = settings()
    check_day(day, current)
    chosen = [t for t in find_tables(tables, TABLES) or TABLES.values() if not t.spark]
    lake, local, other = Lake(current), local_engine(current), open_engine(current, engine)
    out, differing = console(), 0
    for table in chosen:
        job = describe(lake, table, day)
        waiting = console(stderr=True).status(f"{table.full_name} on local and {engine} ...")
        ours_at, theirs_at = staging(current, job, "local"), staging(current, job, engine)
        with ours_at as here, theirs_at as there, connect(current) as connection, waiting:
            # The other one first: if something that it needs is missing, that is said at once.
            theirs, ours = other.run(there), local.run(here)
            found = differences(connection, table, ours, theirs, rows)
        published, quarantined = (sum(getattr(d, name) for d in ours.days) for name in ("published", "quarantined"))
        verdict = "differs" if found else "the same"
        out.print(f"{table.full_name}: {verdict}, {published:,} rows and {quarantined:,} quarantined on the local engine")
        if found:
            differing += 1
            shown = grid("where", "what", "local", engine)
            for difference in found:
                shown.add_row(*(escape(t) for t in (difference.where, difference.what, difference.local, difference.spark)))
            out.print(shown)
    if differing:
        out.print(f"{differing} of {len(chosen)} tables differ.")
        raise SystemExit(1)

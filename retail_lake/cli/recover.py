"""`retail-lake recover`: the catalog rebuilt from what the lake holds.

Belongs here: the command. Does not: which metadata file a table gets back (`lake/recover.py`).
"""

from __future__ import annotations

from datetime import datetime

import click

from retail_lake.cli.common import MOMENT


@click.command(name="recover", short_help="Rebuild the catalog from the metadata in the lake.")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
@click.option("--replace", is_flag=True, help="Also replace entries that the catalog has and the lake does not agree with.")
@click.option("--before", type=MOMENT, help="Take the lake back to this moment (UTC), as far as its metadata reaches.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def command(tables: tuple[str, ...], replace: bool, before: datetime | None, dry_run: bool) -> None:
    """Register every table that the lake has (or each TABLE), its quarantine and the record of publications.

    Stop whatever publishes to the lake first. What the catalog shows already stays, unless it lags behind the lake and
    --replace is given. Days that are not as they were recorded are built again by the next run. Ends with 1 when a table
    could not be recovered or was refused.
    """
    from rich.markup import escape

    from retail_lake.cli.common import console, grid, settings
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.recover import recover

    lake = Lake(settings())
    found = recover(lake, tables, replace=replace, before=before, act=not dry_run)
    shown = grid("table", "would be" if dry_run else "is", "metadata file", "snapshot", "note")
    for each in found:
        file, snapshot = each.location.rsplit("/", 1)[-1] or "-", str(each.snapshot_id or "-")
        shown.add_row(each.table, str(each.did), file, snapshot, escape("; ".join(each.says)) or "-")
    out = console()
    out.print(shown)
    if not found:
        out.print(f"{lake.location} has no tables.")
    elif bad := [each.table for each in found if each.bad]:
        out.print(f"{len(bad)} of {len(found)} tables need you: {', '.join(bad)}")
        click.get_current_context().exit(1)
    else:
        out.print("Nothing was changed." if dry_run else "Next: retail-lake status")

"""`retail-lake restore`: landed files brought back from the versions that the bucket keeps.

Belongs here: the command. Does not: which files those are (`sources/restore.py`).
"""

from __future__ import annotations

from datetime import datetime

import click

from retail_lake.cli.common import MOMENT

_NAMED = 20


@click.command(name="restore", short_help="Bring deleted or overwritten landed files back.")
@click.option("--before", type=MOMENT, required=True, help="The moment (UTC) at which landing was as it should be.")
@click.option("--dry-run", is_flag=True, help="Say what would come back, and do nothing.")
def command(before: datetime, dry_run: bool) -> None:
    """Bring landing back to what was there at a moment, from the versions that its bucket keeps. What landed since stays."""
    from retail_lake.cli.common import console, settings
    from retail_lake.sources.restore import restore

    current, out = settings(), console()
    found = restore(current, before, act=not dry_run)
    for each in found[:_NAMED]:
        out.print(f"{each.key}: was {each.happened}, {each.size:,} bytes {'would come' if dry_run else 'are'} back", markup=False)
    if len(found) > _NAMED:
        out.print(f"and {len(found) - _NAMED} more")
    out.print(f"{len(found)} files {'would be' if dry_run else 'are'} back in {current.landing_uri}")

"""`retail-lake clean`: delete what killed jobs left behind and what no snapshot shows any more.

Belongs here: the command. Does not: which files those are (`lake/maintenance.py`).
"""

from __future__ import annotations

import click


@click.command(name="clean", short_help="Delete files that no reader can reach.")
@click.option("--older-than", "hours", type=click.FloatRange(min=0), default=24, show_default=True, help="Age in hours.")
def command(hours: float) -> None:
    """Delete data files that no kept snapshot shows: staged by a job that was killed, or replaced and forgotten since.

    Choose an age beyond the longest job: a younger file may belong to one that is still running.
    """
    from datetime import timedelta

    from retail_lake.cli.common import console, settings
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.maintenance import remove_orphans
    from retail_lake.tables import TABLES

    lake = Lake(settings())
    removed = {name: len(remove_orphans(lake, table, timedelta(hours=hours))) for name, table in TABLES.items()}
    for name, files in removed.items():
        if files:
            console().print(f"{name}: {files} files deleted")
    console().print(f"{sum(removed.values())} files deleted in all")

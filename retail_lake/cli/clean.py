"""`retail-lake clean`: delete what killed jobs left behind and what no snapshot shows any more.

Belongs here: the command. Does not: which files those are (`lake/maintenance.py`), or what is done every night
(`lake/upkeep.py`).
"""

from __future__ import annotations

import click


@click.command(name="clean", short_help="Delete files that no reader can reach.")
@click.option("--older-than", "hours", type=click.FloatRange(min=0), default=24, show_default=True, help="Age in hours.")
def command(hours: float) -> None:
    """Delete data files that no kept snapshot shows, staged by a job that was killed, or replaced and forgotten since; and
    manifests that belong to none. The job `maintenance` does that every night, with an age that no job reaches.

    Choose an age beyond the longest job: a younger file may belong to one that is still running. A table of which the lake
    holds more than the catalog accounts for is left alone.
    """
    from datetime import timedelta

    from retail_lake.cli.common import console, settings
    from retail_lake.lake.lake import PUBLICATIONS, Lake, quarantine_name
    from retail_lake.lake.maintenance import in_doubt, remove_old_metadata, remove_orphans
    from retail_lake.tables import TABLES

    lake, age, out = Lake(settings()), timedelta(hours=hours), console()
    total = 0
    for name, table in TABLES.items():
        both = (name, quarantine_name(table))
        if doubtful := [each for each in both if in_doubt(lake, each)]:
            out.print(f"{', '.join(doubtful)}: left alone, see `retail-lake runbook catalog-lost`")
            continue
        files = len(remove_orphans(lake, table, age)) + sum(len(remove_old_metadata(lake, each, age)) for each in both)
        total += files
        if files:
            out.print(f"{name}: {files} files deleted")
    total += len(remove_old_metadata(lake, PUBLICATIONS, age))
    out.print(f"{total} files deleted in all")

"""`retail-lake status`: what each table holds, what it lacks and what no longer fits its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from retail_lake.contract import Table
    from retail_lake.lake.lake import Lake
    from retail_lake.lake.publications import Publication


@dataclass
class TableStatus:
    """One table's days by what they are; `days` are those with data that readers see. Counts are rows."""

    table: str
    by_day: bool
    days: list[date | None] = field(default_factory=list)
    missing: list[date | None] = field(default_factory=list)
    incomplete: list[date | None] = field(default_factory=list)
    blocked: list[date | None] = field(default_factory=list)
    stale: list[date | None] = field(default_factory=list)
    published: Publication | None = None
    rows: int = 0
    quarantined: int = 0

    def words(self, days: Sequence[date | None]) -> str:
        """Days as ranges; for an unpartitioned table whether it is so."""
        from retail_lake.cli.common import day_ranges

        if self.by_day:
            return day_ranges(d for d in days if d)
        return "yes" if days else "-"


@click.command(name="status", short_help="What each table holds, lacks, and what is stale.")
@click.argument("tables", nargs=-1, metavar="[TABLE]...")
def command(tables: tuple[str, ...]) -> None:
    """Show each TABLE (all, if none is named): days present, missing, incomplete, blocked and stale, rows and quarantined rows.

    Stale: code or inputs have changed since. Incomplete: published, but a file is missing or unreadable. Blocked: the audit
    refused the last attempt, and readers see what was there before. Materializing a day settles the first two.
    """
    from retail_lake.cli.common import by_layer, console, count, day_ranges, find_tables, grid, settings
    from retail_lake.lake.lake import Lake
    from retail_lake.tables import TABLES

    current = settings()
    chosen = find_tables(tables, TABLES) or by_layer(TABLES.values())
    lake = Lake(current)
    known = lake.publications_by_day()
    out = console()
    out.print(f"The lake {current.lake_uri}, days {current.first_day} to {current.last_day}")
    shown = grid(
        "table", "present", "missing", "incomplete", "blocked", "stale", "rows", "quarantined", "last publication (UTC)",
        numbers=("rows", "quarantined"),
    )  # fmt: skip
    for table in chosen:
        found = status_of(lake, table, list(known.get(table.full_name, {}).values()))
        last = found.published
        shown.add_row(
            found.table,
            *(found.words(days) for days in (found.days, found.missing, found.incomplete, found.blocked, found.stale)),
            count(found.rows),
            count(found.quarantined),
            f"{last.published_at:%Y-%m-%d %H:%M:%S}" if last else "-",
        )
    out.print(shown)
    for table in chosen:
        if held := [p.day for p in known.get(table.full_name, {}).values() if p.rolled_back]:
            days = day_ranges(d for d in held if d) if table.day else "the whole table"
            out.print(f"{table.full_name}: rolled back by a person, and left so until code or inputs change: {days}")
    if not known:
        out.print("Nothing is published yet: run `retail-lake demo`, or materialize tables in `retail-lake ui`.")


def status_of(lake: Lake, table: Table, publications: Sequence[Publication]) -> TableStatus:
    """A table's days against its publications and against a survey made now."""
    from retail_lake.lake.plan import survey

    known = {p.day: p for p in publications}
    expected: list[date | None] = list(lake.settings.days) if table.day else [None]
    visible = [d for d, p in known.items() if p.visible]
    stale = set(survey(lake, table, [d for d in expected if d]).todo) if known else set()
    return TableStatus(
        table=table.full_name,
        by_day=table.day is not None,
        days=visible,
        missing=[d for d in expected if d not in visible],
        incomplete=[d for d, p in known.items() if p.status == "incomplete"],
        blocked=[d for d, p in known.items() if p.status == "blocked"],
        stale=[d for d in visible if d in stale],
        published=max(publications, key=lambda p: p.published_at, default=None),
        rows=sum(p.rows for p in known.values()),
        quarantined=sum(p.quarantined for p in known.values()),
    )

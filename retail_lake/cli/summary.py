"""What `retail-lake demo` ends with: rows and checks by table, time, places and what to look at next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from rich.console import Console

    from retail_lake.config import Settings
    from retail_lake.demo.serve import Served
    from retail_lake.orchestration.run import RunSummary

_DONE = ("published", "incomplete", "blocked", "failed", "skipped")


def show_summary(out: Console, settings: Settings, served: Served, runs: Sequence[RunSummary], seconds: float) -> None:
    """Sum up the days served, as the lake's ledger has them now; what this run itself did is in `runs`."""
    from retail_lake.cli.common import by_layer, count, grid
    from retail_lake.contract import Layer
    from retail_lake.lake.lake import Lake
    from retail_lake.tables import TABLES

    first, last = served.first, served.last
    lake = Lake(settings)
    known = lake.publications_by_day()
    built = {result.name: [d for d in result.days if d.status in _DONE] for run in runs for result in run.results}
    numbers = ("landed", "in", "published", "quarantined", "duplicates", "checks passed", "failed", "built now")
    shown = grid("table", *numbers, "not as it should be", numbers=numbers)
    for table in by_layer(TABLES.values()):
        name = table.full_name
        days = [p for day, p in known.get(name, {}).items() if day is None or first <= day <= last]
        came = count(sum(p.rows_in for p in days))
        shown.add_row(
            name,
            came if table.layer is Layer.BRONZE else "",
            # Only where each row comes of one that went in do the numbers of a line add up.
            came if table.layer is Layer.SILVER or table.conserves else "",
            count(sum(p.rows for p in days)),
            count(sum(p.quarantined for p in days)),
            count(sum(p.duplicates for p in days)),
            count(sum(p.checks_passed for p in days)),
            count(sum(p.checks_failed for p in days)),
            _built(len(built.get(name, ())), table.day is not None),
            _troubles([p.status for p in days]),
        )
    out.print(f"\n{first} to {last}: every table, rows as they are now", highlight=False)
    out.print(shown)
    if any(p.checks_failed and p.status != "blocked" for days in known.values() for p in days.values()):
        out.print(
            "A check that failed on a published day is a warning; `retail-lake ui` and `retail-lake preview` show its rows."
        )
    loaded = [r for run in runs for r in run.results if r.in_warehouse]
    rows = sum(d.rows for r in loaded for d in r.days if d.status == "published")
    total = served.total
    out.print(f"{total.files:,} files are landed ({total.written:,} written now), with {total.defects:,} defects on purpose.")
    if any(built.values()) or rows or total.written:
        out.print(f"{rows:,} rows loaded into {len(loaded)} warehouse tables.")
    else:
        out.print("Everything was there already: nothing to do.")
    for problem in (run.problems for run in runs if run.problems):
        out.print(problem, markup=False)
    out.print(f"{seconds:.1f} s in all\n")
    places = (("lake", settings.lake_uri), ("warehouse", settings.served_from), ("landing", settings.landing_uri))
    for line in (
        *(f"{what:<10} {where}" for what, where in places),
        "",
        "Look further:",
        *(f"  {look}" for look in _looks(last)),
    ):
        out.print(line, markup=False, soft_wrap=True)


def _built(days: int, by_day: bool) -> str:
    if not days:
        return "-"
    return f"{days} day{'s' if days > 1 else ''}" if by_day else "whole"


def _troubles(statuses: Sequence[str]) -> str:
    return ", ".join(f"{n} {s}" for s in ("incomplete", "blocked") if (n := statuses.count(s)))


def _looks(last: date) -> list[str]:
    return [
        "retail-lake ui",
        "retail-lake status",
        'retail-lake sql "SELECT sale_date, sum(sales_value) AS sales_value FROM fact_sales GROUP BY 1 ORDER BY 1"',
        'retail-lake sql "SELECT rules, count(*) AS records FROM quarantine.silver_sales GROUP BY 1 ORDER BY 2 DESC"',
        f"retail-lake preview silver.sales --day {last}",
    ]

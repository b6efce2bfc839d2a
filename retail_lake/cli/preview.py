"""`retail-lake preview`: one table, one day, run and audited, and nothing published."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from retail_lake.cli.common import DAY
from retail_lake.config import ENGINES

if TYPE_CHECKING:
    from rich.console import Console

    from retail_lake.config import Settings
    from retail_lake.contract import Table
    from retail_lake.jobs.description import DayReport, JobReport


@click.command(name="preview", short_help="Run and audit one table and publish nothing.")
@click.argument("table")
@click.option("--day", type=DAY, required=True, help="The day to build; for an unpartitioned table any day of the lake.")
@click.option("--rows", type=click.IntRange(min=0), default=10, show_default=True, help="How many of its rows to show.")
@click.option("--engine", type=click.Choice(ENGINES), help="What runs it (default: as the settings say).")
def command(table: str, day: date, rows: int, engine: str | None) -> None:
    """Build TABLE for a day from what is published now, audit it, show the verdicts and some rows, and throw it away.

    Exit code 1 if the audit would block the day. Columns with personal data are masked.
    """
    from retail_lake.cli.common import check_day, console, find_tables, settings
    from retail_lake.cli.trial import describe, staging
    from retail_lake.engines import open_engine
    from retail_lake.engines.routed import choose
    from retail_lake.lake.lake import Lake
    from retail_lake.tables import TABLES

    current = settings()
    check_day(day, current)
    (found,) = find_tables([table], TABLES)
    out = console()
    described = describe(Lake(current), found, day)
    chosen = choose(current, found, engine or "", described.input_bytes)
    opened = open_engine(current, chosen)
    with staging(current, described, chosen) as job:
        with console(stderr=True).status(f"Building {found.full_name} on {chosen} ..."):
            report = opened.run(job)
        for of_day in report.days:
            _show_report(out, found, of_day)
        _show_samples(out, report)
        if rows:
            _show_rows(out, current, found, report, rows)
    blocked = any(d.blocked for d in report.days)
    out.print("The day would be blocked." if blocked else "The day would be published.", "Nothing was published.")
    if blocked:
        raise SystemExit(1)


def _show_report(out: Console, table: Table, day: DayReport) -> None:
    from retail_lake.cli.common import count, grid

    out.print(
        f"{table.full_name}{f' {day.day}' if day.day else ''}: {day.rows_in:,} rows in, {day.published:,} to publish, "
        f"{day.quarantined:,} to quarantine, {day.duplicates:,} duplicates"
    )
    if not day.conserved:
        out.print("  Rows are missing or too many.")
    for problem in day.problems:
        out.print(f"  {problem.key}: {problem.problem}", markup=False)
    if not day.verdicts:
        return
    verdicts = grid("check", "verdict", "unexpected", "judged", "observed", "details", numbers=("unexpected", "judged"))
    for verdict in day.verdicts:
        said = "passes" if verdict.success else "warns" if verdict.severity == "warning" else "blocks"
        judged = f"{verdict.judged:,}" if verdict.judged is not None else ""
        unexpected = count(verdict.unexpected) if verdict.unexpected is not None else ""
        verdicts.add_row(verdict.rule, said, unexpected, judged, verdict.observed or "", verdict.details or "")
    out.print(verdicts)


def _show_samples(out: Console, report: JobReport) -> None:
    from retail_lake.cli.common import print_rows

    for rule, rows in report.samples.items():
        if rows:
            print_rows(out, list(rows[0]), [list(row.values()) for row in rows], title=f"Breaks {rule}")


def _show_rows(out: Console, current: Settings, table: Table, report: JobReport, limit: int) -> None:
    """Some staged rows, personal data masked."""
    from retail_lake.cli.common import print_rows
    from retail_lake.duckdb_connection import connect, path_of
    from retail_lake.quality.masking import mask

    files = [path_of(f.uri) for f in report.staged if f.rows]
    if not files:
        return
    with connect(current) as connection:
        result = connection.execute("FROM read_parquet(?, hive_partitioning => false) LIMIT ?", [files, limit])
        names = [d[0] for d in result.description or []]
        rows = [[mask(v) if n in table.pii else v for n, v in zip(names, row, strict=True)] for row in result.fetchall()]
    print_rows(out, names, rows, title="To publish")

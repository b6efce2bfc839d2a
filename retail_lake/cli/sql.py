"""`retail-lake sql`: questions to what serves gold, by plain name, and to the rest of the lake by layer.

Belongs here: the command and how an answer is shown. Does not: who answers (`sql_on_duckdb.py`, `sql_on_aws.py`). Nothing is
written by it.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from retail_lake.config import Settings

ON: Final = ("duckdb", "athena", "redshift")
ROWS_SHOWN: Final = 100


@dataclass(frozen=True)
class Found:
    """An answer: its columns, those of them that are numbers, the rows as they come, and what people should know of it."""

    columns: Sequence[str]
    numbers: Sequence[str]
    rows: Iterator[tuple[Any, ...]]
    notes: Sequence[str] = ()


@click.command(name="sql", short_help="Query the warehouse and the lake.")
@click.argument("query")
@click.option("--on", type=click.Choice(ON), help="Who answers, in its own SQL (default: the warehouse in use).")
@click.option("--csv", "as_csv", is_flag=True, help="Bare CSV on standard output: every row, a header, nothing else.")
@click.option("--limit", type=click.IntRange(min=1), help=f"Show at most that many rows (default {ROWS_SHOWN}; with --csv all).")
def command(query: str, on: str | None, as_csv: bool, limit: int | None) -> None:
    """Answer a QUERY, read-only.

    On duckdb the warehouse's tables have plain names (fact_sales), the lake's current snapshots their layer (silver.sales,
    bronze.till_lines, gold.fact_sales, quarantine.silver_sales, ops.publications, ops.usage). SHOW TABLES lists the warehouse,
    DESCRIBE and SUMMARIZE work. On athena plain names are gold, other tables have their layer (silver.sales); what a query
    scans is limited and put on record. On redshift plain names are the served tables. Columns with personal data are shown
    as they are: whoever can read the files can read them.
    """
    from retail_lake.cli.common import settings

    current = settings()
    with _answering(on or current.warehouse)(current, query) as found:
        for note in found.notes:
            click.echo(note, err=True)
        if as_csv:
            _write_csv(found, limit)
        else:
            _show(found, limit or ROWS_SHOWN)


def _answering(on: str) -> Callable[[Settings, str], AbstractContextManager[Found]]:
    if on == "duckdb":
        from retail_lake.cli import sql_on_duckdb

        return sql_on_duckdb.answer
    from retail_lake.cli import sql_on_aws

    return sql_on_aws.on_athena if on == "athena" else sql_on_aws.on_redshift


def _write_csv(found: Found, limit: int | None) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows(islice(found.rows, limit))


def _show(found: Found, limit: int) -> None:
    from retail_lake.cli.common import console, print_rows

    rows = list(islice(found.rows, limit + 1))
    out = console()
    print_rows(out, found.columns, rows[:limit], numbers=found.numbers)
    if len(rows) > limit:
        out.print(f"The first {limit} rows; more with --limit, all with --csv.")

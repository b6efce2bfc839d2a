"""A real chain of tables over two served days: from till files to the fact, with the dimensions that the fact needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from retail_lake.config import Settings
from retail_lake.engines.local import LocalEngine
from retail_lake.lake.lake import Lake, quarantine_name
from retail_lake.materialize import TableOutcome, materialize
from retail_lake.tables import TABLES, inputs

DAYS = [date(2017, 1, 1), date(2017, 1, 2)]


def upstream(name: str) -> list[str]:
    """A table and all that it reads, in the order they are built."""
    wanted = {name}
    for table in reversed(list(TABLES)):
        if table in wanted:
            wanted |= set(inputs(TABLES[table]))
    return [table for table in TABLES if table in wanted]


CHAIN = upstream("gold.fact_sales")


def settings(home: Path, landing: Path | str, **more: Any) -> Settings:
    """Settings of a lake of those two days."""
    return Settings(home=home, landing_uri=str(landing), first_day=DAYS[0], last_day=DAYS[-1], threads=2, **more)


def build(
    lake: Lake, days: Sequence[date], tables: Sequence[str] = CHAIN, run_id: str = "run", *, force: bool = False
) -> dict[str, TableOutcome]:
    """Materialize tables for days, each after what it reads."""
    engine = LocalEngine(lake.settings)
    return {name: materialize(lake, engine, TABLES[name], days, run_id=run_id, force=force) for name in tables}


def contents(lake: Lake, tables: Sequence[str] = CHAIN) -> dict[str, list[tuple[Any, ...]]]:
    """What readers see of tables and their quarantines, but for who put it there: the rows in one order."""
    seen: dict[str, list[tuple[Any, ...]]] = {}
    for name in [*tables, *(quarantine_name(TABLES[t]) for t in tables)]:
        seen[name] = []
        if (stored := lake.stored(name)) is not None:
            fields = [f.name for f in stored.schema().fields if f.name not in ("job_id", "run_id")]
            columns = stored.scan().to_arrow().select(fields).columns
            seen[name] = sorted(zip(*(column.to_pylist() for column in columns), strict=True), key=repr)
    return seen


def records(lake: Lake) -> dict[tuple[str, date | None], tuple[Any, ...]]:
    """What is recorded of every table and day, but for run, snapshots and times."""
    return {
        (p.table, p.day): (
            p.status,
            p.fingerprint,
            p.rows_in,
            p.rows,
            p.quarantined,
            p.duplicates,
            p.files,
            p.touched_days,
            p.changes,
        )
        for p in lake.publications()
    }

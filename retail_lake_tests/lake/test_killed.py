"""kill -9 at chosen points, each process going on where the one before it died: in the end nobody can tell."""

from __future__ import annotations

import multiprocessing
import signal
from datetime import timedelta
from pathlib import Path

import pytest

from retail_lake.lake.lake import Lake
from retail_lake.lake.maintenance import remove_orphans
from retail_lake.tables import TABLES
from retail_lake_tests.lake import killed
from retail_lake_tests.lake.chain import CHAIN, DAYS, build, contents, records, settings

FIRST_DAY = [
    ("bronze.till_lines", "while staging"),
    ("bronze.till_lines", "after the quarantine's commit"),
    ("silver.sales", "before the audit"),
    ("silver.sales", "after the quarantine's commit"),
    ("silver.sales", "with the rows ready to commit"),
    ("silver.sales", "before the record"),
    ("gold.dim_product", "while recording"),
]
# The dimension's change is seen by facts only through its record: killed before it, it must not be forgotten.
SECOND_DAY = [("gold.dim_product", "before the record")]


@pytest.mark.full
def test_killed_anywhere_and_run_again_the_tables_are_those_of_an_undisturbed_run(
    landing: Path, undisturbed: Lake, tmp_path: Path
) -> None:
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload([killed.__name__])
    published = contents(undisturbed)

    def reader() -> Lake:
        return Lake(settings(tmp_path, landing))

    for day, deaths in zip(DAYS, (FIRST_DAY, SECOND_DAY), strict=True):
        for table, point in deaths:
            process = forks.Process(target=killed.run, args=(tmp_path, landing, [day], table, point))
            process.start()
            process.join(timeout=120)
            assert process.exitcode == -signal.SIGKILL, f"{table} {point}"
            if day == DAYS[0]:
                _only_whole_days(reader(), published)
        build(reader(), [day])
    lake = reader()
    assert contents(lake) == published
    assert records(lake) == records(undisturbed)
    assert len({first for p in lake.publications("gold.dim_product") for first, _ in p.changes}) > 1, "day 2 changes no product"
    orphans = {name: remove_orphans(lake, TABLES[name], timedelta(0)) for name in CHAIN}
    assert orphans["bronze.till_lines"] and orphans["silver.sales"]
    assert contents(lake) == published


def _only_whole_days(lake: Lake, published: dict[str, list[tuple[object, ...]]]) -> None:
    """What was published so far is the first day, whole, of each table: what else is staged is not seen."""
    for name, rows in contents(lake).items():
        column = TABLES[name].day if name in TABLES else "_day"
        stored = lake.stored(name)
        if not rows or stored is None or column is None:
            continue
        place = [f.name for f in stored.schema().fields if f.name not in ("job_id", "run_id")].index(column)
        assert rows == [row for row in published[name] if row[place] == DAYS[0]], name

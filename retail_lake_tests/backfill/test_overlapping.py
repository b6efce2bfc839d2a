"""Backfills of overlapping ranges at the same time, one of them over a live daily run: the tables of either alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from retail_lake.demo.serve import serve
from retail_lake_tests.backfill.lakes import FIRST, SALES, STORES, backfill, contents, days, done, published, settings

LAST = days(4)[-1]


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days as they land."""
    folder = tmp_path_factory.mktemp("served")
    serve(str(folder / "landing"), folder / "ledger", FIRST, 4)
    return folder / "landing"


@pytest.mark.parametrize("tables", [STORES, pytest.param(SALES, marks=pytest.mark.full)], ids=["stores", "sales"])
def test_overlapping_backfills_and_a_daily_run_give_the_tables_of_one_alone(
    landing: Path, tmp_path: Path, tables: tuple[str, ...]
) -> None:
    alone, together = (settings(tmp_path / name, LAST, landing) for name in ("alone", "together"))
    one = backfill(alone, tables, FIRST, LAST)
    daily = backfill(together, tables, LAST, LAST)
    others = [
        backfill(together, tables, FIRST, days(3)[-1]),
        backfill(together, tables, days(2)[-1], LAST, "--force"),
    ]
    for process in (daily, *others):
        process.communicate(timeout=300)  # a day may have to wait for what another process has not built yet
    done(one)
    wanted = contents(alone, tables)
    assert all(wanted.values())
    done(backfill(together, tables, FIRST, LAST))
    assert contents(together, tables) == wanted
    assert published(together) == published(alone)

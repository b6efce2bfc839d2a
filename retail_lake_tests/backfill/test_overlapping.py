"""Backfills of overlapping ranges at the same time, one of them over a live daily run: the tables of either alone."""

from __future__ import annotations

import re
from pathlib import Path
from subprocess import Popen
from typing import Final

import pytest

from retail_lake.demo.serve import serve
from retail_lake_tests.backfill.lakes import FIRST, SALES, STORES, backfill, contents, days, done, published, settings

LAST = days(4)[-1]
_BAD: Final = re.compile(r"^  \S+ (\w+\.\w+ (?:blocked|failed|skipped): .*)", re.MULTILINE)
_FAILURE: Final = re.compile(r"^(\w+) failure, run", re.MULTILINE)
_CANNOT_YET: Final = "Cannot be built yet: "
_NO_STORES: Final = (
    r"gold\.dim_store blocked: table__row_count_to_be_between \(0\)",
    r"silver\.sales blocked: store_known__be_in_set \((\d+) of \1 rows\)",
)
"""What whoever begins after the first day finds wrong if nobody has built that day yet, on which the stores come."""
_TOO_EARLY: Final = re.compile("|".join([*_NO_STORES, r"gold\.dim_store blocked: blocked before; .*", r"\S+ skipped: .*"]))
"""Only that, or what follows from it, or that another process has found it before."""


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four days as they land."""
    folder = tmp_path_factory.mktemp("served")
    serve(str(folder / "landing"), folder / "ledger", FIRST, 4)
    return folder / "landing"


@pytest.mark.full
@pytest.mark.parametrize("tables", [STORES, SALES], ids=["stores", "sales"])
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
    for process in (daily, others[1]):
        done_or_too_early(process)
    done(others[0])
    done(one)
    wanted = contents(alone, tables)
    assert all(wanted.values())
    if tables is STORES:
        # No day of a fact has to wait for a dimension that another process builds: it is all there, whoever came first.
        assert contents(together, tables) == wanted
    done(backfill(together, tables, FIRST, LAST))
    assert contents(together, tables) == wanted
    assert published(together) == published(alone)


def done_or_too_early(process: Popen[str]) -> None:
    """Wait for its end, which must be a good one but for days that another process has to go before."""
    said, _ = process.communicate(timeout=300)
    bad = _BAD.findall(said)
    assert process.returncode == (1 if bad or _CANNOT_YET in said else 0), said
    assert all(_TOO_EARLY.fullmatch(day.rstrip()) for day in bad), said
    assert {*_FAILURE.findall(said)} <= {"data"}, said

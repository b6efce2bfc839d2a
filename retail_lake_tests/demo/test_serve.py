"""Landed bytes depend on seed and arrival day alone, and what lies there is left alone."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path

import pytest

from retail_lake.demo.serve import Served, serve
from retail_lake.failure import ConfigurationFailure

START = date(2017, 1, 14)


def tree(home: Path) -> dict[str, str]:
    """Digest of every file below a folder."""
    return {str(p.relative_to(home)): hashlib.sha256(p.read_bytes()).hexdigest() for p in home.rglob("*") if p.is_file()}


def served(home: Path, start: date, days: int, seed: int = 2017) -> Served:
    return serve(home / "landing", home / "ledger", start, days, seed)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("together")
    served(home, START, 3)
    return home


def test_days_served_one_by_one_in_any_order_equal_days_served_together(together: Path, tmp_path: Path) -> None:
    for offset in (2, 0, 1):
        served(tmp_path, START + timedelta(days=offset), 1)
    assert tree(tmp_path) == tree(together)


def test_overlapping_windows_give_the_same_bytes(together: Path, tmp_path: Path) -> None:
    served(tmp_path, START - timedelta(days=3), 5)
    wide, narrow = tree(tmp_path), tree(together)
    common = wide.keys() & narrow.keys()
    assert {name: wide[name] for name in common} == {name: narrow[name] for name in common}
    days = {f"landing/tills/till_lines/{START + timedelta(days=n)}/" for n in range(2)}
    assert {n for n in wide if n.startswith(tuple(days))} == {n for n in narrow if n.startswith(tuple(days))} != set()


def test_serving_again_writes_nothing_and_mends_what_was_damaged(together: Path) -> None:
    landed = [p for p in together.rglob("*") if p.is_file()]
    modified = {path: path.stat().st_mtime_ns for path in landed}
    again = served(together, START, 3)
    assert (again.total.written, again.total.files) == (0, len([p for p in landed if "landing" in p.parts]))
    assert {path: path.stat().st_mtime_ns for path in landed} == modified

    before = tree(together)
    damaged = next(p for p in landed if p.name.startswith("till-lines_g1"))
    damaged.write_bytes(b"x")
    assert served(together, START, 3).total.written == 1
    assert tree(together) == before


def test_a_seed_gives_the_same_bytes_for_ever(together: Path, tmp_path: Path) -> None:
    digests = {
        "tills/till_lines/2017-01-14/till-lines_g1_20170114_v1.csv": "fabeb6c312cc6b34",
        "erp/products/LOAD00000001.csv": "283c7a07619f5cd7",
        "events/redemptions/2017-01-14/redemptions_20170114_v1.jsonl": "28798765ad7e9fa8",
        "crm/households/2017-01-14/households_20170114_v1.parquet": "0f9f749013412093",
        "crm/stores/2017-01-05/stores_20170105_v1.parquet": "59598e5d98baacbc",
        "tills/promotions/2017-01-09/promotions_w03_v1.parquet": "8319a8a13cfd0745",
    }
    landed = tree(together / "landing")
    assert {name: landed[name][:16] for name in digests} == digests
    served(tmp_path, START, 1, seed=1)
    other = tree(tmp_path / "landing")
    assert other["erp/products/LOAD00000001.csv"] != landed["erp/products/LOAD00000001.csv"]
    key = "tills/till_lines/2017-01-14/till-lines_g1_20170114_v1.csv"
    assert other[key] != landed[key]


def test_days_outside_the_year_are_refused(tmp_path: Path) -> None:
    for start, days in ((date(2016, 12, 31), 2), (date(2018, 1, 10), 2), (START, 0)):
        with pytest.raises(ConfigurationFailure, match="2017-01-01 to 2018-01-10"):
            served(tmp_path, start, days)

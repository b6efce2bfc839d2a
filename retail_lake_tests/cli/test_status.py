"""`retail-lake status` over days of every kind: what it says of each follows from what was landed, and when."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from retail_lake.config import Settings
from retail_lake.engines.local import LocalEngine
from retail_lake.lake.lake import Lake
from retail_lake.materialize import materialize
from retail_lake.tables import TABLES
from retail_lake_tests.cli.conftest import Run

GOOD, BLOCKED, UNREADABLE, UNBUILT = (date(2017, 1, n) for n in (1, 2, 3, 4))
BUILT = [GOOD, BLOCKED, UNREADABLE]
TABLES_SHOWN = ("bronze.crm_stores", "silver.stores")
_RECORD = "'Harrow', 'Superstore', 'East', 'Harrow', DATE '1999-05-01', 1::BIGINT, TIMESTAMP '2016-12-31 08:00:00'"
_COLUMNS = "store_id, store_name, store_format, region, city, opened_on, store_group, updated_at"


def land(home: Path, day: date, version: int, ids: list[int | None]) -> None:
    """One extract of stores; more than half of its records without an id block their day."""
    path = extract(home, day, version)
    rows = ", ".join(f"({'NULL' if i is None else i}::BIGINT, {_RECORD})" for i in ids)
    duckdb.sql(f"COPY (SELECT * FROM (VALUES {rows}) AS t({_COLUMNS})) TO '{path}' (FORMAT parquet)")


def extract(home: Path, day: date, version: int) -> Path:
    path = home / "landing" / "crm" / "stores" / str(day) / f"stores_{day:%Y%m%d}_v{version}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def build(home: Path, *days: date) -> None:
    settings = Settings(home=home, first_day=GOOD, last_day=UNBUILT)
    lake, engine = Lake(settings), LocalEngine(settings)
    for name in TABLES_SHOWN:
        materialize(lake, engine, TABLES[name], days, run_id="test")


@pytest.fixture
def told(run: Run, tmp_path: Path) -> tuple[dict[str, dict[str, str]], datetime, datetime]:
    """What it shows by table and column, and between which moments the last day was built."""
    (tmp_path / "settings.env").write_text(f"RETAIL_LAKE_FIRST_DAY={GOOD}\nRETAIL_LAKE_LAST_DAY={UNBUILT}\n")
    land(tmp_path, GOOD, 1, [1, 2, None])
    land(tmp_path, BLOCKED, 1, [3, 4, 5])
    extract(tmp_path, UNREADABLE, 1).write_bytes(b"no Parquet")
    build(tmp_path, *BUILT)
    land(tmp_path, BLOCKED, 2, [3, None, None, None])
    before = datetime.now(UTC).replace(microsecond=0)
    build(tmp_path, BLOCKED)
    after = datetime.now(UTC)
    land(tmp_path, GOOD, 2, [1, 2, 6])
    result = run(tmp_path, "status", *TABLES_SHOWN)
    assert result.exit_code == 0, result.output
    _, header, _, *rows = (line for line in result.stdout.splitlines() if line.strip())
    starts = [header.index(name) for name in NAMES]
    cells = {row.split()[0]: [row[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for row in rows}
    return {name: dict(zip(NAMES, found, strict=True)) for name, found in cells.items()}, before, after


NAMES = ("table", "present", "missing", "incomplete", "blocked", "stale", "rows", "quarantined", "last publication (UTC)")


def test_each_day_is_told_for_what_it_is(told: tuple[dict[str, dict[str, str]], datetime, datetime]) -> None:
    shown, before, after = told
    bronze, silver = (shown[name] for name in TABLES_SHOWN)
    # Bronze keeps every record, and of an unreadable file the file; it has not yet read the extract that came last.
    assert bronze["present"] == "2017-01-01..03" and bronze["missing"] == "2017-01-04"
    assert bronze["incomplete"] == "2017-01-03" and bronze["blocked"] == "-" and bronze["stale"] == "2017-01-01"
    assert bronze["rows"] == str(len([1, 2, None]) + len([3, None, None, None])) and bronze["quarantined"] == "-"
    # Of the blocked day readers see what was there before, three stores, while its records are in quarantine.
    assert silver["present"] == "2017-01-01..03" and silver["missing"] == "2017-01-04"
    assert silver["incomplete"] == "-" and silver["blocked"] == "2017-01-02" and silver["stale"] == "-"
    assert silver["rows"] == str(len([1, 2]) + len([3, 4, 5])) and silver["quarantined"] == str(1 + 3)
    for found in (bronze, silver):
        published = datetime.fromisoformat(found["last publication (UTC)"]).replace(tzinfo=UTC)
        assert before <= published <= after

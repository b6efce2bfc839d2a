"""Days built again although nothing had changed, by runs that were killed between their commit and its record."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from retail_lake.lake.lake import Lake
from retail_lake.lake.rollback import rollback
from retail_lake.tables import TABLES
from retail_lake_tests.flow.pilot import statuses
from retail_lake_tests.lake.chain import DAYS, build, contents, records, settings, upstream

TABLE = "bronze.crm_stores"
CHAIN = upstream("gold.dim_store")
FIRST, SECOND = DAYS


@pytest.fixture
def lake(landing: Path, tmp_path: Path) -> Lake:
    """The stores of two days, built once. On the second there are none."""
    lake = Lake(settings(tmp_path / "home", landing))
    build(lake, DAYS, CHAIN, run_id="first")
    return lake


def seen(lake: Lake) -> set[tuple[date | None, str]]:
    """By day, the jobs whose folders the rows that readers see lie in."""
    return {(f.day, f.uri.split("/data/")[1].partition("-")[0]) for f in lake.current_files(TABLE).files}


def recorded(lake: Lake) -> set[tuple[date | None, str]]:
    """By day, the jobs on record for having made rows that readers see."""
    return {(p.day, p.job_id) for p in lake.publications(TABLE) if p.rows}


def test_a_forced_run_that_was_killed_before_its_record_is_made_up_for_by_the_next_one(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, on_record = contents(lake, CHAIN), records(lake)
    with monkeypatch.context() as killed:
        killed.setattr(Lake, "record", lambda *_: None)
        build(lake, DAYS, [TABLE], run_id="killed", force=True)
    assert recorded(lake) != seen(lake)
    outcome = build(lake, DAYS, CHAIN, run_id="next")
    assert {name: set(statuses(found).values()) for name, found in outcome.items()} == {
        name: {"published"} if name == TABLE else {"unchanged"} for name in CHAIN
    }
    assert recorded(lake) == seen(lake)
    assert (contents(lake, CHAIN), records(lake)) == (before, on_record)
    assert set(statuses(build(lake, DAYS, [TABLE], run_id="after that")[TABLE]).values()) == {"unchanged"}


def test_days_that_were_forced_and_recorded_are_not_built_again(lake: Lake) -> None:
    # The second day has no rows: without any to take out or put in, the day alone makes no commit of its own.
    for days in (DAYS, [SECOND], [FIRST]):
        assert set(statuses(build(lake, days, [TABLE], run_id=f"forced {days}", force=True)[TABLE]).values()) == {"published"}
        assert statuses(build(lake, DAYS, [TABLE])[TABLE]) == dict.fromkeys(DAYS, "unchanged")
        assert recorded(lake) == seen(lake)


def test_a_run_does_not_undo_a_rollback_that_was_killed_before_its_record(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lake.current_files(TABLE)
    build(lake, DAYS, [TABLE], run_id="forced", force=True)
    assert first.snapshot_id and lake.current_files(TABLE).files != first.files
    with monkeypatch.context() as killed:
        killed.setattr(Lake, "amend", lambda *_: None)
        rollback(lake, TABLES[TABLE], to=first.snapshot_id)
    assert statuses(build(lake, DAYS, [TABLE])[TABLE]) == dict.fromkeys(DAYS, "unchanged")
    assert lake.current_files(TABLE).files == first.files
    rollback(lake, TABLES[TABLE], to=first.snapshot_id)
    assert {p.rolled_back for p in lake.publications(TABLE) if p.rows} == {True}
    assert recorded(lake) == seen(lake)

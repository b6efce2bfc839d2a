"""The catalog is lost, or lies: what the lake gives back, and what it refuses to."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.failure import ConfigurationFailure
from retail_lake.lake import maintenance
from retail_lake.lake import recover as module
from retail_lake.lake.lake import PUBLICATIONS, Lake
from retail_lake.lake.plan import survey
from retail_lake.lake.publish import publish
from retail_lake.lake.recover import LOST, Did, Recovery, recover
from retail_lake.tables import TABLES
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.lake import chain, staged
from retail_lake_tests.lake.staged import DAYS, DIM, SHELF, items, open_lake, quarantined, visible

DAY1, DAY2, DAY3, *_ = DAYS
QUARANTINE = "quarantine.gold_shelf"


@pytest.fixture(autouse=True)
def by_hand_too(by_hand: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tables of `staged`, and the project's own."""
    monkeypatch.setattr(module, "TABLES", {**TABLES, **staged.TABLES})
    yield


def three_days(home: Path) -> Lake:
    """A lake with a table of three days, a quarantine and a dimension."""
    lake = open_lake(home)
    publish(lake, *staged.staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 2)}, refused={DAY1: 2}))
    publish(lake, *staged.staged(lake, SHELF, {DAY3: items(DAY3, 3)}, sequence=2))
    publish(lake, *staged.staged(lake, DIM, {None: items(None, 7)}))
    return lake


def seen(lake: Lake) -> tuple[Any, ...]:
    """All that readers and planners see."""
    return visible(lake, SHELF), visible(lake, DIM), quarantined(lake, SHELF), sorted(map(repr, lake.publications()))


def lose_catalog(lake: Lake) -> None:
    """The catalog's database is gone, as a deleted file or a dropped database is."""
    lake.catalog.close()
    (lake.settings.home / "catalog.db").unlink()


def by_table(found: list[Recovery]) -> dict[str, Recovery]:
    return {each.table: each for each in found}


def files(lake: Lake, name: str) -> list[Path]:
    """A table's metadata files, in the order of their commits."""
    return sorted(Path(lake.data_location(name).removeprefix("file://")).glob("metadata/*.metadata.json"))


def entry(lake: Lake, name: str) -> str:
    """The file that the catalog names."""
    stored = lake.stored(name)
    assert stored
    return stored.metadata_location.rsplit("/", 1)[-1]


def point(lake: Lake, name: str, file: Path) -> None:
    """Let the catalog name another file, as a restored backup of it would."""
    with sqlite3.connect(lake.settings.home / "catalog.db") as connection:
        where = "WHERE table_namespace || '.' || table_name = ?"
        connection.execute(f"UPDATE iceberg_tables SET metadata_location = ? {where}", [f"file://{file}", name])


def test_a_lost_catalog_comes_back_with_record_and_quarantine(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    before = seen(lake)
    lose_catalog(lake)
    assert seen(open_lake(tmp_path)) == ({}, {}, {}, [])
    looked = recover(open_lake(tmp_path), act=False)
    assert {e.did for e in looked} == {Did.REGISTERED} and seen(open_lake(tmp_path)) == ({}, {}, {}, [])
    found = recover(open_lake(tmp_path))
    assert {e.table for e in found} == {SHELF.full_name, DIM.full_name, QUARANTINE, PUBLICATIONS}
    assert {e.did for e in found} == {Did.REGISTERED} and not any(e.says for e in found)
    after = open_lake(tmp_path)
    assert seen(after) == before
    publish(after, *staged.staged(after, SHELF, {DAY1: items(DAY1, 9)}, sequence=3))
    assert visible(open_lake(tmp_path), SHELF)[DAY1] == [9], "life goes on"
    assert {e.did for e in recover(after)} == {Did.LEFT}, "a second time there is nothing to do"


def test_a_real_chain_of_tables_comes_back_and_nothing_more_is_to_be_built(undisturbed: Lake, tmp_path: Path) -> None:
    settings = undisturbed.settings.model_copy(update={"home": tmp_path, "catalog_uri": f"sqlite:///{tmp_path}/catalog.db"})
    lake = Lake(settings)
    assert not lake.publications()
    found = recover(lake)
    assert {e.did for e in found} == {Did.REGISTERED} and not any(e.says for e in found)
    assert chain.contents(lake) == chain.contents(undisturbed) and chain.records(lake) == chain.records(undisturbed)
    for name in chain.CHAIN:
        todo = [survey(one, TABLES[name], chain.DAYS).todo for one in (lake, undisturbed)]
        assert todo[0] == todo[1], name


def orphan(lake: Lake, table: str, *, at: timedelta = timedelta(0), run_id: str = "", **changes: Any) -> Path:
    """The metadata file that a killed commit leaves on top of the newest one: with a snapshot of a publish nobody recorded."""
    newest = files(lake, table)[-1]
    text = json.loads(newest.read_text())
    number = int(newest.name.split("-")[0])
    shown = next(s for s in text["snapshots"] if s["snapshot-id"] == text["current-snapshot-id"])
    new = {
        **shown,
        "snapshot-id": 4242,
        "parent-snapshot-id": shown["snapshot-id"],
        "sequence-number": shown["sequence-number"] + 1,
    }
    new["summary"] = {**shown["summary"], **({"retail-lake.run-id": run_id} if run_id else {})}
    text["snapshots"].append(new)
    text["current-snapshot-id"] = text["refs"]["main"]["snapshot-id"] = 4242
    text["last-sequence-number"] += 1
    text["metadata-log"].append({"metadata-file": f"file://{newest}", "timestamp-ms": text["last-updated-ms"]})
    text["last-updated-ms"] += int(at.total_seconds() * 1000) + 1
    made = newest.with_name(f"{number + 1:05}-00000000-aaaa-bbbb-cccc-00000000000{number % 10}.metadata.json")
    made.write_text(json.dumps({**text, **changes}))
    return made


def test_a_commit_that_died_before_the_catalog_knew_does_not_win(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    before = seen(lake)
    left = {name: orphan(lake, name, run_id="killed").name for name in (SHELF.full_name, QUARANTINE)}
    lose_catalog(lake)
    found = by_table(recover(open_lake(tmp_path)))
    for name, file in left.items():
        assert file not in found[name].location and f"{file} was passed over" in " ".join(found[name].says)
    assert seen(open_lake(tmp_path)) == before


def test_an_old_orphan_loses_against_commits_that_came_after_it(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    left = orphan(lake, SHELF.full_name, at=timedelta(days=300))
    publish(lake, *staged.staged(lake, SHELF, {DAY2: items(DAY2, 5)}, sequence=5))
    before, newest = seen(lake), entry(lake, SHELF.full_name)
    lose_catalog(lake)
    found = by_table(recover(open_lake(tmp_path)))
    assert found[SHELF.full_name].location.endswith(newest) and left.exists()
    assert seen(open_lake(tmp_path)) == before


def test_the_loser_of_a_real_conflict_does_not_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, other = three_days(tmp_path), open_lake(tmp_path)
    # The loser's metadata file stays where it is: the catalog refuses it after it was written.
    theirs = staged.staged(other, SHELF, {DAY3: items(DAY3, 8)}, sequence=9)
    original = type(lake.catalog)._write_metadata
    times: list[int] = []

    def overtaken(*args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        if not times and "/gold/shelf/" in kwargs["metadata_path"]:
            times.append(1)
            publish(other, *theirs)

    monkeypatch.setattr(type(lake.catalog), "_write_metadata", staticmethod(overtaken))
    publish(lake, *staged.staged(lake, SHELF, {DAY1: items(DAY1, 6)}, sequence=8))
    monkeypatch.undo()
    monkeypatch.setattr(module, "TABLES", {**TABLES, **staged.TABLES})
    numbers = [f.name.split("-")[0] for f in files(lake, SHELF.full_name)]
    assert len(numbers) > len(set(numbers)), "two files of one number"
    before = seen(open_lake(tmp_path))
    assert before[0] == {DAY1: [6], DAY2: [2], DAY3: [8]}
    lose_catalog(lake)
    recover(open_lake(tmp_path))
    assert seen(open_lake(tmp_path)) == before


@pytest.mark.parametrize("damage", [b"", b'{"format-version": 2, "table-uuid"', None], ids=["empty", "half", "no file list"])
def test_what_was_written_by_half_does_not_win(tmp_path: Path, damage: bytes | None) -> None:
    lake = three_days(tmp_path)
    before = seen(lake)
    for name in (SHELF.full_name, PUBLICATIONS, QUARANTINE):
        left = orphan(lake, name)
        if damage is None:
            text = json.loads(left.read_text())
            for snapshot in text["snapshots"]:
                if snapshot["snapshot-id"] == 4242:
                    snapshot["manifest-list"] += ".never-written"
            left.write_text(json.dumps(text))
        else:
            left.write_bytes(damage)
    lose_catalog(lake)
    found = by_table(recover(open_lake(tmp_path)))
    assert all("passed over" in " ".join(found[n].says) for n in (SHELF.full_name, PUBLICATIONS, QUARANTINE))
    assert seen(open_lake(tmp_path)) == before


def test_a_commit_that_was_not_recorded_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = three_days(tmp_path)
    before = seen(lake)
    lake.record = lambda table, new: None  # type: ignore[method-assign]
    job = staged.staged(lake, SHELF, {DAY1: items(DAY1, 5)}, sequence=5)
    publish(lake, *job)
    lose_catalog(lake)
    found = by_table(recover(open_lake(tmp_path)))
    assert "not on record" in " ".join(found[SHELF.full_name].says)
    after = open_lake(tmp_path)
    assert (visible(after, SHELF), sorted(map(repr, after.publications()))) == (before[0], before[3])
    publish(after, *job)
    assert visible(open_lake(tmp_path), SHELF)[DAY1] == [5]


def test_a_live_catalog_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    now, older = entry(lake, SHELF.full_name), files(lake, SHELF.full_name)[-2]
    point(lake, SHELF.full_name, older)
    found = by_table(recover(open_lake(tmp_path)))
    assert found[SHELF.full_name].did is Did.REFUSED and "--replace" in " ".join(found[SHELF.full_name].says)
    assert {e.did for name, e in found.items() if name != SHELF.full_name} == {Did.LEFT}
    assert entry(open_lake(tmp_path), SHELF.full_name) == older.name
    found = by_table(recover(open_lake(tmp_path), replace=True))
    assert found[SHELF.full_name].did is Did.REPLACED
    assert entry(open_lake(tmp_path), SHELF.full_name) == now


@pytest.mark.parametrize("forgetful", [False, True], ids=["of a publish", "of an expiry"])
def test_what_the_catalog_shows_counts_against_an_orphan(tmp_path: Path, forgetful: bool) -> None:
    lake = three_days(tmp_path)
    now = entry(lake, SHELF.full_name)
    for name in (SHELF.full_name, PUBLICATIONS, QUARANTINE):
        shown = lake.catalog.load_table(name).metadata.current_snapshot_id
        orphan(lake, name, **({"current-snapshot-id": shown, "refs": {}} if forgetful else {}))
    assert {e.did for e in recover(lake, replace=True)} == {Did.LEFT}
    assert entry(open_lake(tmp_path), SHELF.full_name) == now


def test_an_entry_whose_file_is_gone_is_replaced(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    before = seen(lake)
    for name in (SHELF.full_name, PUBLICATIONS):
        point(lake, name, tmp_path / "nowhere.metadata.json")
    found = by_table(recover(open_lake(tmp_path)))
    assert {name for name, e in found.items() if e.did is Did.REPLACED} == {SHELF.full_name, PUBLICATIONS}
    assert seen(open_lake(tmp_path)) == before


def test_runs_that_went_on_without_the_catalog_are_taken_back(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    before, moment = seen(lake), datetime.now(UTC)
    lose_catalog(lake)
    # Nobody noticed, and the next run made every table anew at the same places.
    unaware = open_lake(tmp_path)
    publish(unaware, *staged.staged(unaware, SHELF, {DAY1: items(DAY1, 100)}, refused={DAY1: 1}))
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [100]}
    # Nothing of the older tables is an orphan, however old.
    assert maintenance.remove_orphans(unaware, SHELF, timedelta(0), datetime.now(UTC) + timedelta(days=100)) == []
    found = by_table(recover(open_lake(tmp_path)))
    assert found[DIM.full_name].did is Did.REGISTERED and found[SHELF.full_name].did is Did.LEFT
    assert "2 tables" in " ".join(found[SHELF.full_name].says)
    found = by_table(recover(open_lake(tmp_path), before=moment, replace=True))
    assert {e.did for e in found.values()} == {Did.REPLACED, Did.LEFT}
    assert seen(open_lake(tmp_path)) == before


def test_days_whose_files_are_lost_are_built_again(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    (lost,) = [f for f in lake.pin(SHELF.full_name).files if f.day == DAY3]
    lose_catalog(lake)
    Path(lost.uri.removeprefix("file://")).unlink()
    found = by_table(recover(open_lake(tmp_path)))
    says = " ".join(found[SHELF.full_name].says)
    assert lost.uri in says and f"{DAY3} is not as recorded" in says
    after = open_lake(tmp_path)
    assert visible(after, SHELF) == {DAY1: [1], DAY2: [2]}
    assert {p.day: p.fingerprint == LOST for p in after.publications(SHELF.full_name)} == {DAY1: False, DAY2: False, DAY3: True}


def test_a_record_that_is_lost_leaves_tables_that_are_built_again(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    before = seen(lake)
    lose_catalog(lake)
    for file in Path(lake.data_location(PUBLICATIONS).removeprefix("file://")).rglob("*.metadata.json"):
        file.unlink()
    found = by_table(recover(open_lake(tmp_path)))
    assert PUBLICATIONS not in found or found[PUBLICATIONS].did is Did.GONE
    assert "not on record" in " ".join(found[SHELF.full_name].says)
    after = open_lake(tmp_path)
    assert seen(after)[:3] == before[:3] and not after.publications()


def test_one_table_alone_and_a_name_that_is_not_there(tmp_path: Path) -> None:
    lake = three_days(tmp_path)
    before = seen(lake)
    lake.catalog.drop_table(SHELF.full_name)
    with pytest.raises(ConfigurationFailure, match=r"no metadata of gold\.shelves.*gold\.shelf"):
        recover(lake, ["gold.shelves"])
    assert [(e.table, e.did) for e in recover(open_lake(tmp_path), [SHELF.full_name])] == [(SHELF.full_name, Did.REGISTERED)]
    assert seen(open_lake(tmp_path)) == before


def test_glue_s_databases_come_back_too(aws: Aws, tmp_path: Path) -> None:
    aws.reset()

    def in_glue() -> Lake:
        return Lake(Settings(home=tmp_path, catalog_uri="glue", first_day=DAYS[0], last_day=DAYS[-1]))

    lake = in_glue()
    publish(lake, *staged.staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 2)}, refused={DAY1: 2}))
    before = seen(lake)
    aws.reset()
    assert seen(in_glue())[0] == {}
    assert {e.did for e in recover(in_glue())} == {Did.REGISTERED}
    assert seen(in_glue()) == before
    again = in_glue()
    publish(again, *staged.staged(again, SHELF, {DAY1: items(DAY1, 9)}, sequence=3))
    assert visible(in_glue(), SHELF) == {DAY1: [9], DAY2: [2]}

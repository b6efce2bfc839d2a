"""Compaction, retention and clean-up beside writers and readers: the same rows, and nothing lost that anyone may need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.engines import launches
from retail_lake.lake import compaction, maintenance, plan
from retail_lake.lake import publish as by_publish
from retail_lake.lake.compaction import compact
from retail_lake.lake.lake import PUBLICATIONS, Lake
from retail_lake.lake.maintenance import remove_old_metadata, remove_orphans
from retail_lake.lake.plan import survey
from retail_lake.lake.publish import publish
from retail_lake.lake.recover import recover
from retail_lake.lake.retention import retire_landing, retire_quarantine
from retail_lake.lake.upkeep import keep
from retail_lake.tables import TABLES
from retail_lake_tests.lake import staged as by
from retail_lake_tests.lake.staged import DAYS, DIM, SHELF, items, open_lake, quarantined, staged, visible

DAY1, DAY2, DAY3, *_ = DAYS
LATER = datetime.now(UTC) + timedelta(days=400)


@pytest.fixture(autouse=True)
def tables(by_hand: None) -> Iterator[None]:
    """The tables of `staged`."""
    yield


def in_pieces(lake: Lake, table: Any, day: date | None, *numbers: int, sequence: int = 1, **more: Any) -> None:
    """Publish a day as one file per row."""
    job, report = staged(lake, table, {day: items(day, *numbers)}, sequence=sequence, **more)
    folder = Path(job.staging.removeprefix("file://"))
    for file in folder.rglob("rows/**/*.parquet"):
        file.unlink()
    pieces = [
        by.StagedFile(
            uri=by.write(items(day, n), table.columns, folder / f"rows/{table.day}={day}/piece_{n}.parquet"), day=day, rows=1
        )
        for n in numbers
    ]
    publish(lake, job, report.model_copy(update={"staged": tuple(pieces)}))


def files(lake: Lake, table: Any) -> dict[date | None, int]:
    """How many files show each day."""
    found: dict[date | None, int] = {}
    for file in lake.pin(table.full_name).files:
        found[file.day] = found.get(file.day, 0) + 1
    return found


def test_small_files_become_one_and_nobody_notices(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    in_pieces(lake, SHELF, DAY1, *range(9))
    in_pieces(lake, SHELF, DAY2, 1, 2, sequence=2)
    in_pieces(lake, DIM, None, *range(8))
    pinned = lake.pin(SHELF.full_name)
    before = {p.day: p for p in lake.publications(SHELF.full_name)}
    assert [(c.day, c.files, c.rows) for c in compact(lake, SHELF)] == [(DAY1, 9, 9)]
    assert [(c.day, c.files, c.rows) for c in compact(lake, DIM)] == [(None, 8, 8)]
    after = open_lake(tmp_path)
    assert files(after, SHELF) == {DAY1: 1, DAY2: 2} and files(after, DIM) == {None: 1}
    assert visible(after, SHELF) == {DAY1: [*range(9)], DAY2: [1, 2]} and visible(after, DIM) == {None: [*range(8)]}
    now = {p.day: p for p in after.publications(SHELF.full_name)}
    assert now[DAY2] == before[DAY2]
    assert {**vars(now[DAY1]), "snapshot_id": 0} == {**vars(before[DAY1]), "snapshot_id": 0}
    (dim,) = after.publications(DIM.full_name)
    stored = after.stored(DIM.full_name)
    assert stored and dim.snapshot_id == stored.metadata.current_snapshot_id, "what the next build is compared with"
    assert all(Path(f.uri.removeprefix("file://")).exists() for f in pinned.files), "a job that pinned them still reads them"
    assert compact(after, SHELF) == [] and compact(after, DIM) == []
    # A catalog lost right after it comes back with the compacted state or the one before: the same rows.
    after.catalog.close()
    (tmp_path / "catalog.db").unlink()
    recover(open_lake(tmp_path))
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [*range(9)], DAY2: [1, 2]}


@pytest.mark.parametrize("moment", ["while it reads", "while it commits"])
def test_compaction_gives_way_to_a_publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    lake, other = open_lake(tmp_path), open_lake(tmp_path)
    in_pieces(lake, SHELF, DAY1, *range(9))
    in_pieces(lake, SHELF, DAY2, *range(9), sequence=1)
    theirs = staged(other, SHELF, {DAY1: items(DAY1, 100)}, sequence=5)
    name = "_write" if moment == "while it reads" else "swap"
    original, times = getattr(compaction, name), []

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        if not times:
            times.append(1)
            publish(other, *theirs)
        return original(*args, **kwargs)

    monkeypatch.setattr(compaction, name, meanwhile)
    assert [c.day for c in compact(lake, SHELF)] == [DAY2]
    after = open_lake(tmp_path)
    assert visible(after, SHELF) == {DAY1: [100], DAY2: [*range(9)]}
    assert {p.day: p.input_sequences[by.INPUT] for p in after.publications(SHELF.full_name)} == {DAY1: 5, DAY2: 1}


def test_a_publisher_goes_over_a_compaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, other = open_lake(tmp_path), open_lake(tmp_path)
    in_pieces(lake, SHELF, DAY1, *range(9))
    original, times = by_publish.swap, []

    def meanwhile(*args: Any, **kwargs: Any) -> Any:
        if not times:
            times.append(1)
            assert compact(other, SHELF)
        return original(*args, **kwargs)

    monkeypatch.setattr(by_publish, "swap", meanwhile)
    job = staged(lake, SHELF, {DAY1: items(DAY1, 7)}, sequence=5)
    assert publish(lake, *job).status == {DAY1: "published"}
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [7]}


def age(path: Path, days: int) -> None:
    """Let everything below a folder be as old as that."""
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for file in path.rglob("*"):
        if file.is_file():
            os.utime(file, (then, then))


def test_what_an_open_launch_may_have_staged_stays(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, first_day=DAYS[0], last_day=DAYS[-1])
    object.__setattr__(settings, "artifacts_uri", str(tmp_path / "artifacts"))
    lake = Lake(settings)
    in_pieces(lake, SHELF, DAY1, 1)
    killed, _ = staged(lake, SHELF, {DAY2: items(DAY2, 2)})
    age(tmp_path / "lake", 3)
    running, _ = staged(lake, SHELF, {DAY3: items(DAY3, 3)})
    folder = Path(running.staging.removeprefix("file://"))
    age(folder, 2)
    launch = launches.Opened(
        token="t", engine="glue", run_id="r", table=SHELF.full_name, submitted_at=datetime.now(UTC) - timedelta(days=2, hours=1)
    )
    launches.opened(settings, launch)
    gone = remove_orphans(lake, SHELF, timedelta(hours=1))
    assert gone and all(key.startswith(killed.job_id) for key in gone)
    launches.closed(settings, "t")
    assert all(key.startswith(running.job_id) for key in remove_orphans(lake, SHELF, timedelta(hours=1)))
    assert visible(lake, SHELF) == {DAY1: [1]}


def test_a_file_that_is_published_while_orphans_are_looked_for_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, other = open_lake(tmp_path), open_lake(tmp_path)
    in_pieces(lake, SHELF, DAY1, 1)
    slow = staged(other, SHELF, {DAY2: items(DAY2, 2)})
    age(tmp_path / "lake", 3)
    original = maintenance.list_files

    def listed(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        if str(args[0]).endswith("/data"):
            publish(other, *slow)
        return found

    monkeypatch.setattr(maintenance, "list_files", listed)
    assert remove_orphans(lake, SHELF, timedelta(days=1)) == []
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [1], DAY2: [2]}


def test_metadata_that_nobody_needs_goes_and_the_rest_is_read_as_before(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    for number in range(4):
        in_pieces(lake, SHELF, DAY1, number, sequence=number, refused={DAY1: 1})
    stored = lake.stored(SHELF.full_name)
    assert stored
    folder = Path(stored.metadata_location.removeprefix("file://")).parent
    (folder / "left-by-a-killed-commit-m0.avro").write_bytes(b"x")
    (folder / "00001-of-a-refused-commit.metadata.json").write_text("{}")
    (folder / "99999-of-a-killed-commit.metadata.json").write_text("{")
    before = {path.name for path in folder.iterdir()}
    assert remove_old_metadata(lake, SHELF.full_name, timedelta(days=1)) == []
    age(tmp_path / "lake", 2)
    gone = remove_old_metadata(lake, SHELF.full_name, timedelta(days=1))
    assert {*gone} >= {"left-by-a-killed-commit-m0.avro", "00001-of-a-refused-commit.metadata.json"}
    assert "99999-of-a-killed-commit.metadata.json" not in gone, "a recovery looks at it"
    assert {path.name for path in folder.iterdir()} == before - {*gone}
    record = Path(lake.data_location(PUBLICATIONS).removeprefix("file://"))
    many = len([*record.rglob("*.parquet")])
    remove_old_metadata(lake, PUBLICATIONS, timedelta(days=1))
    assert len([*record.rglob("*.parquet")]) <= many
    again = open_lake(tmp_path)
    assert visible(again, SHELF) == {DAY1: [3]} and len(again.publications()) == 1
    for snapshot in stored.snapshots():
        assert stored.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows <= 1, "every kept snapshot can be read"


def test_what_two_first_starts_left_is_no_reason_for_doubt(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    folder = Path(lake.data_location(SHELF.full_name).removeprefix("file://")) / "metadata"
    lake.ensure(SHELF)
    lake.catalog.drop_table(SHELF.full_name)
    assert not maintenance.in_doubt(lake, SHELF.full_name), "created by a process that died, and never held anything"
    in_pieces(lake, SHELF, DAY1, 1)
    assert len({path.name for path in folder.glob("00000-*.metadata.json")}) == 2
    assert not maintenance.in_doubt(lake, SHELF.full_name)
    lake.catalog.drop_table(SHELF.full_name)
    assert maintenance.in_doubt(lake, SHELF.full_name)
    (found,) = recover(open_lake(tmp_path), [SHELF.full_name])
    assert not found.says and visible(open_lake(tmp_path), SHELF) == {DAY1: [1]}


def test_quarantine_goes_by_its_age_and_its_count_stays(tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 2)}, refused={DAY1: 2, DAY2: 1}))
    assert retire_quarantine(lake, SHELF) == []
    assert retire_quarantine(lake, SHELF, LATER) == [DAY1, DAY2]
    assert quarantined(open_lake(tmp_path), SHELF) == {}
    assert {p.quarantined for p in open_lake(tmp_path).publications()} == {1, 2}
    assert retire_quarantine(lake, SHELF, LATER) == []
    object.__setattr__(lake.settings, "quarantine_days", 0)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}, sequence=2, refused={DAY1: 2}))
    assert retire_quarantine(lake, SHELF, LATER) == [], "0 keeps them for ever"


def test_landed_files_go_only_where_asked_for_and_what_was_made_of_them_is_final(
    landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from retail_lake.engines.local import LocalEngine
    from retail_lake.lake import publish as module
    from retail_lake.materialize import materialize

    monkeypatch.setattr(module, "TABLES", TABLES)
    here, table = tmp_path / "landing", TABLES["bronze.till_lines"]
    shutil.copytree(landing / "tills", here / "tills")
    day, unpublished = date(2017, 1, 1), date(2017, 1, 2)
    lake = Lake(Settings(home=tmp_path, landing_uri=str(here), first_day=day, last_day=unpublished))
    materialize(lake, LocalEngine(lake.settings), table, [day], run_id="run")
    (before,) = lake.publications(table.full_name)
    assert retire_landing(lake, table) == [], "off unless asked for"
    object.__setattr__(lake.settings, "landing_days", 30)
    gone = retire_landing(lake, table)
    left = [path.name for path in (here / "tills" / "till_lines" / str(unpublished)).iterdir()]
    if before.status == "published":
        assert gone and all(key.startswith(str(day)) for key in gone)
    assert left, "what was never published stays"
    now = survey(lake, table, [day])
    assert day in now.final and not now.todo
    for force in (False, True):
        outcome = materialize(lake, LocalEngine(lake.settings), table, [day], run_id="again", force=force)
        assert [d.status for d in outcome.days] == ["unchanged"]
    assert lake.publications(table.full_name) == [before]
    assert plan.plan(lake, table, [day, unpublished], run_id="x").jobs


def test_the_daily_round_reports_each_table_and_is_held_up_by_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = open_lake(tmp_path)
    in_pieces(lake, SHELF, DAY1, *range(9))
    publish(lake, *staged(lake, DIM, {None: items(None, 1)}))
    left, _ = staged(lake, SHELF, {DAY3: items(DAY3, 9)})
    age(tmp_path / "lake", 3)
    # The catalog forgot the dimension, and nobody knows it yet.
    lake.catalog.drop_table(DIM.full_name)
    done = {k.table: k for k in keep(lake, {t.full_name: t for t in (DIM, SHELF)})}
    assert "catalog-lost" in done[DIM.full_name].failed
    shelf = done[SHELF.full_name]
    assert (shelf.compacted_days, shelf.compacted_files, shelf.orphans, shelf.failed) == (1, 9, 1, "")
    assert not Path(left.staging.removeprefix("file://")).exists() or not list(
        Path(left.staging.removeprefix("file://")).rglob("*.parquet")
    )
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [*range(9)]}
    recover(open_lake(tmp_path), [DIM.full_name])
    assert visible(open_lake(tmp_path), DIM) == {None: [1]}
    assert all(not k.failed for k in keep(open_lake(tmp_path), {t.full_name: t for t in (DIM, SHELF)}))

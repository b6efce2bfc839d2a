"""What is forgotten and when: snapshots after 30 days, staged files that nobody shows after a limit of one's own."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from retail_lake.lake import expiry
from retail_lake.lake import lake as lake_module
from retail_lake.lake.expiry import KEEP, expire_snapshots
from retail_lake.lake.lake import PUBLICATIONS
from retail_lake.lake.maintenance import remove_orphans
from retail_lake.lake.publish import publish
from retail_lake.storage import list_files
from retail_lake_tests.lake.staged import DAYS, DIM, SHELF, items, open_lake, quarantined, staged, visible

DAY1, DAY2, *_ = DAYS
BATCH = 8


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes thirty commits takes eight."""
    monkeypatch.setattr(expiry, "BATCH", BATCH)


def test_snapshots_of_thirty_days_and_the_current_one_are_kept(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    for number in range(BATCH + 1):
        publish(lake, *staged(lake, DIM, {None: items(None, number)}, sequence=number, changed=(DAY1, DAY2)))
    stored = lake.stored(DIM.full_name)
    assert stored
    every = {s.snapshot_id: datetime.fromtimestamp(s.timestamp_ms / 1000, UTC) for s in stored.snapshots()}
    current = stored.current_snapshot()
    assert len(every) >= BATCH + 1 and current
    # A millisecond before the oldest is too old, none is; at the middle, half of them are: too few to be worth a commit.
    assert expire_snapshots(stored, min(every.values()) + KEEP) == 0
    middle = sorted(every.values())[BATCH - 5]
    assert expire_snapshots(stored, middle + KEEP) == 0
    # Enough are too old: those go, and no younger one.
    limit = sorted(every.values())[BATCH + 1]
    expire_snapshots(stored, limit + KEEP)
    kept = {s.snapshot_id for s in lake.catalog.load_table(DIM.full_name).snapshots()}
    assert kept == {i for i, at in every.items() if at >= limit}
    # However long nothing was published, the current one stays.
    for number in range(BATCH):
        publish(lake, *staged(lake, DIM, {None: items(None, 100 + number)}, sequence=100 + number, changed=(DAY1, DAY2)))
    stored = lake.catalog.load_table(DIM.full_name)
    latest = stored.current_snapshot()
    assert latest
    expire_snapshots(stored, datetime.now(UTC) + timedelta(days=1000))
    assert [s.snapshot_id for s in lake.catalog.load_table(DIM.full_name).snapshots()] == [latest.snapshot_id]
    assert visible(open_lake(tmp_path), DIM) == {None: [100 + BATCH - 1]}


def test_the_record_of_publications_stays_small_however_many_there_were(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    sizes = []
    for number in range(2 * BATCH):
        job, report = staged(lake, SHELF, {DAYS[number % 5]: []}, sequence=number)
        publish(lake, job, report)
        stored = lake.stored(PUBLICATIONS)
        snapshot = stored.current_snapshot() if stored else None
        assert stored and snapshot
        sizes.append((len(stored.snapshots()), len(snapshot.manifests(stored.io)), len(list(stored.scan().plan_files()))))
    assert max(sizes) <= (BATCH + 3, 3, 1)
    assert stored
    assert lake.publications() == open_lake(tmp_path).publications() and len(lake.publications()) == 5
    folder = Path(stored.metadata_location.removeprefix("file://")).parent
    limit = int(lake_module.TABLE_PROPERTIES["write.metadata.previous-versions-max"])
    assert len(list(folder.glob("*.metadata.json"))) <= limit + 1


def test_orphans_are_files_that_no_snapshot_shows_and_that_are_old_enough(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    replaced = staged(lake, SHELF, {DAY1: items(DAY1, 1)}, refused={DAY1: 1})
    publish(lake, *replaced)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 2), DAY2: items(DAY2, 2)}, sequence=2, refused={DAY1: 1, DAY2: 1}))
    killed, _ = staged(lake, SHELF, {DAY1: items(DAY1, 3)}, sequence=3, refused={DAY1: 1})
    running, _ = staged(lake, SHELF, {DAY1: items(DAY1, 4)}, sequence=4, refused={DAY1: 1})
    data = Path(f"{lake.data_location(SHELF.full_name)}/data".removeprefix("file://"))
    long_ago = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    for path in data.rglob("*.parquet"):
        if running.job_id not in str(path):
            os.utime(path, (long_ago, long_ago))
    assert remove_orphans(lake, SHELF, timedelta(days=4)) == []
    gone = remove_orphans(lake, SHELF, timedelta(days=2))
    assert len(gone) == 2 and all(key.startswith(killed.job_id) for key in gone), "rows and quarantine of the killed job"
    left = list_files(str(data), lake.settings, hidden=True)
    assert {f.key.split("-")[0] for f in left} >= {replaced[0].job_id, running.job_id}, "time travel and running jobs keep theirs"
    assert visible(lake, SHELF) == {DAY1: [2], DAY2: [2]} and set(quarantined(lake, SHELF)) == {DAY1, DAY2}
    # Once the snapshot that shows it has expired, a replaced file is an orphan too.
    for name in (SHELF.full_name, "quarantine.gold_shelf"):
        stored = lake.catalog.load_table(name)
        current = stored.current_snapshot()
        assert current
        stored.maintenance.expire_snapshots().by_ids([s.snapshot_id for s in stored.snapshots() if s != current]).commit()
    gone = remove_orphans(lake, SHELF, timedelta(days=2))
    assert len(gone) == 2 and all(key.startswith(replaced[0].job_id) for key in gone)
    assert visible(lake, SHELF) == {DAY1: [2], DAY2: [2]} and set(quarantined(lake, SHELF)) == {DAY1, DAY2}

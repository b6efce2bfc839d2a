"""Publishers in each other's way: interleaved at chosen moments in one process, and as processes of their own."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from retail_lake.lake import publish as module
from retail_lake.lake.lake import PUBLICATIONS, Lake
from retail_lake.lake.publish import publish
from retail_lake_tests.lake import staged as by
from retail_lake_tests.lake.staged import DAYS, DIM, SHELF, items, meanwhile, open_lake, quarantined, staged, visible

DAY1, DAY2, *_ = DAYS


# Where another publisher comes in between: before anything, with the rows ready to commit, before the record.
MOMENTS = ["_late", "_assert_staged", "_replace"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("published_before", [False, True], ids=["first", "again"])
@pytest.mark.parametrize("theirs", [1, 3], ids=["they are older", "they are newer"])
def test_another_publisher_of_the_day_in_between(
    by_hand: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, published_before: bool, theirs: int
) -> None:
    lake, other = open_lake(tmp_path), open_lake(tmp_path)
    if published_before:
        publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 9), DAY2: items(DAY2, 9)}, sequence=0))
    ours = staged(lake, SHELF, {DAY1: items(DAY1, 2), DAY2: items(DAY2, 2)}, sequence=2)
    them = staged(other, SHELF, {DAY1: items(DAY1, theirs)}, sequence=theirs, refused={DAY1: theirs})
    meanwhile(monkeypatch, module, moment, lambda: publish(other, *them))
    status = publish(lake, *ours).status
    won = max(2, theirs)
    assert visible(lake, SHELF) == {DAY1: [won], DAY2: [2]}
    known = {p.day: p for p in open_lake(tmp_path).publications(SHELF.full_name)}
    assert {d: p.input_sequences[by.INPUT] for d, p in known.items()} == {DAY1: won, DAY2: 2}
    assert known == {p.day: p for p in lake.publications(SHELF.full_name)}
    if moment != "_replace":
        assert status == {DAY1: "superseded" if theirs == 3 else "published", DAY2: "published"}
    if theirs == 3:
        assert quarantined(lake, SHELF) == {DAY1: [them[0].job_id] * 3}


def test_older_quarantine_does_not_stay_beside_newer_rows(by_hand: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, other = open_lake(tmp_path), open_lake(tmp_path)
    ours = staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 1)}, sequence=1, refused={DAY1: 1, DAY2: 1})
    them = staged(other, SHELF, {DAY1: items(DAY1, 2)}, sequence=2)
    # They look for quarantine to clear before we write ours, and show their rows after.
    meanwhile(monkeypatch, module, "_commit_quarantine", lambda: publish(lake, *ours))
    original = lake.ensure

    def ensure(table: object) -> object:
        monkeypatch.setattr(lake, "ensure", original)
        publish_rest()
        return original(SHELF)

    def publish_rest() -> None:
        module._replace(other, other.ensure(SHELF), "day", [DAY1], them[1].staged, them[0])

    monkeypatch.setattr(lake, "ensure", ensure)
    publish(other, *them)
    assert visible(lake, SHELF) == {DAY1: [2], DAY2: [1]}
    assert quarantined(lake, SHELF) == {DAY2: [ours[0].job_id]}


def test_publishers_of_other_days_and_tables_lose_nothing(by_hand: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, other = open_lake(tmp_path), open_lake(tmp_path)
    ours = staged(lake, SHELF, {DAY1: items(DAY1, 1)})
    meanwhile(monkeypatch, module, "_assert_staged", lambda: publish(other, *staged(other, SHELF, {DAY2: items(DAY2, 2)})))
    publish(lake, *ours)
    third = open_lake(tmp_path)
    # Another table's record is written while ours is: we know of it afterwards.
    from retail_lake.lake import publications

    meanwhile(monkeypatch, publications, "to_arrow", lambda: publish(third, *staged(third, DIM, {None: items(None, 5)})))
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 4)}, sequence=2))
    assert visible(lake, SHELF) == {DAY1: [4], DAY2: [2]} and visible(lake, DIM) == {None: [5]}
    shelf = SHELF.full_name
    assert {(p.table, p.day) for p in lake.publications()} == {(shelf, DAY1), (shelf, DAY2), (DIM.full_name, None)}
    assert lake.publications() == open_lake(tmp_path).publications()


def test_two_dimensions_compared_with_different_states_change_every_day(
    by_hand: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, other = open_lake(tmp_path), open_lake(tmp_path)
    publish(lake, *staged(lake, DIM, {None: items(None, 1)}, sequence=1))
    base = lake.pin(DIM.full_name)
    them = staged(other, DIM, {None: items(None, 2)}, sequence=2, previous=base, changed=(DAY1, DAY1))
    ours = staged(lake, DIM, {None: items(None, 3)}, sequence=3, previous=base, changed=(DAY2, date.max))
    publish(other, *them)
    publish(lake, *ours)
    (now,) = lake.publications(DIM.full_name)
    assert now.changes == ((date.min, now.fingerprint),)


PUBLISH = """
import sys
from datetime import date
from pathlib import Path
from retail_lake.lake import publish as module
from retail_lake_tests.lake import staged as by

module.TABLES = by.TABLES
home, number = Path(sys.argv[1]), int(sys.argv[2])
lake = by.open_lake(home)
own, shared = by.DAYS[number], by.DAYS[4]
for round in range(1, 4):
    sequence = round * 10 + number
    rows = {own: by.items(own, sequence), shared: by.items(shared, sequence)}
    module.publish(lake, *by.staged(lake, by.SHELF, rows, sequence=sequence, refused={shared: number}))
    module.publish(lake, *by.staged(lake, by.DIM, {None: by.items(None, sequence)}, sequence=sequence))
"""


def test_two_processes_publish_at_once(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", PUBLISH, str(tmp_path), str(n)], stderr=subprocess.PIPE) for n in (1, 2)]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    lake: Lake = open_lake(tmp_path)
    assert visible(lake, SHELF) == {DAYS[1]: [31], DAYS[2]: [32], DAYS[4]: [32]}
    assert visible(lake, DIM) == {None: [32]}
    known = {(p.table, p.day): p.input_sequences[by.INPUT] for p in lake.publications()}
    shelf = SHELF.full_name
    assert known == {(shelf, DAYS[1]): 31, (shelf, DAYS[2]): 32, (shelf, DAYS[4]): 32, (DIM.full_name, None): 32}
    assert len(quarantined(lake, SHELF)[DAYS[4]]) == 2
    stored = lake.stored(PUBLICATIONS)
    assert stored and stored.scan().to_arrow().num_rows == 4

"""Publishing against a model: whatever is published in whatever order, readers see what the model says."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retail_lake.failure import DataFailure
from retail_lake.jobs.description import StagedFile
from retail_lake.lake.publish import publish
from retail_lake_tests.lake.staged import ARRIVALS, DAYS, DIM, SHELF, at, items, open_lake, quarantined, staged, visible

DAY1, DAY2, DAY3, *_ = DAYS

_DAY = st.fixed_dictionaries(
    {
        "rows": st.lists(st.integers(1, 99), max_size=3),
        "refused": st.integers(0, 2),
        "fate": st.sampled_from(["published", "published", "published", "incomplete", "blocked"]),
    }
)
_JOB = st.dictionaries(st.sampled_from(DAYS), _DAY, min_size=1, max_size=3)


@given(jobs=st.lists(_JOB, min_size=1, max_size=5), again=st.data())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_sequence_of_publishes_leaves_what_the_model_says(by_hand: None, jobs: list[dict[date, Any]], again: Any) -> None:
    rows: dict[date, list[int]] = {}
    refused: dict[date, int] = {}
    fates: dict[date, str] = {}
    done = []
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lake(Path(folder))
        for number, days in enumerate(jobs, 1):
            job, report = staged(
                lake,
                SHELF,
                {d: items(d, *day["rows"]) for d, day in days.items()},
                sequence=number,
                refused={d: day["refused"] for d, day in days.items() if day["refused"]},
                blocked=[d for d, day in days.items() if day["fate"] == "blocked"],
                incomplete=[d for d, day in days.items() if day["fate"] == "incomplete"],
            )
            status = publish(lake, job, report).status
            assert status == {d: day["fate"] for d, day in days.items()}
            for d, day in days.items():
                fates[d], refused[d] = day["fate"], day["refused"]
                if day["fate"] != "blocked":
                    rows[d] = sorted(day["rows"])
            done.append((job, report))

        def check() -> None:
            reader = open_lake(Path(folder))
            assert visible(reader, SHELF) == {d: some for d, some in rows.items() if some}
            assert {d: len(jobs) for d, jobs in quarantined(reader, SHELF).items()} == {d: n for d, n in refused.items() if n}
            known = {p.day: p for p in reader.publications(SHELF.full_name)}
            assert {d: p.status for d, p in known.items()} == fates
            assert {d: p.rows for d, p in known.items()} == {d: len(rows.get(d, [])) for d in fates}
            assert {d: p.quarantined for d, p in known.items()} == refused
            assert {d for d, p in known.items() if p.visible} == set(rows)

        check()
        newest = {d: number for number, days in enumerate(jobs) for d in days}
        repeated = again.draw(st.integers(0, len(done) - 1))
        status = publish(lake, *done[repeated]).status
        assert {d for d, s in status.items() if s == "superseded"} == {d for d in jobs[repeated] if newest[d] > repeated}
        check()


def test_a_dimension_is_replaced_whole_and_an_equal_one_keeps_its_snapshot(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    first = publish(lake, *staged(lake, DIM, {None: items(None, 1, 2)}))
    assert visible(lake, DIM) == {None: [1, 2]}
    same = staged(lake, DIM, {None: items(None, 1, 2)}, sequence=2, previous=lake.pin(DIM.full_name))
    assert publish(lake, *same).snapshot_id == first.snapshot_id
    other = staged(lake, DIM, {None: items(None, 3)}, sequence=3, previous=lake.pin(DIM.full_name))
    assert publish(lake, *other).snapshot_id != first.snapshot_id
    assert visible(lake, DIM) == {None: [3]}


@pytest.mark.parametrize("first_is_recorded", [True, False], ids=["recorded", "killed before the record"])
def test_older_inputs_are_not_published_over_newer_ones(by_hand: None, tmp_path: Path, first_is_recorded: bool) -> None:
    lake, other = open_lake(tmp_path), open_lake(tmp_path)
    older = staged(other, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 1)}, sequence=1, refused={DAY1: 1, DAY2: 1})
    newer = staged(lake, SHELF, {DAY2: items(DAY2, 2), DAY3: items(DAY3, 2)}, sequence=2, refused={DAY2: 2})
    if not first_is_recorded:
        lake.record = lambda table, new: None  # type: ignore[method-assign]
    publish(lake, *newer)
    outcome = publish(other, *older)
    assert outcome.status == {DAY1: "published", DAY2: "superseded"}
    assert visible(other, SHELF) == {DAY1: [1], DAY2: [2], DAY3: [2]}
    assert quarantined(other, SHELF) == {DAY1: [older[0].job_id], DAY2: [newer[0].job_id] * 2}
    known = {p.day: p.job_id for p in other.publications(SHELF.full_name)}
    assert known.get(DAY2) == (newer[0].job_id if first_is_recorded else None)


def test_an_older_listing_of_the_landing_is_not_published_over_a_newer_one(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)

    def lines(day: date, item: str) -> dict[date | None, list[dict[str, Any]]]:
        return {day: [{"item": item, "_arrival_day": day, "_day": day}]}

    older = staged(lake, ARRIVALS, lines(DAY1, "old"), listed_at=at(1))
    newer = staged(lake, ARRIVALS, lines(DAY1, "new"), listed_at=at(2))
    elsewhere = staged(lake, ARRIVALS, lines(DAY2, "old"), listed_at=at(1))
    assert publish(lake, *newer).status == {DAY1: "published"}
    assert publish(lake, *older).status == {DAY1: "superseded"}
    assert publish(lake, *elsewhere).status == {DAY2: "published"}
    assert visible(lake, ARRIVALS) == {DAY1: ["new"], DAY2: ["old"]}


def test_a_blocked_attempt_from_newer_inputs_is_not_followed_by_an_older_one(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}, sequence=1))
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 3)}, sequence=3, blocked=[DAY1]))
    assert publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 2)}, sequence=2)).status == {DAY1: "superseded"}
    assert visible(lake, SHELF) == {DAY1: [1]}


def test_quarantine_left_by_a_killed_publisher_is_emptied(by_hand: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = open_lake(tmp_path)
    job, report = staged(lake, SHELF, {DAY1: items(DAY1, 1)}, refused={DAY1: 2})
    with monkeypatch.context() as patch:
        patch.setattr(lake, "ensure", lambda table: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish(lake, job, report)
    assert quarantined(lake, SHELF) == {DAY1: [job.job_id] * 2}
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}, sequence=2))
    assert quarantined(lake, SHELF) == {}


def _without_day(path: Path) -> int:
    pq.write_table(pa.table({"item": pa.array([1], pa.int64())}), path)
    return 1


def _wrong_day(path: Path) -> int:
    pq.write_table(pa.table({"day": [DAY2], "item": pa.array([1], pa.int64())}), path)
    return 1


def _two_days(path: Path) -> int:
    pq.write_table(pa.table({"day": [DAY1, DAY2], "item": pa.array([1, 2], pa.int64())}), path)
    return 2


def _wrong_count(path: Path) -> int:
    pq.write_table(pa.table({"day": [DAY1, DAY1], "item": pa.array([1, 2], pa.int64())}), path)
    return 1


def _no_statistics(path: Path) -> int:
    pq.write_table(pa.table({"day": [DAY1], "item": pa.array([1], pa.int64())}), path, write_statistics=False)
    return 1


def _missing(path: Path) -> int:
    path.unlink()
    return 1


def _wrong_type(path: Path) -> int:
    pq.write_table(pa.table({"day": [DAY1], "item": ["one"]}), path)
    return 1


@pytest.mark.parametrize(
    "spoil", [_without_day, _wrong_day, _two_days, _wrong_count, _no_statistics, _missing, _wrong_type], ids=lambda f: f.__name__
)
def test_a_staged_file_that_is_not_what_was_reported_is_not_published(by_hand: None, tmp_path: Path, spoil: Any) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 7)}))
    job, report = staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY3: items(DAY3, 3)}, sequence=2)
    path = Path(report.staged[0].uri.removeprefix("file://"))
    rows = spoil(path)
    spoiled = StagedFile(uri=report.staged[0].uri, day=DAY1, rows=rows)
    first = report.days[0].model_copy(update={"published": rows, "rows_in": rows})
    report = report.model_copy(update={"staged": (spoiled, *report.staged[1:]), "days": (first, *report.days[1:])})
    before = lake.pin(SHELF.full_name)
    with pytest.raises(DataFailure, match=r"nothing was published"):
        publish(lake, job, report)
    assert lake.pin(SHELF.full_name) == before
    assert visible(lake, SHELF) == {DAY1: [7]}
    assert {p.day for p in lake.publications(SHELF.full_name)} == {DAY1}


def test_fewer_staged_rows_than_the_job_reported_are_not_published(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    job, report = staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 2)}, refused={DAY1: 1})
    with pytest.raises(DataFailure, match=r"gold\.shelf 2017-01-02: 0 rows are staged but the job reported 1; run it again"):
        publish(lake, job, report.model_copy(update={"staged": report.staged[:1]}))
    assert visible(lake, SHELF) == {} and quarantined(lake, SHELF) == {}


def test_days_far_apart_are_replaced_without_those_between(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {d: items(d, 1) for d in DAYS}))
    publish(lake, *staged(lake, SHELF, {DAYS[0]: items(DAYS[0], 2), DAYS[4]: [], DAYS[1]: items(DAYS[1], 3)}, sequence=2))
    assert visible(lake, SHELF) == {DAYS[0]: [2], DAYS[1]: [3], DAYS[2]: [1], DAYS[3]: [1]}

"""A bad publish is taken back: readers see the earlier state, the refused one stays away, and downstream follows."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from retail_lake.failure import ConfigurationFailure
from retail_lake.lake.lake import Lake
from retail_lake.lake.plan import survey
from retail_lake.lake.publish import publish
from retail_lake.lake.rollback import rollback, states
from retail_lake.tables import TABLES
from retail_lake.warehouse.duckdb import DuckDBWarehouse
from retail_lake_tests.lake import chain
from retail_lake_tests.lake.staged import DAYS, DIM, SHELF, items, open_lake, quarantined, staged, visible

DAY1, DAY2, DAY3, *_ = DAYS


def moment_after(lake: Lake) -> datetime:
    """A moment after all that is published so far: the next commit gets a later one."""
    kept = [s.at for name in (SHELF, DIM) if lake.stored(name.full_name) for s in states(lake, name)]
    now = datetime.now(UTC)
    assert all(at <= now for at in kept)
    return now


def test_a_day_is_as_it_was_and_the_others_as_they_are(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 1, 2)}, refused={DAY1: 2}))
    good = open_lake(tmp_path).publications(SHELF.full_name)
    moment = moment_after(lake)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 8, 9), DAY2: items(DAY2, 9)}, sequence=2, refused={DAY2: 1}))
    bad = {p.day: p for p in open_lake(tmp_path).publications(SHELF.full_name)}
    looked = rollback(lake, SHELF, before=moment, days=[DAY1], act=False)
    assert [(d.day, d.rows_before, d.rows, d.changed) for d in looked.days] == [(DAY1, 2, 1, True)]
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [8, 9], DAY2: [9]}
    rollback(lake, SHELF, before=moment, days=[DAY1])
    after = open_lake(tmp_path)
    assert visible(after, SHELF) == {DAY1: [1], DAY2: [9]}
    assert {d: len(jobs) for d, jobs in quarantined(after, SHELF).items()} == {DAY1: 2, DAY2: 1}
    now = {p.day: p for p in after.publications(SHELF.full_name)}
    assert now[DAY2] == bad[DAY2]
    assert now[DAY1].rolled_back and now[DAY1].refused == bad[DAY1].fingerprint and now[DAY1].status == "published"
    assert now[DAY1].fingerprint not in {"", bad[DAY1].fingerprint, *(p.fingerprint for p in good)}
    assert (now[DAY1].rows, now[DAY1].quarantined, now[DAY1].rows_in) == (1, 2, 3)
    was = next(p for p in good if p.day == DAY1)
    assert now[DAY1].job_id == was.job_id and now[DAY1].code_version == bad[DAY1].code_version
    # Again, there is nothing to do.
    assert not any(d.changed for d in rollback(after, SHELF, before=moment, days=[DAY1]).days)
    assert open_lake(tmp_path).publications() == after.publications()


def test_a_whole_table_is_as_it_was_with_the_days_it_had(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1), DAY2: items(DAY2, 2)}))
    publish(lake, *staged(lake, DIM, {None: items(None, 1, 2)}))
    first = {t: states(lake, t)[0].snapshot_id for t in (SHELF, DIM)}
    publish(lake, *staged(lake, SHELF, {DAY2: items(DAY2, 9), DAY3: items(DAY3, 3)}, sequence=2))
    publish(lake, *staged(lake, DIM, {None: items(None, 9)}, sequence=2))
    for table in (SHELF, DIM):
        rollback(lake, table, to=first[table])
    after = open_lake(tmp_path)
    assert visible(after, SHELF) == {DAY1: [1], DAY2: [2]} and visible(after, DIM) == {None: [1, 2]}
    known = {p.day: p for p in after.publications(SHELF.full_name)}
    assert {d: p.rolled_back for d, p in known.items()} == {DAY1: False, DAY2: True, DAY3: True}
    assert known[DAY3].visible and known[DAY3].rows == 0, "downstream sees a day without rows"
    (dim,) = after.publications(DIM.full_name)
    assert dim.rolled_back and dim.seen_on(DAY1) == dim.fingerprint
    # Forwards again, by the same way.
    newest = states(after, SHELF)[1]
    rollback(after, SHELF, to=newest.snapshot_id)
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [1], DAY2: [9], DAY3: [3]}


def test_only_states_that_readers_saw_can_be_gone_back_to(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    with pytest.raises(ConfigurationFailure, match="never published"):
        rollback(lake, SHELF, to=1)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 2)}, sequence=2))
    stored = lake.stored(SHELF.full_name)
    assert stored
    kept = states(lake, SHELF)
    between = {s.snapshot_id for s in stored.snapshots()} - {s.snapshot_id for s in kept}
    assert [s.days for s in kept] == [(DAY1,), (DAY1,)] and between, "a commit's first half, in which the day is empty"
    for snapshot in (*between, 12345):
        with pytest.raises(ConfigurationFailure, match=f"keeps no snapshot {snapshot}"):
            rollback(lake, SHELF, to=snapshot)
    with pytest.raises(ConfigurationFailure, match="from before 1990-01-01"):
        rollback(lake, SHELF, before=datetime(1990, 1, 1, tzinfo=UTC))
    with pytest.raises(ConfigurationFailure, match="no days"):
        publish(lake, *staged(lake, DIM, {None: items(None, 1)}))
        rollback(lake, DIM, to=states(lake, DIM)[0].snapshot_id, days=[DAY1])


def test_older_jobs_do_not_come_back_over_a_rollback_and_newer_ones_do(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    late = staged(lake, SHELF, {DAY1: items(DAY1, 5)}, sequence=2)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}, sequence=1))
    first = states(lake, SHELF)[0].snapshot_id
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 9)}, sequence=3))
    rollback(lake, SHELF, to=first)
    assert publish(lake, *late).status == {DAY1: "superseded"}
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [1]}
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 4)}, sequence=4))
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [4]}
    assert not any(p.rolled_back for p in open_lake(tmp_path).publications())


def test_killed_before_the_record_and_repeated_it_is_the_same(by_hand: None, tmp_path: Path) -> None:
    lake = open_lake(tmp_path)
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 1)}))
    first = states(lake, SHELF)[0].snapshot_id
    publish(lake, *staged(lake, SHELF, {DAY1: items(DAY1, 9)}, sequence=2))
    (bad,) = lake.publications(SHELF.full_name)

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    dying = open_lake(tmp_path)
    dying.amend = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        rollback(dying, SHELF, to=first)
    assert open_lake(tmp_path).publications() == [bad]
    done = rollback(open_lake(tmp_path), SHELF, to=first)
    assert [d.changed for d in done.days] == [True]
    (now,) = open_lake(tmp_path).publications(SHELF.full_name)
    assert now.rolled_back and now.refused == bad.fingerprint and now.rows == 1
    assert visible(open_lake(tmp_path), SHELF) == {DAY1: [1]}


def test_a_bad_delivery_is_rolled_back_through_the_real_chain(landing: Path, tmp_path: Path) -> None:
    """Till files of a day are replaced by a wrong version; bronze is rolled back; everything downstream follows, and stays."""
    here = tmp_path / "landing"
    shutil.copytree(landing, here)
    lake = Lake(chain.settings(tmp_path, here))
    chain.build(lake, chain.DAYS)
    chain.build(lake, chain.DAYS)
    tables = [n for n in chain.CHAIN if n in ("bronze.till_lines", "silver.sales", "gold.fact_sales")]
    good = chain.contents(lake, tables)
    warehouse, fact = DuckDBWarehouse(lake.settings), TABLES["gold.fact_sales"]
    loaded = warehouse.load(fact, None, lake, run_id="good").total_rows
    moment, day = datetime.now(UTC), chain.DAYS[0]
    halve(here, day)
    for name in tables:
        chain.build(lake, chain.DAYS, [name])
    assert chain.contents(lake, tables) != good
    warehouse.load(fact, None, lake, run_id="bad")
    rollback(lake, TABLES["bronze.till_lines"], before=moment, days=[day])
    todo = {name: survey(lake, TABLES[name], chain.DAYS).todo for name in chain.CHAIN}
    assert not todo["bronze.till_lines"], "what was refused is not built again by itself"
    assert day in todo["silver.sales"]
    for name in tables:
        chain.build(lake, chain.DAYS, [name])
    assert chain.contents(lake, tables) == good
    assert not any(survey(lake, TABLES[name], chain.DAYS).todo for name in tables), "and it stays so"
    assert warehouse.load(fact, None, lake, run_id="again").total_rows == loaded


def halve(landing: Path, day: date) -> None:
    """A newer version of one till file of a day, with half of its lines."""
    found = sorted((landing / "tills" / "till_lines" / str(day)).glob("till-lines_g1_*_v*.csv"))[-1]
    lines = found.read_text().splitlines()
    kept = lines[: len(lines) // 2]
    version = int(found.stem.rsplit("_v", 1)[1]) + 1
    trailer = f"#lines={len(kept) - 1}"
    found.with_name(f"{found.stem.rsplit('_v', 1)[0]}_v{version}.csv").write_text("\n".join([*kept, trailer]) + "\n")

"""Arrivals put on record: once per object version, in whatever order and however often they are announced."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from retail_lake.arrivals import book as books
from retail_lake.arrivals.book import Book
from retail_lake.arrivals.event import Arrival, Version
from retail_lake.arrivals.waiting import load
from retail_lake_tests.arrivals.world import DAY_1, DAY_2, DAY_3, ORDERS, PRODUCTS, TILLS, World, settings_of, table
from retail_lake_tests.s3 import S3Server

AT = datetime(2017, 1, 2, 17)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(settings_of(tmp_path), [table(x) for x in (TILLS, PRODUCTS, ORDERS)])


def arrival(key: str, etag: str = "e1", **more: Any) -> Arrival:
    return Arrival(key, Version(**{"size": 1, "written": AT, "etag": etag, **more}))


def line(day: date, part: str, version: int = 1, of: date | None = None) -> str:
    return f"tills/lines/{day}/lines_{part}_{of or day:%Y%m%d}_v{version}.csv"


def test_a_version_counts_once_however_often_it_is_announced(world: World) -> None:
    intake = world.intake()
    intake.take([arrival(line(DAY_2, "g1"), version="v1")] * 3)
    intake.take([arrival(line(DAY_2, "g1"), version="v1"), arrival(line(DAY_2, "g2"))])
    assert (intake.taken.new, intake.taken.known) == (2, 3)
    assert load(world.settings).days == {"tills/lines": {DAY_2}}
    day = world.day(TILLS, DAY_2)
    assert (
        sorted(day.untold)
        == sorted(day.versions)
        == ["2017-01-02/lines_g1_20170102_v1.csv", "2017-01-02/lines_g2_20170102_v1.csv"]
    )


def test_another_version_of_a_key_is_another_content_and_an_older_one_that_comes_late_is_not(world: World) -> None:
    key, digests = line(DAY_2, "g1"), []
    for etag, sequencer in (("e2", "FF"), ("e1", "FE"), ("e3", "100"), ("e2", "FF")):
        world.intake().take([arrival(key, etag, sequencer=sequencer)])
        digests.append(world.day(TILLS, DAY_2).digest(TILLS))
    assert digests[0] == digests[1] != digests[2] == digests[3]
    (versions,) = world.day(TILLS, DAY_2).versions.values()
    assert [v.etag for v in versions] == ["e1", "e2", "e3"]


def test_keys_find_their_day(world: World) -> None:
    world.intake().take(
        [
            arrival("erp/products/LOAD1.csv"),
            arrival("erp/products/2016/12/30/20161230-1.csv"),
            arrival("erp/products/2017/01/02/20170102-1.csv"),
            arrival("erp/products/2017/01/03/wrongly named.csv"),
            arrival("erp/products/2017/01/03/.half.csv"),
            arrival("erp/products/_tmp/20170102-2.csv"),
            arrival("shop/orders/2017-01-02/_SUCCESS"),
            arrival("shop/orders/2017-01-02/_other"),
        ]
    )
    assert load(world.settings).days == {"erp/products": {DAY_1, DAY_2, DAY_3}, "shop/orders": {DAY_2}}
    # The lake's first day takes what has no day, or an earlier one.
    assert set(world.day(PRODUCTS, DAY_1).versions) == {"LOAD1.csv", "2016/12/30/20161230-1.csv"}


def test_what_no_table_reads_is_named(world: World) -> None:
    intake = world.intake()
    intake.take([arrival("tills/other/2017-01-02/a.csv"), arrival("notes.txt")])
    assert (intake.taken.strange, intake.taken.strangers) == (2, ["tills/other/2017-01-02/a.csv", "notes.txt"])
    assert load(world.settings).days == {}


def test_a_correction_touches_the_day_that_loses_the_file(world: World) -> None:
    world.intake().take([arrival(line(DAY_1, "g1")), arrival(line(DAY_1, "g2"))])
    before = world.day(TILLS, DAY_1).digest(TILLS)
    world.intake().take([arrival(line(DAY_3, "g1", 2, of=DAY_1))])
    after = world.day(TILLS, DAY_1)
    assert after.others == {"2017-01-03/lines_g1_20170101_v2.csv": DAY_3} and after.digest(TILLS) != before
    # An older version that comes last is no input, and takes none away.
    third = world.day(TILLS, DAY_3).digest(TILLS)
    world.intake().take([arrival(line(DAY_2, "g1", 1, of=DAY_1))])
    assert world.day(TILLS, DAY_1).digest(TILLS) == after.digest(TILLS)
    assert world.day(TILLS, DAY_3).digest(TILLS) == third


def test_a_part_that_comes_on_another_day_touches_the_day_that_expects_it(world: World) -> None:
    world.intake().take([arrival(line(DAY_3, "g2", of=DAY_2))])
    assert world.day(TILLS, DAY_2).others == {"2017-01-03/lines_g2_20170102_v1.csv": DAY_3}
    assert load(world.settings).days == {"tills/lines": {DAY_2, DAY_3}}


def state(world: World) -> dict[str, Any]:
    """What decides what is asked for."""
    days = {day: world.day(TILLS, day) for day in (DAY_1, DAY_2, DAY_3)}
    newest = Book(world.settings, TILLS).newest(f"{g}_{d:%Y%m%d}" for g in ("g1", "g2") for d in days)
    return {
        "days": {str(d): (day.digest(TILLS), sorted(day.versions)) for d, day in days.items()},
        "newest": {part: found.key for part, found in newest.items()},
        "waiting": sorted(load(world.settings).days["tills/lines"]),
    }


def test_whoever_is_killed_while_writing_and_begins_again_ends_with_the_same_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [arrival(line(DAY_1, "g1")), arrival(line(DAY_1, "g2"))]
    second = [arrival(line(DAY_2, "g1", 2, of=DAY_1)), arrival(line(DAY_2, "g1")), arrival(line(DAY_3, "g2", of=DAY_2))]

    class Killed(BaseException):
        pass

    def written(home: Path, dies_at: int) -> tuple[dict[str, Any], bool]:
        here = World(settings_of(home), [table(TILLS)])
        here.intake().take(first)
        writes = 0
        real = books.write_bytes

        def write(*arguments: Any) -> None:
            nonlocal writes
            writes += 1
            if writes == dies_at:
                raise Killed
            real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(books, "write_bytes", write)
            patch.setattr("retail_lake.arrivals.waiting.write_bytes", write)
            patch.setattr(books, "in_parallel", lambda work, items: [work(item) for item in items])
            try:
                here.intake().take(second)
                died = False
            except Killed:
                died = True
        here.intake().take(second)
        return state(here), died

    undisturbed, _ = written(tmp_path / "0", 0)
    deaths = 0
    for n in range(1, 20):
        found, died = written(tmp_path / str(n), n)
        assert found == undisturbed, f"killed at write {n}"
        deaths += died
        if not died:
            break
    assert deaths >= 5


announced = st.lists(
    st.tuples(
        st.sampled_from([DAY_1, DAY_2, DAY_3]), st.sampled_from(["g1", "g2"]), st.sampled_from([DAY_1, DAY_2]), st.integers(1, 3)
    ),
    unique=True,
    min_size=1,
    max_size=8,
)


@given(arrivals=announced, data=st.data())
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_repetition_and_portions_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, arrivals: list, data: st.DataObject
) -> None:
    """The newest version of every part is known, every version is on its day, and every day that what came last touches waits."""
    world = World(settings_of(tmp_path_factory.mktemp("book")), [table(TILLS)])
    told = [arrival(line(day, group, version, of=of)) for day, group, of, version in arrivals]
    order = data.draw(st.permutations(told + data.draw(st.lists(st.sampled_from(told), max_size=4))))
    cut = data.draw(st.integers(0, len(order)))
    for portion in (order[:cut], order[cut:]):
        world.intake().take(portion)
    newest: dict[str, tuple[int, date]] = {}
    for day, group, of, version in arrivals:
        part = f"{group}_{of:%Y%m%d}"
        newest[part] = max(newest.get(part, (0, DAY_1)), (version, day))
    known = Book(world.settings, TILLS).newest(newest)
    assert {part: (found.number, found.day) for part, found in known.items()} == newest
    for day in (DAY_1, DAY_2, DAY_3):
        keys = {f"{day}/lines_{group}_{of:%Y%m%d}_v{version}.csv" for d, group, of, version in arrivals if d == day}
        assert set(world.day(TILLS, day).versions) == keys
    touched = {day for day, *_ in arrivals}
    assert touched <= load(world.settings).days["tills/lines"]


def test_a_record_that_was_cut_off_is_written_anew_and_what_waits_is_found_again(world: World) -> None:
    world.intake().take([arrival(line(DAY_2, "g1")), arrival(line(DAY_3, "g1"))])
    at = Path(world.settings.lake_uri) / "ops/arrivals"
    (at / "waiting.json").write_text('{"days": {"tills')
    (at / f"tills/lines/{DAY_2}.json").write_text("")
    assert load(world.settings).days == {"tills/lines": {DAY_2, DAY_3}}
    intake = world.intake()
    intake.take([arrival(line(DAY_2, "g1")), arrival(line(DAY_3, "g1"))])
    assert (intake.taken.new, intake.taken.known) == (1, 1)


def test_the_book_is_the_same_on_s3(s3: S3Server, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    at = f"s3://{s3.bucket}/{request.node.name}"
    more = {"lake_uri": f"{at}/lake", "landing_uri": f"{at}/landing", "s3_endpoint": s3.endpoint}
    worlds = [World(settings_of(tmp_path / "here"), [table(TILLS)]), World(settings_of(tmp_path, **more), [table(TILLS)])]
    for world in worlds:
        world.intake().take([arrival(line(DAY_1, "g1")), arrival(line(DAY_2, "g1", 2, of=DAY_1))])
    local, remote = (state(world) for world in worlds)
    assert json.dumps(local, default=str) == json.dumps(remote, default=str)
    assert load(worlds[1].settings).reach["tills/lines"].last == DAY_2


def test_settling_begins_with_what_is_new(world: World) -> None:
    def seen() -> tuple[datetime | None, datetime | None]:
        day = world.day(TILLS, DAY_2)
        return day.since, day.last

    take: Callable[..., None] = lambda *keys: world.intake().take([arrival(k) for k in keys])  # noqa: E731
    first = datetime(2017, 1, 3, 1, tzinfo=UTC)
    world.clock = first
    take(line(DAY_2, "g1"))
    world.clock = second = first.replace(hour=2)
    take(line(DAY_2, "g1"))
    assert seen() == (first, first)
    take(line(DAY_2, "g2"))
    assert seen() == (first, second)

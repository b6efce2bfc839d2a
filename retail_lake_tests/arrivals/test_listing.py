"""What a look at landing finds: everything sooner or later, each version once, in bounded steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retail_lake.arrivals.book import Book
from retail_lake.arrivals.event import Arrival, Version, read
from retail_lake.arrivals.listing import Look, lister_of, look
from retail_lake.aws import client, split_uri
from retail_lake.config import Settings
from retail_lake.storage import Stored
from retail_lake_tests.arrivals.world import (
    DAY_1,
    DAY_2,
    NOON,
    ORDERS,
    PRODUCTS,
    TILLS,
    World,
    message,
    record,
    settings_of,
    table,
)
from retail_lake_tests.s3 import S3Server


@pytest.fixture(params=["folder", "s3"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    tables = [table(x) for x in (TILLS, PRODUCTS, ORDERS)]
    if request.param == "folder":
        return World(settings_of(tmp_path), tables)
    return World(on_s3(request.getfixturevalue("s3"), tmp_path), tables)


def on_s3(s3: S3Server, tmp_path: Path) -> Settings:
    at = f"s3://{s3.bucket}/{tmp_path.name}"
    return settings_of(tmp_path, lake_uri=f"{at}/lake", landing_uri=f"{at}/landing", s3_endpoint=s3.endpoint)


def keys(found: Look) -> list[str]:
    return sorted(arrival.key.split("/", 2)[2] for arrival in found.arrivals)


def look_at(world: World, n: int, turn: str = "", **more: int) -> Look:
    landing = world.tables[n].landing
    assert landing is not None
    return look(Book(world.settings, landing), lister_of(world.settings), world.settings, newest=1, turn=turn, **more)


def test_everything_that_was_not_seen_is_found_and_nothing_twice(world: World) -> None:
    put = [
        "LOAD1.csv", "2016/12/30/20161230-1.csv", "2017/01/02/20170102-1.csv", "2017/01/03/20170103-1.csv", "2017/stray.csv",
        "2017/01/stray.csv", "2017/other/stray.csv", "other/20170102-2.csv", "2017/01/02/deeper/20170102-3.csv",
    ]  # fmt: skip
    for key in [*put, "2017/01/02/.half.csv", "_tmp/20170102-9.csv"]:
        world.put(f"erp/products/{key}")
    found = look_at(world, 1)
    assert keys(found) == sorted(put) and found.whole
    world.intake().take(found.arrivals)
    assert keys(look_at(world, 1)) == []
    world.put("erp/products/2017/01/03/20170103-2.csv", at=NOON)
    world.put("erp/products/2017/01/03/20170103-3.csv", at=NOON)
    world.put("erp/products/LOAD1.csv", "longer")
    found = look_at(world, 1)
    assert keys(found) == ["2017/01/03/20170103-2.csv", "2017/01/03/20170103-3.csv", "LOAD1.csv"]
    # One is taken in, the other of the same moment is not lost for it.
    world.intake().take([a for a in found.arrivals if "-2" in a.key])
    assert keys(look_at(world, 1)) == ["2017/01/03/20170103-3.csv", "LOAD1.csv"]


def test_a_landing_that_is_not_there_has_nothing(world: World) -> None:
    assert look_at(world, 0) == Look([], 0, "", True)


def test_markers_are_seen(world: World) -> None:
    world.put("shop/orders/2017-01-02/_SUCCESS", "")
    world.put("shop/orders/2017-01-02/_other", "")
    assert keys(look_at(world, 2)) == ["2017-01-02/_SUCCESS"]


def test_what_was_announced_is_not_found_again(world: World) -> None:
    world.put("tills/lines/2017-01-02/lines_g1_20170102_v1.csv")
    (listed,) = look_at(world, 0).arrivals
    announced = Version(
        size=1, written=listed.version.written + timedelta(milliseconds=400), etag=listed.version.etag or "e", version="v",
        sequencer="1",
    )  # fmt: skip
    world.intake().take([Arrival(listed.key, announced)])
    assert keys(look_at(world, 0)) == []


class Announcing:
    """A world whose landing is on S3, and what S3 would announce of one file there."""

    KEY = "tills/lines/2017-01-02/lines_g1_20170102_v1.csv"

    def __init__(self, s3: S3Server, tmp_path: Path) -> None:
        self.world = World(on_s3(s3, tmp_path), [table(TILLS)])
        self.client: Any = client("s3", self.world.settings)
        self.bucket, prefix = split_uri(self.world.settings.landing_uri)
        self.at = {"Bucket": self.bucket, "Key": f"{prefix}/{self.KEY}"}

    def upload(self, *parts: bytes) -> None:
        """Put the file there in parts."""
        upload = {**self.at, "UploadId": self.client.create_multipart_upload(**self.at)["UploadId"]}
        tags = [self.client.upload_part(**upload, PartNumber=n, Body=b)["ETag"] for n, b in enumerate(parts, 1)]
        numbered = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]
        self.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": numbered})

    def event(self, **later: float) -> list[Arrival]:
        """The announcement of what is there, so much later than it is listed as written."""
        head = self.client.head_object(**self.at)
        moment = (head["LastModified"] + timedelta(**later)).isoformat()
        told = record(self.at["Key"], bucket=self.bucket, etag=head["ETag"].strip('"'), size=head["ContentLength"], at=moment)
        return list(read(message(told), self.world.settings.landing_uri).arrivals)

    def take(self, arrivals: list[Arrival]) -> int:
        """Take them in: how many were new."""
        intake = self.world.intake()
        intake.take(arrivals)
        return intake.taken.new

    def listed(self) -> list[Arrival]:
        """What listing finds that was not seen."""
        return look_at(self.world, 0).arrivals


@pytest.fixture
def announcing(s3: S3Server, tmp_path: Path) -> Announcing:
    return Announcing(s3, tmp_path)


@pytest.mark.parametrize("first", ["announced", "listed"])
def test_an_upload_in_parts_is_one_version_however_long_it_took(announcing: Announcing, first: str) -> None:
    announcing.upload(b"x" * 5 * 1024 * 1024, b"y")
    event = announcing.event(minutes=40)
    assert event[0].version.etag.endswith("-2")
    if first == "announced":
        assert announcing.take(event) == 1
        assert announcing.listed() == []
    else:
        assert announcing.take(announcing.listed()) == 1
        assert announcing.take(event) == 0


def test_another_content_of_the_same_size_and_moment_is_another_version(announcing: Announcing) -> None:
    announcing.client.put_object(**announcing.at, Body=b"one")
    before = announcing.event()[0].version
    announcing.client.put_object(**announcing.at, Body=b"two")
    (after,) = announcing.event()
    assert announcing.take([after._replace(version=before.model_copy(update={"written": after.version.written}))]) == 1
    digest = announcing.world.day(TILLS, DAY_2).digest(TILLS)
    assert announcing.take(announcing.listed()) == 1
    assert announcing.take([after]) == 0
    assert announcing.world.day(TILLS, DAY_2).digest(TILLS) != digest


def test_what_is_listed_is_newest_although_its_upload_began_before_the_other_was_put(announcing: Announcing) -> None:
    announcing.client.put_object(**announcing.at, Body=b"one")
    assert announcing.take(announcing.event(minutes=10)) == 1
    digest = announcing.world.day(TILLS, DAY_2).digest(TILLS)
    announcing.upload(b"the other")
    assert announcing.take(announcing.listed()) == 1
    assert announcing.world.day(TILLS, DAY_2).digest(TILLS) != digest


def test_a_content_that_is_put_back_is_found(announcing: Announcing) -> None:
    for body, later in ((b"one", -20), (b"two", -10)):
        announcing.client.put_object(**announcing.at, Body=body)
        assert announcing.take(announcing.event(minutes=later)) == 1
    announcing.client.put_object(**announcing.at, Body=b"one")
    assert announcing.take(announcing.listed()) == 1
    assert announcing.listed() == []


class Many:
    """A lister of folders that are not there, which counts how often each was listed."""

    def __init__(self, days: int, a_day: int) -> None:
        self.listed: Counter[str] = Counter()
        self.days = [DAY_1 + timedelta(days=n) for n in range(days)]
        self.a_day = a_day

    def level(self, folder: str) -> tuple[list[Stored], list[str]]:
        return [], [str(day) for day in self.days]

    def below(self, folder: str) -> list[Stored]:
        self.listed[folder.rpartition("/")[2]] += 1
        day = date.fromisoformat(folder.rpartition("/")[2])
        names = (f"lines_g{n}_{day:%Y%m%d}_v1.csv" for n in range(self.a_day))
        return [Stored(name, 1, datetime(2017, 1, 1)) for name in names]


def rounds(book: Book, lister: Many, world: World, **more: int) -> Iterator[Look]:
    turn = ""
    while True:
        found = look(book, lister, world.settings, newest=2, turn=turn, **more)
        world.intake().take(found.arrivals)
        turn = found.turn
        yield found
        if found.whole:
            return


def test_older_folders_come_in_turn_until_all_were_listed(tmp_path: Path) -> None:
    world, lister = World(settings_of(tmp_path), [table(TILLS)]), Many(days=10, a_day=3)
    book = Book(world.settings, TILLS)
    found = list(rounds(book, lister, world, folders=3))
    assert [each.keys for each in found] == [15, 15, 12]
    assert sum(len(each.arrivals) for each in found) == 30
    assert [lister.listed[str(day)] for day in lister.days] == [1] * 8 + [3] * 2
    # Then from the start again, and a folder that came meanwhile is not passed over.
    lister.days.insert(0, date(2016, 12, 30))
    assert [len(each.arrivals) for each in rounds(book, lister, world, folders=3)] == [3, 0, 0]


def test_a_look_lists_no_more_keys_than_it_may(tmp_path: Path) -> None:
    world, lister = World(settings_of(tmp_path), [table(TILLS)]), Many(days=10, a_day=3)
    assert [each.keys for each in rounds(Book(world.settings, TILLS), lister, world, keys=4)] == [12] * 4


def test_a_look_that_takes_too_long_is_gone_on_with_by_the_next(tmp_path: Path) -> None:
    seconds = 0.0

    class Slow(Many):
        def below(self, folder: str) -> list[Stored]:
            nonlocal seconds
            seconds += 15
            return super().below(folder)

    lister = Slow(days=9, a_day=3)
    world = World(settings_of(tmp_path, arrival_overlap_days=1), [table(TILLS)], lister=lister)
    world.seconds = lambda: seconds
    spent = []
    for _ in range(4):
        before = seconds
        world.look()
        spent.append(seconds - before)
    # The newest folder, two of the older ones, and then it is late.
    assert spent == [45] * 4
    assert [lister.listed[str(day)] for day in lister.days] == [1] * 8 + [4]
    assert [len(world.day(TILLS, day).versions) for day in lister.days] == [3] * 9


def test_days_may_be_told_by_either_kind_of_date(tmp_path: Path) -> None:
    world = World(settings_of(tmp_path), [table(PRODUCTS)])
    for day in (DAY_1, DAY_2):
        world.put(f"erp/products/{day:%Y/%m/%d}/{day:%Y%m%d}-1.csv")
    first = look_at(World(world.settings, [table(TILLS), *world.tables]), 1, folders=0)
    assert keys(first) == ["2017/01/02/20170102-1.csv"] and not first.whole

"""Arrivals told by a queue: the deployed one, on moto's SQS and S3, which announce what is put as AWS does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retail_lake.arrivals import queue
from retail_lake.arrivals.event import Arrival
from retail_lake.arrivals.queue import drain, standing
from retail_lake.deploy import notifications
from retail_lake.failure import ConfigurationFailure, TransientFailure
from retail_lake_tests.arrivals.world import DAY_1, DAY_2, DAY_3, TILLS, World, asked, message, record, settings_of, table
from retail_lake_tests.deploy.control_plane import Recorded, recorded

_NUMBERS = itertools.count()
KEYS = [f"tills/lines/2017-01-02/lines_g{n}_20170102_v1.csv" for n in (1, 2)]


@pytest.fixture
def plane(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    with recorded(monkeypatch) as plane:
        # Moto knows at once what it has.
        monkeypatch.setattr(queue, "WAIT", 0)
        yield plane


@pytest.fixture
def world(plane: Recorded, tmp_path: Path) -> World:
    """A lake on disk whose landing is a bucket of the test's own that announces what arrives, as its first message tells."""
    name = f"arriving-{next(_NUMBERS)}"
    plane.client("s3").create_bucket(Bucket=plane.named(name))
    place = {"landing_uri": f"s3://{plane.named(name)}/retail", "s3_endpoint": plane.endpoint}
    settings = settings_of(tmp_path, arrival_queue=f"{plane.endpoint}/{plane.account}/{name}", **place)
    url, _ = notifications.ensure(settings)
    return World(settings.model_copy(update={"arrival_queue": url}), [table(TILLS)])


@pytest.fixture
def send(plane: Recorded, world: World) -> Callable[..., None]:
    def send(*bodies: str) -> None:
        for body in bodies:
            plane.client("sqs").send_message(QueueUrl=world.settings.arrival_queue, MessageBody=body)

    return send


def waiting(world: World) -> int:
    found = standing(world.settings)
    assert found is not None
    return found.waiting + found.in_flight


def drained(world: World, take: Callable[[Sequence[Arrival]], None] | None = None, **more: Any) -> Any:
    return drain(world.settings, take or world.intake().take, lambda: True, **more)


def announcement(world: World, key: str, **more: Any) -> str:
    bucket, _, prefix = world.settings.landing_uri.removeprefix("s3://").partition("/")
    return message(record(f"{prefix}/{key}", bucket=bucket, **more))


def test_what_is_put_is_announced_taken_in_once_and_deleted(plane: Recorded, world: World) -> None:
    s3, (bucket, _, prefix) = plane.client("s3"), world.settings.landing_uri.removeprefix("s3://").partition("/")
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=b"x")
    s3.put_object(Bucket=bucket, Key="elsewhere", Body=b"x")
    # The bucket's test event, which tells nothing, is one more message.
    found = drained(world)
    assert (found.messages >= 2, found.arrivals, found.elsewhere, found.unreadable, found.emptied) == (True, 2, 0, 0, True)
    assert waiting(world) == 0
    assert set(world.day(TILLS, DAY_2).versions) == {key.removeprefix("tills/lines/") for key in KEYS}


def test_a_look_asks_for_what_the_queue_told(plane: Recorded, world: World, send: Callable[..., None]) -> None:
    send(*(announcement(world, key) for key in KEYS))
    looked = world.look()
    assert asked(looked) == [] and any("messages" in each for each in looked.said)
    send(*(announcement(world, key) for key in KEYS))
    assert asked(world.look(60)) == [(("bronze.lines",), DAY_2, DAY_2)]


def test_what_was_never_announced_is_found_by_listing(plane: Recorded, world: World) -> None:
    bucket, _, prefix = world.settings.landing_uri.removeprefix("s3://").partition("/")
    plane.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{KEYS[0]}", Body=b"x")
    plane.client("sqs").purge_queue(QueueUrl=world.settings.arrival_queue)
    world.look()
    assert set(world.day(TILLS, DAY_2).versions) == {KEYS[0].removeprefix("tills/lines/")}


def test_nothing_is_deleted_before_it_is_on_record(world: World, send: Callable[..., None]) -> None:
    send(*(announcement(world, key) for key in KEYS))

    def broken(arrivals: Sequence[Arrival]) -> None:
        assert len(arrivals) == 2
        raise TransientFailure("the lake is away")

    with pytest.raises(TransientFailure, match="the lake is away"):
        drained(world, broken)
    assert waiting(world) == 3


def test_a_message_is_on_record_when_it_is_deleted(plane: Recorded, world: World, send: Callable[..., None]) -> None:
    send(*(announcement(world, f"tills/lines/2017-01-02/lines_g{n}_20170102_v1.csv", etag=str(n)) for n in range(25)))
    seen: list[tuple[int, int]] = []

    def take(arrivals: Sequence[Arrival]) -> None:
        world.intake().take(arrivals)
        seen.append((len(world.day(TILLS, DAY_2).versions), waiting(world)))

    assert drained(world, take, portion=10).arrivals == 25
    # At every moment what is not on record is still in the queue.
    assert all(recorded + left >= 25 for recorded, left in seen) and len(seen) > 1
    assert waiting(world) == 0


def test_draining_that_takes_too_long_leaves_the_rest_to_the_next_look(world: World, send: Callable[..., None]) -> None:
    keys = [f"tills/lines/2017-01-02/lines_g{n}_20170102_v1.csv" for n in range(60)]
    send(*(announcement(world, key, etag=key) for key in keys))
    seconds = 0.0

    def passing() -> float:
        nonlocal seconds
        seconds += 10
        return seconds

    world.seconds = passing
    world.look()
    taken = len(world.day(TILLS, DAY_2).versions)
    # What it received is on record and gone, the rest is there.
    assert 0 < taken < 60 and waiting(world) >= 60 - taken
    for _ in range(9):
        world.look()
    assert len(world.day(TILLS, DAY_2).versions) == 60 and waiting(world) == 0
    assert sum(len(told.files) for told in world.told) == 60


def test_what_cannot_be_read_ends_as_a_dead_letter_and_holds_nothing_up(
    plane: Recorded, world: World, send: Callable[..., None]
) -> None:
    send("poison", announcement(world, KEYS[0]), json.dumps({"Records": [{"eventName": "ObjectCreated:Put"}]}))
    found = drained(world)
    assert (found.arrivals, found.unreadable, len(found.problems)) == (1, 2, 2) and "it is not JSON" in " ".join(found.problems)
    assert standing(world.settings).dead_letters == 0  # type: ignore[union-attr]
    # Received again and again, as SQS does by itself when the time of each receipt is over.
    for _ in range(notifications.RECEIVES):
        _let_go(plane, world.settings.arrival_queue)
        assert drained(world).arrivals == 0
    found_standing = standing(world.settings)
    assert found_standing is not None
    assert (found_standing.waiting + found_standing.in_flight, found_standing.dead_letters) == (0, 2)


def _let_go(plane: Recorded, url: str) -> None:
    """The end of every receipt's time, which moto would make us wait for."""
    from moto.sqs.models import sqs_backends

    backend = sqs_backends[plane.account]["us-east-1"]
    for each in backend.queues[url.rpartition("/")[2]]._messages:
        each.visible_at = 0


def test_how_long_the_oldest_may_have_waited(world: World, send: Callable[..., None]) -> None:
    from retail_lake.arrivals.waiting import load

    now = datetime(2017, 1, 3, tzinfo=UTC)
    world.clock = now
    world.look()
    assert load(world.settings).emptied == now and standing(world.settings, lambda: now).age == timedelta(0)  # type: ignore[union-attr]
    send(announcement(world, KEYS[0]))
    found = standing(world.settings, lambda: now + timedelta(hours=2))
    assert found is not None and (found.waiting, found.age) == (1, timedelta(hours=2))


def test_without_a_queue_there_is_no_standing_and_one_that_is_not_there_is_named(tmp_path: Path, plane: Recorded) -> None:
    assert standing(settings_of(tmp_path)) is None
    gone = settings_of(tmp_path, arrival_queue=f"{plane.endpoint}/123456789012/gone", landing_uri="s3://landing")
    for ask in (lambda: standing(gone), lambda: drain(gone, lambda _: None, lambda: True)):
        with pytest.raises(ConfigurationFailure, match=r"ARRIVAL_QUEUE=.*there is no such queue; run `retail-lake deploy"):
            ask()


def test_the_same_in_any_order_and_twice_is_asked_for_once(world: World, send: Callable[..., None]) -> None:
    bodies = [
        announcement(world, f"tills/lines/{day}/lines_g{n}_{day:%Y%m%d}_v1.csv", version=f"{day}{n}", sequencer=f"{n}")
        for day in (DAY_1, DAY_2, DAY_3)
        for n in (1, 2)
    ]
    send(*reversed(bodies), *bodies)
    world.look()
    send(*bodies)
    found = world.look(60)
    assert asked(found) == [(("bronze.lines",), DAY_1, DAY_3)]
    world.run(found.requests)
    send(*bodies)
    assert asked(world.look(60)) == []
    assert len(world.told) == 3

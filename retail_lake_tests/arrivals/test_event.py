"""What messages say, in every form that S3's events come in."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from retail_lake.arrivals.event import Arrival, Version, read
from retail_lake_tests.arrivals.world import message, record

LANDING = "s3://landing/retail"
KEY = "tills/lines/2017-01-02/a b+c=ü.csv"
ENCODED = "retail/tills/lines/2017-01-02/a+b%2Bc%3D%C3%BC.csv"
AT = datetime(2017, 1, 2, 17)


def bridged(key: str, kind: str = "Object Created", **more: Any) -> dict[str, Any]:
    """EventBridge's form, as its documentation shows it."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2017-01-02T17:00:00Z",
        "region": "ca-central-1",
        "resources": ["arn:aws:s3:::landing"],
        "detail": {
            "version": "0",
            "bucket": {"name": "landing"},
            "object": {"key": key, "size": 5, "etag": "e1", "version-id": "v1", "sequencer": "00617F08299329D189", **more},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    }


def keys(body: Any) -> list[str]:
    found = read(body if isinstance(body, str) else json.dumps(body), LANDING)
    assert found.problem == ""
    return [arrival.key for arrival in found.arrivals]


def test_the_key_of_s3s_own_message_is_decoded() -> None:
    found = read(message(record(ENCODED, version="v1", etag='"e1"', sequencer="0A", size=5)), LANDING)
    assert found.arrivals == (Arrival(KEY, Version(size=5, written=AT, etag="e1", version="v1", sequencer="0A")),)


def test_the_key_of_eventbridges_message_is_taken_as_it_is() -> None:
    (arrival,) = read(json.dumps(bridged(f"retail/{KEY}")), LANDING).arrivals
    assert arrival == Arrival(KEY, Version(size=5, written=AT, etag="e1", version="v1", sequencer="00617F08299329D189"))
    assert keys(bridged("retail/a%2Bb+c.csv")) == ["a%2Bb+c.csv"]


def test_a_message_may_have_several_records_and_be_wrapped() -> None:
    two = message(record("retail/a"), record("retail/b"))
    assert keys(two) == ["a", "b"]
    assert keys({"Type": "Notification", "TopicArn": "arn:…", "Message": two}) == ["a", "b"]
    assert keys({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": two}}]}) == ["a", "b"]
    assert keys([bridged("retail/a"), bridged("retail/b")]) == ["a", "b"]
    assert keys({"Type": "Notification", "Message": json.dumps(bridged("retail/a"))}) == ["a"]


@pytest.mark.parametrize(
    "body",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2017-01-02T17:00:00.000Z", "Bucket": "landing"},
        {"Type": "Notification", "Message": json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent"})},
        {"Records": []},
        {"Records": [record("retail/a", name="ObjectRemoved:Delete")]},
        bridged("retail/a", "Object Deleted"),
        bridged("retail/a", "Object Restore Completed"),
    ],
)
def test_what_tells_of_no_new_object_says_nothing(body: Any) -> None:
    assert keys(body) == []


def test_what_arrives_elsewhere_is_counted() -> None:
    found = read(message(record("retail/a", bucket="other"), record("retailer/a"), record("retail/a")), LANDING)
    assert (found.elsewhere, [a.key for a in found.arrivals]) == (2, ["a"])
    assert [a.key for a in read(message(record("a")), "s3://landing").arrivals] == ["a"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("no json", "not JSON"),
        ('"text"', "no event"),
        ('{"hello": 1}', "'eventName'"),
        (message({"eventName": "ObjectCreated:Put", "s3": {}, "eventTime": "2017-01-02"}), "'object'"),
        (message(record("retail/a", at="yesterday")), "Invalid isoformat"),
        (json.dumps({"Message": "no json"}), "no event"),
        ('{"detail-type": "Object Created", "time": "2017-01-02T00:00:00Z"}', "'detail'"),
    ],
)
def test_what_cannot_be_read_says_why(body: str, says: str) -> None:
    found = read(body, LANDING)
    assert says in found.problem and found.arrivals == ()


def test_what_can_be_read_of_a_message_is_not_lost() -> None:
    found = read(message(record("retail/a"), {"eventName": "ObjectCreated:Put"}), LANDING)
    assert [a.key for a in found.arrivals] == ["a"] and found.problem


def version(**more: Any) -> Version:
    return Version(**{"size": 1, "written": AT, **more})


def test_a_bucket_without_versions_has_none() -> None:
    (arrival,) = read(message(record("retail/a", version="null")), LANDING).arrivals
    assert arrival.version.version == "" and arrival.version.identity == "e1"


def test_versions_are_the_same_by_whatever_both_have() -> None:
    assert version(version="v1", etag="e1").is_same(version(version="v1", etag="e1"))
    assert not version(version="v1", etag="e1").is_same(version(version="v2", etag="e1"))
    assert version(etag="e1").is_same(version(etag="e1", version="v1"))
    assert not version(etag="e1").is_same(version(etag="e2"))
    # One was announced, the other listed, in whole seconds, and without a tag.
    listed = version(listed=True)
    assert version(etag="e1", written=datetime(2017, 1, 2, 17, 0, 0, 900_000)).is_same(listed)
    assert not version(etag="e1", written=datetime(2017, 1, 2, 17, 0, 10)).is_same(listed)
    assert not version(etag="e1", size=2).is_same(listed)
    assert not version(listed=True, written=datetime(2017, 1, 2, 17, 0, 0, 1)).is_same(listed)
    # Listings of S3 have a tag; of one that was listed without it no more is known.
    tagged = version(listed=True, etag="e1")
    assert tagged.is_same(listed) and tagged.is_same(version(listed=True, etag="e1"))
    for other in (version(listed=True, etag="e2"), version(listed=True, etag="e1", written=datetime(2017, 1, 2, 18))):
        assert not tagged.is_same(other) and tagged.identity != other.identity


def test_sequencers_of_any_length_put_versions_in_order() -> None:
    assert version(sequencer="FF").is_older(version(sequencer="100"))
    assert version(sequencer="0AF").is_older(version(sequencer="b0"))
    assert not version(sequencer="100").is_older(version(sequencer="FF"))
    assert version(written=datetime(2017, 1, 1), sequencer="1").is_older(version())

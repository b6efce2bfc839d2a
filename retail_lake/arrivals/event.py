"""What a message says arrived: S3's notifications as queues carry them, as object versions of the landing.

Belongs here: the forms of messages (S3's own, EventBridge's, either inside SNS's, several in one) and the version that one
names. Does not: queues (`queue.py`), or whether a version was seen before (`book.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict

from retail_lake.aws import split_uri

_CLOCK: Final = timedelta(seconds=2)
"""How far the moment that S3 announces may be from the one that it lists: it lists whole seconds."""
_BRIDGED: Final = "Object Created"
_CREATED: Final = "ObjectCreated"


class Version(BaseModel):
    """One version of an object. `written` is UTC: the moment of the event, or what the store lists if it was `listed`.

    Only what was announced has a `version` (where the bucket keeps versions) and a `sequencer`, which orders the versions of
    one key. An `etag` has what was announced, and what S3 listed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    size: int
    written: datetime
    etag: str = ""
    version: str = ""
    sequencer: str = ""
    listed: bool = False

    @property
    def identity(self) -> str:
        """What tells it from other versions of its key."""
        told = self.version or ("" if self.listed else self.etag)
        return told or f"{self.etag or self.size}@{self.written.isoformat()}"

    def is_same(self, other: Version) -> bool:
        """Whether both are one version of a key, by whatever both of them say of it."""
        if self.version and other.version:
            return self.version == other.version
        tagged = bool(self.etag and other.etag)
        if tagged and self.etag != other.etag:
            return False
        if self.listed and other.listed:
            return (self.size, self.written) == (other.size, other.written)
        if not tagged:
            return self.size == other.size and abs(self.written - other.written) <= _CLOCK
        # S3 lists the beginning of an upload in parts and announces its end, so that what is listed as written after it was
        # announced was put there again: over another content, perhaps.
        later = self.written - other.written if self.listed else other.written - self.written
        return self.listed == other.listed or later <= _CLOCK

    def is_older(self, other: Version) -> bool:
        """Whether it came before the other one; sequencers are hexadecimal and of any length."""
        if self.sequencer and other.sequencer:
            width = max(len(self.sequencer), len(other.sequencer))
            return self.sequencer.lower().rjust(width, "0") < other.sequencer.lower().rjust(width, "0")
        return self.written < other.written


class Arrival(NamedTuple):
    """One object version that came; `key` is below the landing location."""

    key: str
    version: Version


class Read(NamedTuple):
    """What a message was found to say: what arrived, how much of it is of another place, and what could not be read."""

    arrivals: tuple[Arrival, ...] = ()
    elsewhere: int = 0
    problem: str = ""


def read(body: str, landing_uri: str) -> Read:
    """Read one message. A test event, or one that tells of no new object, says nothing; what cannot be read is a `problem`."""
    try:
        document = json.loads(body)
    except ValueError:
        return Read(problem="it is not JSON")
    bucket, prefix = split_uri(landing_uri.rstrip("/"))
    arrivals: list[Arrival] = []
    elsewhere, problem = 0, ""
    for record in _records(document):
        try:
            found = _object(record)
        except (KeyError, TypeError, ValueError) as error:
            problem = f"{error} in {json.dumps(record)[:200]}"
            continue
        if found is None:
            continue
        at, key, version = found
        if at == bucket and key.startswith(f"{prefix}/" if prefix else ""):
            arrivals.append(Arrival(key[len(prefix) + 1 :] if prefix else key, version))
        else:
            elsewhere += 1
    return Read(tuple(arrivals), elsewhere, problem)


def _records(document: Any) -> Iterator[Any]:
    """The records of a message, however they are wrapped."""
    if isinstance(document, list):
        for each in document:
            yield from _records(each)
    elif isinstance(document, Mapping) and isinstance(document.get("Records"), list):
        for each in document["Records"]:
            yield from _records(each)
    elif isinstance(document, Mapping) and isinstance(document.get("Sns"), Mapping):
        yield from _records(document["Sns"])
    elif isinstance(document, Mapping) and isinstance(document.get("Message"), str):
        try:
            yield from _records(json.loads(document["Message"]))
        except ValueError:
            yield document["Message"]
    else:
        yield document


def _object(record: Any) -> tuple[str, str, Version] | None:
    """Bucket, key and version of a new object; None for a record of something else. Raises what a wrong record leads to."""
    if not isinstance(record, Mapping):
        raise ValueError("no event")
    if record.get("Event") == "s3:TestEvent":
        return None
    if "detail-type" in record:
        if record["detail-type"] != _BRIDGED:
            return None
        detail = record["detail"]
        thing, moment, bucket = detail["object"], record["time"], detail["bucket"]["name"]
        # EventBridge gives keys as they are.
        return bucket, thing["key"], _version(thing, moment, etag="etag", version="version-id")
    name = str(record["eventName"]).removeprefix("s3:")
    if not name.startswith(_CREATED):
        return None
    told = record["s3"]
    thing = told["object"]
    return (
        told["bucket"]["name"],
        unquote_plus(thing["key"]),
        _version(thing, record["eventTime"], etag="eTag", version="versionId"),
    )


def _version(thing: Mapping[str, Any], moment: str, *, etag: str, version: str) -> Version:
    written = datetime.fromisoformat(moment)
    if written.tzinfo:
        written = written.astimezone(UTC).replace(tzinfo=None)
    return Version(
        size=int(thing.get("size") or 0),
        written=written,
        etag=str(thing.get(etag) or "").strip('"'),
        # A bucket that does not keep versions calls each of them so.
        version="" if thing.get(version) in (None, "null") else str(thing[version]),
        sequencer=str(thing.get("sequencer") or ""),
    )

"""The queue that S3 announces arrivals to: emptied in portions, a message deleted only when its effect is on record.

Belongs here: SQS. Does not: what messages say (`event.py`), or making the queue (`deploy/notifications.py`).

What cannot be read stays: it comes again, and after some times SQS itself moves it to the dead letters. What was on its way
when this process was killed comes again too, and the book knows what it has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

from retail_lake.arrivals.event import Arrival, read
from retail_lake.arrivals.waiting import load
from retail_lake.aws import client, code_of, refusals
from retail_lake.config import PREFIX, Settings
from retail_lake.failure import ConfigurationFailure

PORTION: Final = 20_000
VISIBLE_AGAIN: Final = 300
"""Seconds after which a message that was received and not deleted comes again."""
WAIT: Final = 1
"""Seconds to wait for a message: without any, SQS asks only some of its machines, and may miss what is there."""
_A_CALL: Final = 10
_AT_ONCE: Final = 8
_TOLD: Final = 5
_NO_QUEUE: Final = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


class Standing(NamedTuple):
    """How the queue stands: messages that wait, that are being worked on, dead letters (None: it has no place for them), and
    how long the oldest message may have been waiting: since the queue was last found empty."""

    waiting: int
    in_flight: int
    dead_letters: int | None
    age: timedelta


@dataclass
class Drained:
    """What was taken from the queue. `emptied` is whether nothing was left; `problems` says a few of what was unreadable."""

    messages: int = 0
    arrivals: int = 0
    elsewhere: int = 0
    unreadable: int = 0
    emptied: bool = False
    problems: list[str] = field(default_factory=list)


class _Message(NamedTuple):
    id: str
    receipt: str
    body: str


def drain(
    settings: Settings, take: Callable[[Sequence[Arrival]], None], goes_on: Callable[[], bool], *, portion: int = PORTION
) -> Drained:
    """Take what the queue has, a portion at a time, for as long as it `goes_on`: what was received by then is still taken. When
    `take` returns, its arrivals are on record; what it raises leaves the portion in the queue."""
    drained = Drained()
    sqs = client("sqs", settings)
    with _asking(settings), ThreadPoolExecutor(_AT_ONCE) as pool:
        while not drained.emptied and goes_on():
            messages: list[_Message] = []
            while len(messages) < portion and not drained.emptied and goes_on():
                # One call tells whether there is anything at all.
                calls = _AT_ONCE if messages or drained.messages else 1
                found = [m for some in pool.map(lambda _: _receive(sqs, settings), range(calls)) for m in some]
                drained.emptied = not found
                messages += found
            done: list[_Message] = []
            arrivals: list[Arrival] = []
            for message in messages:
                told = read(message.body, settings.landing_uri)
                arrivals += told.arrivals
                drained.elsewhere += told.elsewhere
                if told.problem:
                    drained.unreadable += 1
                    drained.problems += [f"message {message.id}: {told.problem}"][: _TOLD - len(drained.problems)]
                else:
                    done.append(message)
            if arrivals:
                take(arrivals)
            list(pool.map(partial(_delete, sqs, settings), [done[n : n + _A_CALL] for n in range(0, len(done), _A_CALL)]))
            drained.messages += len(messages)
            drained.arrivals += len(arrivals)
    return drained


def standing(settings: Settings, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Standing | None:
    """How the queue stands; None if the settings name none. Raises a `Failure` if it cannot be asked."""
    if not settings.arrival_queue:
        return None
    with _asking(settings):
        sqs = client("sqs", settings)
        found = attributes(sqs, settings.arrival_queue)
        dead = dead_letter_queue(sqs, found)
        waiting = int(found["ApproximateNumberOfMessages"])
        emptied = load(settings).emptied if waiting else None
        # A queue that was never emptied by anyone is as old as itself.
        since = emptied or datetime.fromtimestamp(float(found.get("CreatedTimestamp") or 0), UTC)
        return Standing(
            waiting,
            int(found["ApproximateNumberOfMessagesNotVisible"]),
            int(attributes(sqs, dead)["ApproximateNumberOfMessages"]) if dead else None,
            max(timedelta(0), now() - since) if waiting else timedelta(0),
        )


def attributes(sqs: Any, url: str) -> dict[str, str]:
    """All attributes of a queue."""
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def dead_letter_queue(sqs: Any, found: dict[str, str]) -> str:
    """The address of the queue that a queue with these attributes leaves dead letters to; empty if it does not."""
    arn = json.loads(found.get("RedrivePolicy") or "{}").get("deadLetterTargetArn", "")
    if not arn:
        return ""
    account, name = arn.split(":")[4:6]
    return str(sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"])


def _receive(sqs: Any, settings: Settings) -> list[_Message]:
    answer = sqs.receive_message(
        QueueUrl=settings.arrival_queue,
        MaxNumberOfMessages=_A_CALL,
        VisibilityTimeout=VISIBLE_AGAIN,
        WaitTimeSeconds=WAIT,
    )
    return [_Message(m["MessageId"], m["ReceiptHandle"], m["Body"]) for m in answer.get("Messages", [])]


def _delete(sqs: Any, settings: Settings, messages: Sequence[_Message]) -> None:
    """Delete these; one that cannot be comes again, which is no matter."""
    entries = [{"Id": str(n), "ReceiptHandle": m.receipt} for n, m in enumerate(messages)]
    sqs.delete_message_batch(QueueUrl=settings.arrival_queue, Entries=entries)


@contextmanager
def _asking(settings: Settings) -> Iterator[None]:
    """Turn what SQS refuses into failures that name the setting."""
    try:
        with refusals(f"The queue {settings.arrival_queue}"):
            yield
    except ConfigurationFailure as failure:
        if failure.__cause__ is None or code_of(failure.__cause__) not in _NO_QUEUE:
            raise
        raise ConfigurationFailure(
            f"{PREFIX}ARRIVAL_QUEUE={settings.arrival_queue}: there is no such queue; run `retail-lake deploy --arrivals`, or set"
            " another"
        ) from failure.__cause__

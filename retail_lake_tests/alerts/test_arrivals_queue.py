"""Alerts of the queue of arrivals, with a queue and dead letters of SQS's."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from retail_lake.config import Settings
from retail_lake.orchestration.alerts import _arrivals
from retail_lake_tests.aws.server import Aws


def test_dead_letters_and_a_queue_nobody_empties_are_told(aws: Aws, tmp_path: Path) -> None:
    aws.reset()
    sqs = aws.client("sqs")
    dead = sqs.create_queue(QueueName="arrivals-dead-letters")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 5})
    queue = sqs.create_queue(QueueName="arrivals", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    settings = Settings(home=tmp_path, arrival_queue=queue)
    now = datetime.now(UTC)

    def titles(later: timedelta = timedelta()) -> list[str]:
        return [alert.title for alert in _arrivals(settings, now + later)()]

    assert titles(timedelta(days=3)) == [], "an empty queue may be as old as it likes"
    sqs.send_message(QueueUrl=queue, MessageBody="{}")
    assert titles() == []
    assert titles(timedelta(hours=2)) == ["The queue of arrivals is not emptied"]
    for _ in range(2):
        sqs.send_message(QueueUrl=dead, MessageBody="not an event")
    assert titles() == ["2 messages of arrivals were given up"]
    assert _arrivals(Settings(home=tmp_path), now)() == [], "a lake without a queue has none to look at"

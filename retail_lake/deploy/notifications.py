"""The announcement of arrivals: a queue, one for its dead letters, and the landing bucket's notification to it.

Belongs here: making them as they should be. Does not: reading the queue (`arrivals/queue.py`), or other notifications of the
bucket, which stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from retail_lake.arrivals.queue import VISIBLE_AGAIN
from retail_lake.aws import client, code_of, refusals, split_uri
from retail_lake.config import PREFIX, Settings
from retail_lake.deploy.tags import account, tags_of
from retail_lake.failure import ConfigurationFailure

NAME: Final = "retail-lake-arrivals"
RECEIVES: Final = 5
"""Times that a message is received before it is a dead letter."""
_KEPT: Final = 14 * 24 * 3600
_CREATED: Final = "s3:ObjectCreated:*"
_NONE: Final = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


def ensure(settings: Settings, *, act: bool = True) -> tuple[str, list[str]]:
    """Have arrivals announced; returns the address of the queue and what was other than it should be. Unless `act`, only
    looks. Raises a `Failure`."""
    bucket, prefix = _landing(settings)
    name = queue_name(settings)
    with refusals(f"Announcing arrivals in {settings.landing_uri}"):
        sqs = client("sqs", settings)
        _, changes = _queue(sqs, settings, f"{name}-dead-letters", {}, act)
        wanted = {"VisibilityTimeout": str(VISIBLE_AGAIN), "Policy": _policy(settings, bucket, name)}
        # Where nothing is to be changed there may be no address yet.
        redrive = {"deadLetterTargetArn": _arn(settings, f"{name}-dead-letters"), "maxReceiveCount": RECEIVES}
        url, more = _queue(sqs, settings, name, {**wanted, "RedrivePolicy": json.dumps(redrive)}, act)
        changes += [*more, *_notification(settings, bucket, prefix, _arn(settings, name), act)]
    return url, changes


def announced(settings: Settings) -> bool:
    """Whether the bucket announces new objects of the landing to the settings' queue."""
    bucket, prefix = _landing(settings)
    arn = _arn(settings, queue_name(settings))
    found = client("s3", settings).get_bucket_notification_configuration(Bucket=bucket)
    queues = [c for c in found.get("QueueConfigurations", []) if c["QueueArn"] == arn]
    # Through EventBridge, a rule of the account's decides where events go.
    return "EventBridgeConfiguration" in found or any(
        _CREATED in c["Events"] and f"{prefix}/".startswith(_prefix_of(c)) for c in queues
    )


def queue_name(settings: Settings) -> str:
    """The name of the settings' queue, or of the one that is made where they name none."""
    return settings.arrival_queue.rstrip("/").rpartition("/")[2] or NAME


def _landing(settings: Settings) -> tuple[str, str]:
    if not settings.landing_uri.startswith("s3://"):
        raise ConfigurationFailure(
            f"{PREFIX}LANDING_URI={settings.landing_uri}: only arrivals in S3 are announced; a folder is listed"
        )
    return split_uri(settings.landing_uri)


def _queue(sqs: Any, settings: Settings, name: str, more: Mapping[str, str], act: bool) -> tuple[str, list[str]]:
    wanted = {"MessageRetentionPeriod": str(_KEPT), "SqsManagedSseEnabled": "true", **more}
    try:
        url = str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except sqs.exceptions.ClientError as error:
        if code_of(error) not in _NONE:
            raise
        if not act:
            return "", [f"queue {name}"]
        return str(sqs.create_queue(QueueName=name, Attributes=wanted, tags=tags_of(settings))["QueueUrl"]), [f"queue {name}"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    other = {key: value for key, value in wanted.items() if _plain(found.get(key)) != _plain(value)}
    if other and act:
        sqs.set_queue_attributes(QueueUrl=url, Attributes=other)
    return url, [f"{name}: {', '.join(other)}"] if other else []


def _plain(value: str | None) -> Any:
    """What an attribute says, however it is written."""
    try:
        return json.loads(value or "null")
    except ValueError:
        return value


def _policy(settings: Settings, bucket: str, name: str) -> str:
    """Let that bucket, of this account, send to the queue, and nobody else."""
    partition, number = account(settings)
    statement = {
        "Sid": "LandingAnnounces",
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": _arn(settings, name),
        "Condition": {
            "ArnEquals": {"aws:SourceArn": f"arn:{partition}:s3:::{bucket}"},
            "StringEquals": {"aws:SourceAccount": number},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _notification(settings: Settings, bucket: str, prefix: str, queue: str, act: bool) -> list[str]:
    s3 = client("s3", settings)
    found = s3.get_bucket_notification_configuration(Bucket=bucket)
    found.pop("ResponseMetadata", None)
    ours: dict[str, Any] = {"Id": NAME, "QueueArn": queue, "Events": [_CREATED]}
    if prefix:
        ours["Filter"] = {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{prefix}/"}]}}
    queues = found.get("QueueConfigurations", [])
    known = [c for c in queues if c.get("Id") == NAME]
    if len(known) == 1 and (known[0]["QueueArn"], known[0]["Events"], _prefix_of(known[0])) == (
        queue,
        [_CREATED],
        _prefix_of(ours),
    ):
        return []
    if act:
        wanted = {**found, "QueueConfigurations": [*(c for c in queues if c.get("Id") != NAME), ours]}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    return [f"notification of {bucket}"]


def _prefix_of(configuration: Mapping[str, Any]) -> str:
    rules = configuration.get("Filter", {}).get("Key", {}).get("FilterRules", [])
    return next((rule["Value"] for rule in rules if rule["Name"].lower() == "prefix"), "")


def _arn(settings: Settings, name: str) -> str:
    partition, number = account(settings)
    return f"arn:{partition}:sqs:{settings.region}:{number}:{name}"

"""The announcement of arrivals, set up: once, without touching what is somebody else's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.deploy import notifications
from retail_lake.doctor import arrivals as doctor
from retail_lake.doctor.check import Verdict, examine
from retail_lake.failure import ConfigurationFailure
from retail_lake_tests.deploy.control_plane import Recorded


def attributes(plane: Recorded, name: str) -> dict[str, str]:
    sqs = plane.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return dict(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])


def test_the_first_time_all_is_made_and_the_second_time_nothing(control_plane: Recorded, on_aws: Settings) -> None:
    bucket = control_plane.named("landing")
    looked, would = notifications.ensure(on_aws, act=False)
    assert looked == "" and control_plane.changes == []
    url, changes = notifications.ensure(on_aws)
    assert (
        changes == would == ["queue retail-lake-arrivals-dead-letters", "queue retail-lake-arrivals", f"notification of {bucket}"]
    )
    control_plane.changes.clear()
    assert notifications.ensure(on_aws.model_copy(update={"arrival_queue": url})) == (url, [])
    assert control_plane.changes == []
    made = attributes(control_plane, "retail-lake-arrivals")
    redrive = json.loads(made["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"] == f"{made['QueueArn']}-dead-letters" and int(redrive["maxReceiveCount"]) == 5
    (statement,) = json.loads(made["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"]["ArnEquals"] == {"aws:SourceArn": f"arn:aws:s3:::{bucket}"}
    assert control_plane.client("sqs").list_queue_tags(QueueUrl=url)["Tags"] == {"project": "retail-lake", "team": "data"}
    (told,) = control_plane.client("s3").get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert told["Events"] == ["s3:ObjectCreated:*"]
    assert told["Filter"]["Key"]["FilterRules"] == [{"Name": "prefix", "Value": "retail/"}]


def test_what_differs_is_set_right_and_other_notifications_stay(control_plane: Recorded, on_aws: Settings) -> None:
    bucket, s3, sqs = control_plane.named("landing"), control_plane.client("s3"), control_plane.client("sqs")
    other = sqs.create_queue(QueueName="others")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=other, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    theirs = {"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectRemoved:*"]}
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [theirs]})
    url, _ = notifications.ensure(on_aws)
    # Moto forgets a policy that is not set again.
    policy = attributes(control_plane, "retail-lake-arrivals")["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7", "Policy": policy})
    assert notifications.ensure(on_aws)[1] == ["retail-lake-arrivals: VisibilityTimeout"]
    assert attributes(control_plane, "retail-lake-arrivals")["VisibilityTimeout"] == "300"
    told = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert sorted(each["Id"] for each in told) == ["retail-lake-arrivals", "theirs"]


def test_a_folder_announces_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFailure, match="only arrivals in S3 are announced"):
        notifications.ensure(Settings(home=tmp_path))


def test_the_doctor_sees_what_is_missing(control_plane: Recorded, on_aws: Settings) -> None:
    def seen() -> list[tuple[str, str]]:
        return [(found.verdict, found.says) for found in examine(doctor.checks(settings, ""))]

    sqs = control_plane.client("sqs")
    url = sqs.create_queue(QueueName="retail-lake-arrivals")["QueueUrl"]
    settings = on_aws
    assert seen() == []
    settings = on_aws.model_copy(update={"arrival_queue": url})
    (queue, says), (announced, told) = seen()
    assert (queue, announced) == (Verdict.WARNING, Verdict.WARNING)
    assert "keeps what cannot be read" in says and "does not announce" in told
    notifications.ensure(settings)
    assert [verdict for verdict, _ in seen()] == [Verdict.OK, Verdict.OK]
    dead = sqs.get_queue_url(QueueName="retail-lake-arrivals-dead-letters")["QueueUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="poison")
    (queue, says), _ = seen()
    assert queue == Verdict.WARNING and "1 dead letters" in says
    settings = on_aws.model_copy(update={"arrival_queue": f"{url}-gone"})
    (queue, says), (announced, _) = seen()
    assert (queue, announced) == (Verdict.FAILED, Verdict.SKIPPED) and "there is no such queue" in says

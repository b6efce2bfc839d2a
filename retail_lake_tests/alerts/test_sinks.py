"""Notices on their way: to a real HTTP server as Slack takes them, to SNS and out of an SQS queue behind it, to the log."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from retail_lake.alerts.alert import Alert, Kind
from retail_lake.alerts.notice import Notice, notice
from retail_lake.alerts.redact import HIDDEN, redact
from retail_lake.alerts.sinks import open_sink
from retail_lake.config import Settings
from retail_lake.contract import Severity
from retail_lake.failure import ConfigurationFailure, Failure, TransientFailure
from retail_lake_tests.alerts.webhook import SECRET, Webhook
from retail_lake_tests.aws.server import Aws

NOW = datetime(2026, 3, 1, 7, tzinfo=UTC)


def made(resolved: bool = False, **more: Any) -> Notice:
    given: dict[str, Any] = {
        "key": "blocked/silver.sales", "kind": Kind.BLOCKED, "severity": Severity.CRITICAL, "owners": ("team:retail-data",),
        "title": "silver.sales is blocked on 2017-01-03", "happened": "The audit refused it: <!channel> a & b.",
        "blocks": "gold.fact_sales", "link": "http://127.0.0.1:3000/assets/silver/sales", "next_step": "Look at the quarantine.",
    }  # fmt: skip
    return notice(Alert(**{**given, **more}), NOW, resolved)


def test_a_webhook_is_told_what_happened_what_it_blocks_and_what_to_do(settings: Settings, webhook: Webhook) -> None:
    open_sink("webhook", settings).send(made())
    (text,) = webhook.texts
    assert text.splitlines() == [
        "*CRITICAL: silver.sales is blocked on 2017-01-03*",
        "*What happened:* The audit refused it: &lt;!channel&gt; a &amp; b.",
        "*It blocks:* gold.fact_sales",
        "*Next step:* Look at the quarantine.",
        "*Owner:* team:retail-data",
        "<http://127.0.0.1:3000/assets/silver/sales|Open it in Dagster>",
    ]
    open_sink("webhook", settings).send(made(resolved=True))
    assert webhook.texts[1].splitlines()[0] == "*RESOLVED: silver.sales is blocked on 2017-01-03*"
    assert "Open since:* 2026-03-01 07:00 UTC" in webhook.texts[1]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, TransientFailure), (429, TransientFailure), (404, ConfigurationFailure), (302, ConfigurationFailure)],
)
def test_a_webhook_that_refuses_says_so_without_its_address(
    settings: Settings, webhook: Webhook, status: int, kind: type[Failure]
) -> None:
    webhook.answers = [status]
    with pytest.raises(kind, match=f"RETAIL_LAKE_ALERT_WEBHOOK answered {status}") as refused:
        open_sink("webhook", settings).send(made())
    assert SECRET not in _all_words(refused.value)
    assert webhook.texts == []


def test_a_webhook_that_is_not_there_says_so_without_its_address(
    settings: Settings, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address, kind in (
        (f"http://127.0.0.1:1/services/{SECRET}", TransientFailure),
        (f"http://127.0.0.1:1/a b/{SECRET}\n", TransientFailure),
        (SECRET, ConfigurationFailure),
        (f"file:///etc/{SECRET}", ConfigurationFailure),
        ("", ConfigurationFailure),
    ):
        monkeypatch.setenv("RETAIL_LAKE_ALERT_WEBHOOK_CRM", address)
        with pytest.raises(kind, match="RETAIL_LAKE_ALERT_WEBHOOK_CRM") as refused:
            open_sink("webhook:CRM", settings).send(made())
        assert SECRET not in _all_words(refused.value)


def _all_words(error: BaseException | None) -> str:
    """What a log would show of an error, the errors behind it included."""
    said = ""
    while error is not None:
        said += f"{error!r} {error}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return said


@pytest.mark.parametrize("fifo", [False, True])
def test_a_topic_passes_notices_on_to_its_subscribers(aws: Aws, settings: Settings, fifo: bool) -> None:
    aws.reset()
    sns, sqs = aws.client("sns"), aws.client("sqs")
    name, attributes = ("alerts.fifo", {"FifoTopic": "true"}) if fifo else ("alerts", {})
    topic = sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]
    queue = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"} if fifo else {})["QueueUrl"]
    of_queue = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=of_queue,
        Attributes={"FilterPolicy": json.dumps({"severity": ["critical"], "owner": ["team:retail-data"]})},
    )  # fmt: skip
    sink = open_sink(f"sns:{topic}", settings)
    sink.send(made(title="größer\nas a subject may be " + "x" * 200))
    sink.send(made(resolved=True, key="other"))
    sink.send(made(severity=Severity.WARNING, key="warning"))
    sink.send(made(owners=("team:crm",), key="of others"))
    got = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    told = [json.loads(message["Body"]) for message in got]
    assert len(told) == 2, "subscribers filter by severity and owner"
    first, second = sorted(told, key=lambda m: m["MessageAttributes"]["state"]["Value"])
    assert first["Subject"].startswith("CRITICAL: gr??er as a subject may be xxx") and len(first["Subject"]) == 100
    assert "It blocks: gold.fact_sales" in first["Message"] and "Next step: Look at the quarantine." in first["Message"]
    assert second["Subject"].startswith("RESOLVED: silver.sales")
    assert json.loads(first["MessageAttributes"]["kind"]["Value"]) == ["day blocked"]


def test_a_topic_that_is_not_there_is_a_matter_of_configuration(aws: Aws, settings: Settings) -> None:
    aws.reset()
    with pytest.raises(ConfigurationFailure, match="publishing to arn:aws:sns:us-east-1:123456789012:nowhere"):
        open_sink("sns:arn:aws:sns:us-east-1:123456789012:nowhere", settings).send(made())


def test_the_log_has_levels(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    sink = open_sink("log", settings)
    for one in (made(), made(severity=Severity.WARNING), made(resolved=True)):
        sink.send(one)
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING", "INFO"]
    assert "What happened: The audit refused it" in caplog.records[0].message


SECRETS = {
    "key id": ("caller AKIAIOSFODNN7EXAMPLE is denied", "AKIAIOSFODNN7EXAMPLE"),
    "presigned": ("GET https://b.s3.amazonaws.com/k?X-Amz-Signature=0123abcd&X-Amz-Expires=60 gave 403", "0123abcd"),
    "session": ("...&X-Amz-Security-Token=IQoJb3Jp%2F&x=1", "IQoJb3Jp"),
    "database": ("cannot connect to postgresql://lake:hunter22@db.example.com/catalog", "hunter22"),
    "slack": ("POST https://hooks.slack.com/services/T0/B0/xyz failed", "T0/B0/xyz"),
    "named": ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG, region=x", "wJalrXUtnFEMI"),
    "json": ('{"password": "correct horse"}', "correct"),
    "bearer": ("Authorization: Bearer eyJhbGciOi.J9.abc", "eyJhbGciOi"),
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.values(), ids=SECRETS)
def test_secrets_do_not_leave_the_process(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert HIDDEN in redact(text)
    assert secret not in made(happened=text, title=text, blocks=text, next_step=text).text


def test_secrets_of_the_environment_do_not_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERP_DB_PASSWORD", "plain-looking-words")
    assert redact("ORA-01017: refused for erp/plain-looking-words") == f"ORA-01017: refused for erp/{HIDDEN}"


def test_what_is_no_secret_stays() -> None:
    said = "silver.sales of 2017-01-03: 6 of 12 rows break id__not_be_null; see s3://lake/silver, RETAIL_LAKE_BUDGET_PER_DAY is 5"
    assert redact(said) == said

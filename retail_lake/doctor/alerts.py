"""Whether alerts would arrive: each place that they go to is there, without a word being sent to it.

Belongs here: what can be asked of a topic and a webhook's address. Does not: sending, which
`retail-lake alerts --test` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from retail_lake.alerts.board import routes_of
from retail_lake.alerts.sinks import open_sink
from retail_lake.aws import client, code_of
from retail_lake.config import PREFIX, Settings
from retail_lake.doctor.check import Check, Doubt
from retail_lake.failure import ConfigurationFailure


def checks(settings: Settings, after: str) -> Iterator[Check]:
    """One check a place; a lake whose alerts go to its log alone has none to make."""
    for to in dict.fromkeys(route.to for route in routes_of(settings)):
        if to.startswith("webhook"):
            yield Check(f"alerts to {to.replace(':', ' ')}", partial(_webhook, settings, to))
        elif to.startswith("sns:"):
            yield Check("alerts to SNS", partial(_topic, settings, to.removeprefix("sns:")), "sns", after)


def _webhook(settings: Settings, to: str) -> str:
    open_sink(to, settings)
    return "its address is set; `retail-lake alerts --test` says whether it answers"


def _topic(settings: Settings, arn: str) -> str:
    sns = client("sns", settings.model_copy(update={"region": arn.split(":")[3]}))
    try:
        found = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    except sns.exceptions.ClientError as error:
        if code_of(error) in ("NotFound", "NotFoundException"):
            raise ConfigurationFailure(f"{PREFIX}ALERT_ROUTES: there is no topic {arn}; make it or name another") from None
        raise
    if not int(found.get("SubscriptionsConfirmed", 0)):
        raise Doubt(f"{arn} is there, and nobody has subscribed to it")
    return f"{arn} is there, with {found['SubscriptionsConfirmed']} subscriptions"

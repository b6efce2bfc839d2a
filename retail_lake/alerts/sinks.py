"""Where notices go: the log, a Slack-compatible webhook, an SNS topic.

Belongs here: sending one notice to one place. Does not: what is sent to whom (`route.py`, `board.py`). The address of a webhook
is a secret: it comes from the environment, and no message, log or failure shows it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from retail_lake.alerts.notice import Notice
from retail_lake.config import PREFIX, Settings
from retail_lake.contract import Severity
from retail_lake.failure import ConfigurationFailure, TransientFailure

WEBHOOK: Final = f"{PREFIX}ALERT_WEBHOOK"
_SECONDS: Final = 10
_SUBJECT: Final = 100
"""Characters that SNS allows a subject."""
_LATER: Final = frozenset({408, 425, 429})
"""What a webhook answers that may take the same notice later."""
_log: Final = logging.getLogger(__name__)


class Sink(Protocol):
    """A place that notices go to."""

    def send(self, notice: Notice) -> None:
        """Send one. Raises `TransientFailure` if it may go later, `ConfigurationFailure` if something must be set right first."""


def open_sink(to: str, settings: Settings, log: Callable[[int, str], None] | None = None) -> Sink:
    """The sink of a route. `log` takes a level and a text; by default it is Python's own. Raises `ConfigurationFailure`."""
    kind, _, which = to.partition(":")
    if kind == "log":
        return LogSink(log or _log.log)
    return SnsSink(which, settings) if kind == "sns" else WebhookSink(which)


class LogSink:
    """Notices as log messages: errors, warnings, and information about what is over."""

    def __init__(self, log: Callable[[int, str], None]) -> None:
        self._log = log

    def send(self, notice: Notice) -> None:
        """See `Sink`."""
        bad = logging.ERROR if notice.severity is Severity.CRITICAL else logging.WARNING
        self._log(logging.INFO if notice.resolved else bad, notice.text)


class SnsSink:
    """Notices to an SNS topic, as text for people, with attributes to filter subscriptions by."""

    def __init__(self, topic: str, settings: Settings) -> None:
        from retail_lake.aws import client

        self._topic = topic
        region = topic.split(":")[3]
        self._sns = client("sns", settings.model_copy(update={"region": region}))

    def send(self, notice: Notice) -> None:
        """See `Sink`."""
        from retail_lake.aws import refusals

        def text(value: str) -> dict[str, str]:
            return {"DataType": "String", "StringValue": value}

        def several(values: tuple[str, ...]) -> dict[str, str]:
            return {"DataType": "String.Array", "StringValue": json.dumps(values)}

        more: dict[str, Any] = {}
        if self._topic.endswith(".fifo"):
            said = f"{notice.key} {notice.opened_at.isoformat()} {notice.text}"
            more = {"MessageGroupId": _digest(notice.key), "MessageDeduplicationId": _digest(said)}
        with refusals(f"publishing to {self._topic}"):
            self._sns.publish(
                TopicArn=self._topic,
                # One line of ASCII, beginning with a letter or digit, is all that a subject may be.
                Subject=" ".join(notice.heading.encode("ascii", "replace").decode().split())[:_SUBJECT],
                Message=notice.text,
                MessageAttributes={
                    "severity": text(str(notice.severity)),
                    "state": text("resolved" if notice.resolved else "open"),
                    "kind": several(notice.kinds),
                    "owner": several(notice.owners),
                },
                **more,
            )


class WebhookSink:
    """Notices to a webhook that takes what Slack's takes: Slack, Mattermost, Rocket.Chat and their like."""

    def __init__(self, which: str) -> None:
        self._variable = f"{WEBHOOK}_{which}" if which else WEBHOOK
        self._address = os.environ.get(self._variable, "")
        if not self._address:
            raise ConfigurationFailure(f"{self._variable} is not set: the address of the webhook that alerts go to.")
        parts = urlsplit(self._address)
        if parts.scheme not in ("https", "http") or not parts.netloc:
            raise ConfigurationFailure(f"{self._variable} is not an address such as https://hooks.example.com/…")
        # A redirect would turn the message into a question, whose answer looks like success.
        self._opener = urllib.request.build_opener(_NoRedirect)

    def send(self, notice: Notice) -> None:
        """See `Sink`."""
        body = json.dumps({"text": _slack(notice)}).encode()
        request = urllib.request.Request(self._address, body, {"Content-Type": "application/json"})
        try:
            self._opener.open(request, timeout=_SECONDS).close()
        except urllib.error.HTTPError as error:
            error.close()
            said = f"the webhook of {self._variable} answered {error.code}"
            if error.code in _LATER or error.code >= 500:
                raise TransientFailure(said) from None
            raise ConfigurationFailure(f"{said}: is its address still right?") from None
        except (OSError, HTTPException, ValueError) as error:
            # Not chained, nor in its own words: they may hold the address.
            raise TransientFailure(f"the webhook of {self._variable} cannot be reached ({type(error).__name__})") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None: whoever answers so is not the webhook."""


def _slack(notice: Notice) -> str:
    lines = [f"*{_escaped(notice.heading)}*", *(f"*{name}:* {_escaped(said)}" for name, said in notice.lines)]
    return "\n".join([*lines, *([f"<{notice.link}|Open it in Dagster>"] if notice.link else [])])


def _escaped(text: str) -> str:
    """Text in which nothing is a mention, a link or a format of Slack's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

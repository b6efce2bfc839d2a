"""Routes: which alerts go where.

Belongs here: the setting and whom it matches. Does not: sending (`sinks.py`).
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, field_validator

from retail_lake.contract import Severity

if TYPE_CHECKING:
    from retail_lake.alerts.alert import Alert

_TO: Final = re.compile(r"log|webhook(:[A-Z][A-Z0-9_]*)?|sns:arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+(\.fifo)?")


class Route(BaseModel):
    """One way that alerts go: `to` is `log`, `webhook`, `webhook:NAME` or `sns:<ARN of the topic>`.

    `severity` is the least that goes this way; `owner` may have wildcards (`team:*`). The address of a webhook is a secret and
    no part of this: it is in the environment, as `RETAIL_LAKE_ALERT_WEBHOOK` or `RETAIL_LAKE_ALERT_WEBHOOK_<NAME>`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str
    severity: Severity = Severity.WARNING
    owner: str = "*"

    @field_validator("to")
    @classmethod
    def _known(cls, value: str) -> str:
        if not _TO.fullmatch(value):
            raise ValueError(
                "say log, webhook, webhook:NAME or sns:<ARN of a topic>; the address of a webhook is a secret and belongs in the"
                " environment, as RETAIL_LAKE_ALERT_WEBHOOK or RETAIL_LAKE_ALERT_WEBHOOK_<NAME>"
            )
        return value

    def takes(self, alert: Alert) -> bool:
        """Whether that alert goes this way."""
        severe = self.severity is Severity.WARNING or alert.severity is Severity.CRITICAL
        return severe and any(fnmatchcase(owner, self.owner) for owner in alert.owners)

"""Who deploys and how what is deployed is tagged.

Belongs here: tags and the account, which several services need alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from retail_lake.aws import client, refusals
from retail_lake.config import Settings

PROJECT: Final = "retail-lake"


def tags_of(settings: Settings) -> dict[str, str]:
    """The settings' tags and the project's own."""
    return {"project": PROJECT, **settings.tags}


def missing_tags(settings: Settings, found: Mapping[str, str]) -> dict[str, str]:
    """Those of our tags that a resource lacks or has otherwise; what somebody else put there stays."""
    return {key: value for key, value in tags_of(settings).items() if found.get(key) != value}


def account(settings: Settings) -> tuple[str, str]:
    """The partition (`aws`, `aws-cn`, …) and the number of the account that the credentials belong to."""
    with refusals("Asking AWS who we are"):
        arn = client("sts", settings).get_caller_identity()["Arn"].split(":")
    return arn[1], arn[4]

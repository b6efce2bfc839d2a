"""Which checks the settings call for, in the order in which they are best set right."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from retail_lake.aws import client
from retail_lake.config import REMOTE, Settings
from retail_lake.doctor import alerts, arrivals, buckets, engines, lake, machine, permissions, serving
from retail_lake.doctor.check import Check
from retail_lake.lake.catalog import is_glue

CREDENTIALS: Final = "credentials"


def all_checks(settings: Settings) -> Iterator[Check]:
    """Every check that the settings call for; a local lake is asked nothing about AWS."""
    yield from machine.checks(settings)
    after = ""
    if _on_aws(settings):
        after = CREDENTIALS
        yield Check(CREDENTIALS, partial(_who, settings), "sts")
    yield from buckets.checks(settings, after)
    yield from arrivals.checks(settings, after)
    yield from lake.checks(settings, after)
    yield from engines.checks(settings, after)
    yield from serving.checks(settings, after)
    yield from alerts.checks(settings, after)
    yield from permissions.checks(settings, after)


def _on_aws(settings: Settings) -> bool:
    """Whether anything but S3 is AWS's: a lake on another S3 server has credentials that AWS knows nothing of."""
    chosen = {settings.engine_ingest, settings.engine_transform, settings.engine_analytics, settings.engine_small}
    remote = bool(chosen & {*REMOTE}) or is_glue(settings.catalog_uri) or settings.warehouse == "redshift"
    return settings.profile == "aws" or remote


def _who(settings: Settings) -> str:
    return f"AWS knows the caller as {client('sts', settings).get_caller_identity()['Arn']}"

"""Lakes on the executing AWS, with this process as their user's.

Belongs here: what the tests of this room share. Does not: any expectation, or what an account holds (`aws/account.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from retail_lake.config import Settings, load_settings
from retail_lake.config import settings as cached
from retail_lake.cost import ledger
from retail_lake.cost.ledger import Used
from retail_lake.deploy.artifact import Built
from retail_lake_tests.aws.account import deploy, prepare
from retail_lake_tests.aws.server import Aws

OpenLake = Callable[..., AbstractContextManager[Settings]]
"""`(name, home, **settings)`: a lake of its own in the bucket, until the end of the block."""
_QUICK = {"poll_seconds": "0.2", "jobs_at_once": "2", "redshift_workgroup": "retail-lake"}


@contextmanager
def open_lake(aws: Aws, built: Built, name: str, home: Path, **more: str) -> Iterator[Settings]:
    """Everything that a lake on AWS needs, deployed to; the settings are read from this process's environment meanwhile.

    One at a time: the account is emptied first, because its Glue catalog has one database `silver`, whosever it is.
    """
    aws.reset()
    account = prepare(aws, home, name, **{**_QUICK, **more})
    deploy(aws, account, built)
    before = dict(os.environ)
    os.environ.update(account.environment)
    cached.cache_clear()
    try:
        yield load_settings()
    finally:
        os.environ.clear()
        os.environ.update(before)
        cached.cache_clear()


def used(settings: Settings) -> Mapping[str, list[Used]]:
    """What is on the books of a lake, by engine."""
    today = datetime.now(UTC).date()
    found: dict[str, list[Used]] = {}
    for entry in ledger.read(settings, today - timedelta(days=1), today):
        found.setdefault(entry.engine, []).append(entry)
    return found


def open_launches(aws: Aws, settings: Settings) -> int:
    """Launches that are on record as not ended."""
    bucket, _, prefix = settings.artifacts_uri.removeprefix("s3://").partition("/")
    listed = aws.client("s3").list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/launches/").get("Contents", [])
    # Without the object that stands for the folder.
    return len([found for found in listed if found["Key"].endswith(".json")])

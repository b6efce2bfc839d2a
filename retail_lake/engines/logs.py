"""The last lines of what a service has kept of a job's output.

Belongs here: reading the end of a log in CloudWatch or on S3. Does not: where a service keeps it.
"""

from __future__ import annotations

import gzip
from collections import deque
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Final

from retail_lake.aws import client, code_of
from retail_lake.config import Settings
from retail_lake.engines.control import Log
from retail_lake.storage import list_files, read_bytes

STREAMS: Final = ("stderr", "stdout")
APART: Final = timedelta(seconds=30)
"""How long after one stream the other may be copied, if there is one."""


def cloudwatch_tail(settings: Settings, group: str, stream: str, lines: int) -> list[str]:
    """The last lines of a log stream; none if there is no such stream."""
    from botocore.exceptions import ClientError

    try:
        found = client("logs", settings, attempts=2).get_log_events(
            logGroupName=group, logStreamName=stream, limit=lines, startFromHead=False
        )
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return []
        raise
    return "\n".join(event["message"].rstrip() for event in found["events"]).splitlines()[-lines:]


def s3_tail(settings: Settings, folder: str, lines: int) -> Log:
    """The last lines of a process's two streams, half of them of each, where a service copies both to a folder.

    Spark hands on what a Python program prints, errors and all, as output of its own: what it logs itself is in the other. They
    are copied one after the other, so that the second is waited for.
    """
    written = {file.key: file.modified for file in list_files(folder, settings)}
    copied = [f"{stream}.gz" for stream in STREAMS if f"{stream}.gz" in written]
    long_ago = datetime.now(UTC).replace(tzinfo=None) - APART
    arrived = len(copied) == len(STREAMS) or any(written[name] < long_ago for name in copied)
    return Log(tuple(line for name in copied for line in _end(settings, f"{folder}/{name}", lines // 2)), arrived)


def _end(settings: Settings, uri: str, lines: int) -> list[str]:
    with gzip.open(BytesIO(read_bytes(uri, settings))) as text:
        return [line.decode(errors="replace").rstrip() for line in deque(text, maxlen=lines)]

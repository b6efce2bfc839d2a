"""The last lines of what a service has kept of a job's output.

Belongs here: reading the end of a log in CloudWatch or on S3. Does not: where a service keeps it.
"""

from __future__ import annotations

import gzip
from collections import deque
from io import BytesIO
from typing import Final

from retail_lake.aws import client, code_of
from retail_lake.config import Settings
from retail_lake.engines.control import Log
from retail_lake.storage import read_bytes

STREAMS: Final = ("stderr", "stdout")


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

    Spark hands on what a Python program prints, errors and all, as output of its own: what it logs itself is in the other.
    """
    found = [_end(settings, f"{folder}/{stream}.gz", lines // 2) for stream in STREAMS]
    return Log(tuple(line for tail in found for line in tail or ()), arrived=any(tail is not None for tail in found))


def _end(settings: Settings, uri: str, lines: int) -> list[str] | None:
    try:
        data = read_bytes(uri, settings)
    except FileNotFoundError:
        return None
    with gzip.open(BytesIO(data)) as text:
        return [line.decode(errors="replace").rstrip() for line in deque(text, maxlen=lines)]

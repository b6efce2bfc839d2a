"""The last lines of what a service has kept of a job's output.

Belongs here: reading the end of a log in CloudWatch or on S3. Does not: where a service keeps it.
"""

from __future__ import annotations

import gzip
from collections import deque
from io import BytesIO

from retail_lake.aws import client, code_of
from retail_lake.config import Settings
from retail_lake.failure import Failure
from retail_lake.storage import read_bytes


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


def s3_tail(settings: Settings, uris: list[str], lines: int) -> list[str]:
    """The last lines of the first of these objects (`.gz`: compressed) that is there and has any."""
    for uri in uris:
        try:
            data = read_bytes(uri, settings)
        except (FileNotFoundError, Failure):
            continue
        with gzip.open(BytesIO(data)) if uri.endswith(".gz") else BytesIO(data) as text:
            tail = [line.decode(errors="replace").rstrip() for line in deque(text, maxlen=lines)]
        if tail:
            return tail
    return []

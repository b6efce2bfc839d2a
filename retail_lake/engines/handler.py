"""What the Lambda function runs: one job of the job program, in this process, on the local engine.

Belongs here: what a function has to heed besides: it may be called twice for one job, and it has so much memory. Does not:
calling it (`awslambda.py`) or running a job (`jobs/`). The function's image is made by `deploy/lambda_function.py`.

A job that is told to stop ends the process (`jobs/cancel.py`): Lambda reports that the runtime exited, and starts a fresh one for
the next call.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from retail_lake.aws import client, code_of, split_uri
from retail_lake.config import PREFIX, load_settings
from retail_lake.engines.control import OURS_AS_ARGUMENT
from retail_lake.jobs.__main__ import main
from retail_lake.storage import is_there

if TYPE_CHECKING:
    from retail_lake.config import Settings

ARGUMENTS: Final = "arguments"
"""The one key of the payload: the job program's arguments."""
REPORTED: Final = "reported"
RUNNING: Final = "running"
STATUS: Final = "status"
STARTED: Final = "started"
"""The object beside the report that says that a call for the job has begun."""
# What is left is Python's, and what DuckDB does not count.
_SHARE_OF_MEMORY: Final = 0.6
_CONFLICTS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


def handler(event: dict[str, Any], context: Any) -> dict[str, str]:
    """Run the job that the payload's arguments describe, unless another call has done so or is at it.

    `status` of the answer is `reported` when the report is there, `running` when another call is at work: whoever asks then
    looks for its report.
    """
    arguments = [str(argument) for argument in event[ARGUMENTS]]
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    _say_what_it_is_of(given)
    if memory := getattr(context, "memory_limit_in_mb", 0):
        os.environ.setdefault(f"{PREFIX}MEMORY_LIMIT", f"{int(int(memory) * _SHARE_OF_MEMORY)}MB")
    settings = load_settings(region=given["--region"], **_endpoint(given))
    report = given["--report"]
    if is_there(report, settings):
        return {STATUS: REPORTED}
    if not _first(f"{report.rpartition('/')[0]}/{STARTED}", settings):
        return {STATUS: RUNNING}
    main(arguments)
    return {STATUS: REPORTED}


def _say_what_it_is_of(given: dict[str, str]) -> None:
    """One line of JSON with run, table, days and token: a call has no tags, and its log is found by these."""
    about = {name.removeprefix(OURS_AS_ARGUMENT): value for name, value in given.items() if name.startswith(OURS_AS_ARGUMENT)}
    if about:
        sys.stdout.write(f"{json.dumps(about)}\n")
        sys.stdout.flush()


def _endpoint(given: dict[str, str]) -> dict[str, str]:
    return {"s3_endpoint": given["--s3-endpoint"]} if "--s3-endpoint" in given else {}


def _first(uri: str, settings: Settings) -> bool:
    """Whether nobody has put that object there before: S3 lets one writer through."""
    from botocore.exceptions import ClientError

    bucket, key = split_uri(uri)
    try:
        client("s3", settings).put_object(Bucket=bucket, Key=key, Body=b"", IfNoneMatch="*")
    except ClientError as error:
        if code_of(error) in _CONFLICTS:
            return False
        raise
    return True

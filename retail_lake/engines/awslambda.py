"""The `awslambda` engine's service: calls of one Lambda function, each the length of its job.

Belongs here: calling, and what can be known of a call. Does not: what the function does (`handler.py`), or how long to wait
and what a failure means (`remote.py`).

A call has no id until it ends and cannot be cancelled, so that a job's token is its remote id, and what is known of it is what is
on S3: `started`, the report, and `cancel`, which the job looks for. An answer that gets lost loses nothing but the usage.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from retail_lake.aws import client
from retail_lake.config import EngineName, Settings
from retail_lake.engines import launches
from retail_lake.engines.control import OURS_AS_ARGUMENT, Launch, Log, State, Status
from retail_lake.engines.handler import ARGUMENTS, REPORTED, STARTED
from retail_lake.engines.handler import STATUS as ANSWERED
from retail_lake.engines.sizing import LAMBDA_SECONDS
from retail_lake.storage import list_files, write_bytes

REFUSED_WITHIN: Final = 1.0
"""Seconds in which Lambda refuses a call that it does not take."""
ANSWER_SECONDS: Final = 20.0
"""How long after its report a job's call may take to be answered."""
BEGIN_SECONDS: Final = 120
"""How long a call may take to begin: a fresh container is fetched and started first."""
_MARGIN: Final = 30
_REPORTED: Final = "report.json"
_DESCRIBED: Final = "description.json"
_CANCEL: Final = "cancel"
_REPORT: Final = re.compile(r"Billed Duration: (\d+(?:\.\d+)?) ms\s+Memory Size: (\d+) MB")


class AwsLambda:
    """See `Control`. Threads may share one."""

    name: EngineName = "awslambda"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._calls: dict[str, _Call] = {}

    @cached_property
    def _lambda(self) -> Any:
        # A call that is sent again is another one: what was lost is found by its report.
        return client("lambda", self.settings, read_timeout=LAMBDA_SECONDS + _MARGIN, attempts=1)

    def submit(self, launch: Launch) -> str:
        """See `Control`. The call goes on in a thread; one that Lambda refuses raises here."""
        # A call has no tags: the function says in its log what it is of.
        about = (part for name, value in launch.about.items() for part in (f"{OURS_AS_ARGUMENT}{name}", value))
        call = _Call(self._lambda, self.settings.lambda_function, [*launch.arguments, *about])
        self._calls[launch.token] = call
        call.ended.wait(REFUSED_WITHIN)
        if call.error is not None:
            raise call.error
        return launch.token

    def find(self, token: str) -> str | None:
        """See `Control`. A call that has begun has left word of it."""
        call = self._calls.get(token)
        going_on = call is not None and call.error is None
        return token if going_on or {STARTED, _REPORTED} & self._left(token).keys() else None

    def status(self, remote_id: str) -> Status:
        """See `Control`. Of a call that another process made, or whose answer was lost, S3 says what it can."""
        call = self._calls.get(remote_id)
        if call is not None and call.ended.is_set() and not call.lost:
            return call.status
        left = self._left(remote_id)
        if _REPORTED in left:
            if call is not None and call.ended.wait(ANSWER_SECONDS) and not call.lost:
                return call.status
            return Status(State.SUCCEEDED, "its call was not answered: what it used is not known", {"requests": 1})
        if call is not None and not call.ended.is_set():
            return Status(State.RUNNING)
        return _by_traces(left)

    def cancel(self, remote_id: str) -> None:
        """See `Control`. The job looks for it every two seconds."""
        write_bytes(launches.cancel_marker(self.settings, remote_id), b"", self.settings)

    def console(self, remote_id: str) -> str:
        """See `Control`. A call has no page of its own."""
        region, function = self.settings.region, quote(self.settings.lambda_function, safe="")
        return f"https://{region}.console.aws.amazon.com/lambda/home?region={region}#/functions/{function}?tab=monitoring"

    def log_tail(self, remote_id: str, lines: int = 30) -> Log:
        """See `Control`. Lambda hands over the last 4 KB with its answer."""
        call = self._calls.get(remote_id)
        return Log(tuple(call.log[-lines:]) if call is not None else ())

    def _left(self, token: str) -> dict[str, datetime]:
        """What is in a job's folder, with when it was written."""
        stored = list_files(launches.folder(self.settings, token), self.settings)
        return {each.key: each.modified.replace(tzinfo=UTC) for each in stored}


def _by_traces(left: dict[str, datetime]) -> Status:
    """Where a job without a report stands when there is nobody to ask."""
    ages = {name: (datetime.now(UTC) - written).total_seconds() for name, written in left.items()}
    if STARTED not in ages:
        waiting = ages.get(_DESCRIBED, BEGIN_SECONDS) < BEGIN_SECONDS and _CANCEL not in ages
        return Status(State.WAITING) if waiting else Status(State.FAILED, "the function never began")
    if ages[STARTED] > LAMBDA_SECONDS + _MARGIN:
        return Status(State.TIMED_OUT, f"no report after {LAMBDA_SECONDS} seconds, the most that Lambda gives", {"requests": 1})
    return Status(State.RUNNING)


class _Call:
    """One call of the function, in a thread that does not keep the process alive. `ended` is set last."""

    def __init__(self, service: Any, function: str, arguments: list[str]) -> None:
        self.ended = threading.Event()
        self.error: Exception | None = None
        self.status = Status(State.RUNNING)
        self.log: list[str] = []
        self.lost = False
        """Whether the answer does not say what became of the job."""
        payload = json.dumps({ARGUMENTS: arguments}).encode()
        threading.Thread(target=self._run, args=(service, function, payload), name="lambda", daemon=True).start()

    def _run(self, service: Any, function: str, payload: bytes) -> None:
        from botocore.exceptions import ClientError

        began = time.monotonic()
        try:
            answer = service.invoke(FunctionName=function, InvocationType="RequestResponse", LogType="Tail", Payload=payload)
            self._take(answer, answer["Payload"].read())
        except ClientError as error:
            self.error, self.status = error, Status(State.FAILED, str(error))
        except Exception as error:
            # The connection: whether Lambda has got the call shows on S3.
            self.lost = True
            self.error = error if time.monotonic() - began < REFUSED_WITHIN else None
        finally:
            self.ended.set()

    def _take(self, answer: dict[str, Any], payload: bytes) -> None:
        self.log = base64.b64decode(answer.get("LogResult") or "").decode(errors="replace").splitlines()
        usage: dict[str, float] = {"requests": 1}
        if found := _REPORT.search("\n".join(self.log)):
            usage["gb_seconds"] = float(found[1]) / 1000 * int(found[2]) / 1024
        said = json.loads(payload or b"null")
        if answer.get("FunctionError"):
            told = said if isinstance(said, dict) else {}
            reason = f"{told.get('errorType', '')} {told.get('errorMessage', said)}".strip()
            self.status = Status(State.FAILED, reason, usage, datetime.now(UTC))
        elif isinstance(said, dict) and said.get(ANSWERED) == REPORTED:
            self.status = Status(State.SUCCEEDED, "", usage, datetime.now(UTC))
        else:
            self.lost = True

"""Lambda: an invocation runs the function's real handler, by Lambda's own runtime client, in a process of its own.

Belongs here: invocations, their limits and words; functions are moto's. Does not: the runtime interface that the process
talks to (`lambda_runtime_api.py`). Every start is a cold one.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction, lambda_backends
from werkzeug.wrappers import Response

from retail_lake_tests.aws.faults import JobFault
from retail_lake_tests.aws.job import End, Job, Unstartable
from retail_lake_tests.aws.lambda_images import Image
from retail_lake_tests.aws.lambda_runtime_api import Answer, RuntimeApi
from retail_lake_tests.aws.processes import Program
from retail_lake_tests.aws.service import ACCOUNT, REGION, AwsError, Call, Service

_MOST_BYTES = {"RequestResponse": 6_291_456, "Event": 1_048_576}
_LOG_BYTES = 4096


@dataclass
class _Invocation:
    id: str
    function: LambdaFunction
    payload: bytes
    api: RuntimeApi
    job: Job | None = None

    def result(self) -> tuple[Answer, str]:
        """The answer, and what was printed; waits for it."""
        assert self.job is not None
        answered = self.api.wait(lambda: self.job is not None and self.job.outcome is not None)
        self.job.cancel()
        outcome = self.job.wait(30)
        self.api.close()
        log = self.job.text("stdout") + self.job.text("stderr")
        if answered is not None:
            return answered, log
        said, kind = f"Runtime exited with error: exit status {outcome.status}", "Runtime.ExitError"
        match outcome.end:
            case End.TIMED_OUT:
                said, kind = f"Task timed out after {self.job.timeout:.2f} seconds", "Sandbox.Timedout"
            case End.OUT_OF_MEMORY:
                said, kind = "Runtime exited with error: signal: killed", "Runtime.OutOfMemory"
            case End.KILLED:
                said = "Runtime exited with error: signal: killed"
            case End.UNSTARTABLE:
                said, kind = outcome.message, "Runtime.InvalidEntrypoint"
            case End.EXITED if outcome.status == 0:
                said = "Runtime exited without providing a reason"
        error = {"errorType": kind, "errorMessage": f"RequestId: {self.id} Error: {said}"}
        return Answer(json.dumps(error).encode(), "Unhandled"), log


class Lambda(Service):
    """Invocations of functions that moto knows and whose image was pushed here."""

    name = "lambda"

    def __init__(self) -> None:
        self._images: dict[str, Image] = {}
        self._running: list[_Invocation] = []
        self._lock = threading.Lock()

    def push(self, uri: str, image: Image) -> None:
        """Put an image where a function's `ImageUri` finds it, as a container registry would have it."""
        self._images[uri] = image

    def reset(self) -> None:
        """See `Service`. What was pushed stays."""
        with self._lock:
            self._running.clear()

    def invoke(self, params: dict[str, Any], call: Call) -> Response:
        """Runs the handler: now (RequestResponse), later (Event) or not at all (DryRun)."""
        function = self._function(params["FunctionName"])
        kind, payload = params.get("InvocationType", "RequestResponse"), params.get("Payload") or b"{}"
        if kind == "DryRun":
            return Response(status=204)
        if len(payload) > _MOST_BYTES[kind]:
            raise AwsError(
                "RequestTooLargeException",
                f"Request must be smaller than {_MOST_BYTES[kind]} bytes for the InvokeFunction operation",
                413,
            )
        try:
            json.loads(payload)
        except ValueError as error:
            raise AwsError("InvalidRequestContentException", f"Could not parse request body into json: {error}") from None
        invocation = self._start(function, payload, params)
        if kind == "Event":
            threading.Thread(target=self._finish, args=(invocation,), daemon=True).start()
            return Response(status=202)
        answer, log = self._finish(invocation)
        headers = {"X-Amz-Executed-Version": "$LATEST", "x-amzn-RequestId": invocation.id}
        if params.get("LogType") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(log.encode()[-_LOG_BYTES:]).decode()
        if answer.error:
            headers["X-Amz-Function-Error"] = answer.error
        return Response(answer.body, 200, headers, content_type="application/json")

    def _function(self, name: str) -> LambdaFunction:
        try:
            return lambda_backends[ACCOUNT][REGION].get_function(name)
        except Exception:
            arn = name if name.startswith("arn:") else f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
            raise AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404) from None

    def _start(self, function: LambdaFunction, payload: bytes, params: dict[str, Any]) -> _Invocation:
        with self._lock:
            self._running = [i for i in self._running if i.job and i.job.outcome is None]
            limit = function.reserved_concurrency
            if limit is not None and len([i for i in self._running if i.function is function]) >= int(limit):
                raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
            invocation_id = str(uuid.uuid4())
            api = RuntimeApi(invocation_id, payload, function.timeout, function.function_arn)
            invocation = _Invocation(invocation_id, function, payload, api)
            invocation.job = self.aws.runtime.run(
                self.name,
                f"{function.function_name}-{invocation_id}",
                params,
                lambda folder: self._prepare(invocation, folder),
                timeout=function.timeout,
            )
            self._running.append(invocation)
        if invocation.job.fault is not None and invocation.job.fault.job is JobFault.CAPACITY:
            invocation.job.wait(10)
            api.close()
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
        return invocation

    def _prepare(self, invocation: _Invocation, folder: Path) -> Program:
        function, runtime = invocation.function, self.aws.runtime
        image = self._images.get(function.code.get("ImageUri", ""))
        if image is None:
            raise Unstartable(f"there is no image {function.code.get('ImageUri')}")
        python = image.python or runtime.environments.wheels(list(image.wheels), ["--no-index"])
        # Lambda's /tmp is the function's own.
        variables = {**image.environment, **function.environment_vars}
        own = {name: re.sub("^/tmp(?=/|$)", str(folder / "tmp"), value) for name, value in variables.items()}
        handler = (function.image_config.cmd or [image.handler])[0]
        environment = {
            **runtime.variables,
            **own,
            "AWS_LAMBDA_RUNTIME_API": invocation.api.address,
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
            "LAMBDA_TASK_ROOT": str(folder),
            "TZ": ":UTC",
            "_HANDLER": handler,
            "PYTHONPATH": str(_client(folder)),
        }
        return Program((str(python), "-m", "awslambdaric", handler), folder, environment)

    def _finish(self, invocation: _Invocation) -> tuple[Answer, str]:
        """Wait for the end of an invocation and keep its log, framed as Lambda does."""
        answer, printed = invocation.result()
        job, function = invocation.job, invocation.function
        assert job is not None
        milliseconds = job.seconds * 1000
        log = (
            f"START RequestId: {invocation.id} Version: $LATEST\n{printed.rstrip()}\nEND RequestId: {invocation.id}\n"
            f"REPORT RequestId: {invocation.id}\tDuration: {milliseconds:.2f} ms\tBilled Duration: {-(-milliseconds // 1):.0f} ms"
            f"\tMemory Size: {function.memory_size} MB\tMax Memory Used: {function.memory_size // 2} MB\t\n"
        )
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{invocation.id.replace('-', '')}"
        self.aws.runtime.log(function.logs_group_name, stream, log.encode())
        return answer, log


def _client(folder: Path) -> Path:
    """A folder with Lambda's runtime client and what it needs: the base image's, not the artifact's."""
    target = folder / "runtime"
    target.mkdir(exist_ok=True)
    for name in ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py"):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise Unstartable(f"the image has no {name}: install retail-lake[test]")
        origin = Path(found.origin)
        origin = origin.parent if origin.name == "__init__.py" else origin
        (target / origin.name).symlink_to(origin)
    return target

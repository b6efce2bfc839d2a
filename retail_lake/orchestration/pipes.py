"""A run's ear for its remote jobs: one Dagster Pipes session per job, through S3.

Belongs here: what is said on the way. Does not: what comes of the job, which is the object it leaves (`engines/remote.py`),
or the job's own side (`jobs/__main__.py`).
"""

from __future__ import annotations

import json
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

import dagster as dg
from dagster_aws.pipes import PipesS3ContextInjector, PipesS3MessageReader

from retail_lake.aws import client, refusals

if TYPE_CHECKING:
    from dagster._core.pipes.context import PipesMessageHandler

    from retail_lake.config import Settings

LISTEN_SECONDS: Final = 2.0
KEPT: Final = 30
"""Lines of a job's output that a failure may show."""
SHOWN: Final = 20_000
"""Characters of a job's output that one event shows; of more that came at once, the last ones."""


@dataclass(frozen=True)
class _Reporting:
    """See `engines.control.Reporting`."""

    arguments: tuple[str, ...]
    messages: _Messages

    def last_lines(self) -> Sequence[str]:
        """See `Reporting`."""
        return self.messages.last_lines()


class PipesChannel:
    """See `engines.control.Channel`: what a job prints goes to the run's log. Threads may share one; a session is of one job."""

    def __init__(self, context: dg.AssetExecutionContext, settings: Settings) -> None:
        self.settings = settings
        self._context = _Step(context)

    @cached_property
    def _s3(self) -> Any:
        return client("s3", self.settings)

    @contextmanager
    def open(self, launch_name: str, token: str) -> Iterator[_Reporting]:
        """See `Channel.open`. All of a session's objects are below `<artifacts>/jobs/<token>/pipes/` and go at its end.

        Raises a `Failure` if S3 does not take the first of them.
        """
        bucket, _, above = self.settings.artifacts_uri.removeprefix("s3://").partition("/")
        folder = f"{above}/jobs/{token}/pipes".lstrip("/")

        def heard(said: str) -> None:
            self._context.log.info(said if said.startswith(launch_name) else f"{launch_name}: {said}")

        messages = _Messages(bucket, self._s3, folder, heard)
        session = dg.open_pipes_session(
            self._context,  # type: ignore[arg-type]
            _Context(bucket=bucket, client=self._s3, key_prefix=folder),
            messages,
        )
        try:
            with session as opened:
                given = opened.get_bootstrap_cli_arguments()
                yield _Reporting(tuple(part for pair in given.items() for part in pair), messages)
        finally:
            self._clear(bucket, folder)

    def _clear(self, bucket: str, folder: str) -> None:
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/"):
                if found := [{"Key": each["Key"]} for each in page.get("Contents", ())]:
                    self._s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
        except Exception as error:
            # What is left costs nothing and disturbs nobody; the job's end must not depend on it.
            self._context.log.warning(f"s3://{bucket}/{folder} is left over: {error}")


class _Step:
    """The step's context as a Pipes session sees it: without assets or days.

    The job has its own description of what to build, and the step tells Dagster itself what came of it; a session of a step
    with assets would ask it to yield one result for each. It would also look up what is known of each, every time.
    """

    has_assets_def = False
    has_partition_key = False

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._context = context.op_execution_context

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class _Context(PipesS3ContextInjector):
    """The session's first object, where the session's other objects are."""

    @contextmanager
    def inject_context(self, context: Any) -> Iterator[dict[str, Any]]:
        """See `PipesContextInjector`; the channel deletes it."""
        key = f"{self.key_prefix}/context.json"
        with refusals(f"opening a Pipes session at s3://{self.bucket}/{key}"):
            self.client.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(context).encode())
        yield {"bucket": self.bucket, "key": key}


class _Messages(PipesS3MessageReader):
    """The messages of one job, with what it prints among them.

    Dagster's own reader waits eleven seconds for a job that was lost, and shows what jobs print as the run's own output, where
    several at once cannot be told apart. A job that its service says has ended has written all it ever will: one last look
    is enough.
    """

    def __init__(self, bucket: str, s3: Any, folder: str, heard: Callable[[str], None]) -> None:
        super().__init__(bucket=bucket, client=s3, include_stdio_in_messages=True)
        self._folder = folder
        self._heard = heard
        self._begun: dict[str, str] = {}
        self._last: deque[str] = deque(maxlen=KEPT)
        self._looking = threading.Lock()
        self._look: Callable[[], None] = lambda: None

    def last_lines(self) -> list[str]:
        """The last lines that were printed, up to now."""
        self._look()
        with self._looking:
            return [*self._last, *(begun for begun in self._begun.values() if begun.strip())]

    @property
    def expected_writer_count(self) -> int:
        """The one job. Said here, because the base's own is a preview that warns in every session."""
        return 1

    @contextmanager
    def get_params(self) -> Iterator[dict[str, Any]]:
        """What the job's writer is told."""
        with super().get_params() as params:
            yield {**params, "key_prefix": self._folder}

    @contextmanager
    def read_messages(self, handler: PipesMessageHandler) -> Iterator[dict[str, Any]]:
        """Listen until the end of the block."""
        ended = threading.Event()
        with self.get_params() as params:
            self._look = partial(self._take_new, handler, params)
            listener = threading.Thread(target=self._listen, args=(ended,), name="pipes", daemon=True)
            listener.start()
            try:
                yield params
            finally:
                ended.set()
                listener.join()

    def _listen(self, ended: threading.Event) -> None:
        last = False
        while not last:
            last = ended.wait(LISTEN_SECONDS)
            self._look()
        if rest := "\n".join(self._begun.values()).strip():
            self._heard(rest)

    def _take_new(self, handler: PipesMessageHandler, params: dict[str, Any]) -> None:
        with self._looking:
            try:
                while chunk := self.download_messages_chunk(self.counter, params):
                    self.counter += 1
                    self._take(handler, chunk)
            except Exception:
                # A connection lost is one that the next look may have again; anything else is worth knowing, and no more.
                handler.report_pipes_framework_exception(f"{type(self).__name__} {self._folder}", sys.exc_info())

    def _take(self, handler: PipesMessageHandler, chunk: str) -> None:
        printed = []
        for line in chunk.splitlines():
            message = json.loads(line)
            if message["method"] == "log_external_stream":
                printed.append(self._lines(message["params"]["stream"], message["params"]["text"]))
            else:
                handler.handle_message(message)
        if said := "".join(printed).strip():
            left_out = f"(… {len(said) - SHOWN:,} characters) " if len(said) > SHOWN else ""
            self._heard(f"{left_out}{said[-SHOWN:]}")

    def _lines(self, stream: str, text: str) -> str:
        """The lines that are whole now; what has only begun waits for its rest."""
        whole, _, begun = (self._begun.get(stream, "") + text).rpartition("\n")
        self._begun[stream] = begun
        self._last.extend(whole.splitlines())
        return f"{whole}\n" if whole else ""

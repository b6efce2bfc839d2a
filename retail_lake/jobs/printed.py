"""What a job prints, on its way to Dagster: each stream goes where it went before, and to the run's log as well.

Belongs here: listening to a process's own output. Does not: when a job is listened to (`__main__.py`), or who hears it
(`orchestration/pipes.py`).

The library's own capture gives another process a second for each stream to keep up and then ends it: three seconds of a
worker's time per stream and job, and what was not read by then is lost. A pipe that has been closed has been read to its end.
"""

from __future__ import annotations

import codecs
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import dagster_pipes as dp

_CHUNK: Final = 65_536
_LAST_WORDS: Final = 1.0
"""Seconds that a child of the job, which has the stream too, is given to end it."""


class _Stream(dp.PipesDefaultLogWriterChannel):
    """One of the process's two streams, children's output included."""

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Listen until the end of the block."""
        shown = self.stdio.fileno()
        before = os.dup(shown)
        reading, writing = os.pipe()
        listener = threading.Thread(target=self._pass_on, args=(reading, before), name=self.name, daemon=True)
        self.stdio.flush()
        os.dup2(writing, shown)
        os.close(writing)
        listener.start()
        try:
            yield
        finally:
            self.stdio.flush()
            os.dup2(before, shown)
            listener.join(_LAST_WORDS)

    def _pass_on(self, reading: int, shown: int) -> None:
        text = codecs.getincrementaldecoder("utf-8")("replace")
        while chunk := os.read(reading, _CHUNK):
            os.write(shown, chunk)
            if said := text.decode(chunk):
                self.write_chunk(said)


class _Streams(dp.PipesDefaultLogWriter):
    def make_channel(self, params: Any, stream: Any) -> _Stream:
        """See `PipesStdioLogWriter`."""
        return _Stream(self.message_channel, stream, name=stream, interval=self.interval)


class MessageWriter(dp.PipesS3MessageWriter):
    """Messages by way of S3, with what is printed among them."""

    @contextmanager
    def open(self, params: Any) -> Iterator[Any]:
        """See `PipesMessageWriter`."""
        channel = self.make_channel(params)
        with channel.buffered_upload_loop(), _Streams(channel).open({}):
            yield channel

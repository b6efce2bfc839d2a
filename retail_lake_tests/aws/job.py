"""A job that a service accepted, from there to its end: prepared, started, watched, and disturbed where a test ordered that.

Belongs here: what is the same for every service that runs jobs. Does not: states and words of a service (`glue.py`,
`emr_serverless.py`, `emr.py`), what a job runs in (`environments.py`).
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

from retail_lake_tests.aws.faults import JobFault, Order
from retail_lake_tests.aws.processes import Process, Program

_POLL = 0.1
_FAILING = "raise RuntimeError('the test ordered this job to fail')"


class Unstartable(Exception):
    """The job cannot be started as it is described: an object that is not there, a dependency that does not install."""


class Phase(Enum):
    """How far a job is."""

    WAITING = auto()
    PREPARING = auto()
    RUNNING = auto()
    ENDED = auto()


class End(Enum):
    """How a job ended."""

    EXITED = auto()
    KILLED = auto()
    CANCELLED = auto()
    TIMED_OUT = auto()
    NO_CAPACITY = auto()
    OUT_OF_MEMORY = auto()
    UNSTARTABLE = auto()


@dataclass(frozen=True)
class Outcome:
    """How it ended, with the exit status where there is one, and the last thing it had to say."""

    end: End
    status: int | None = None
    message: str = ""

    @property
    def success(self) -> bool:
        """Whether the service calls it one."""
        return self.end is End.EXITED and self.status == 0


class Job:
    """One job. `prepare` builds what it runs in, from the deployed artifact alone, and says what to start; it may take long.

    `folder` is the job's own. `timeout` is in seconds. `heard` is told what the program prints while it runs: the stream
    (`stdout`, `stderr`) and the new bytes. Times are of `time.time()`; `started` is when the program was.
    """

    def __init__(
        self,
        folder: Path,
        prepare: Callable[[Path], Program],
        *,
        timeout: float,
        fault: Order | None = None,
        heard: Callable[[str, bytes], None] | None = None,
        ended: Callable[[Job], None] | None = None,
    ) -> None:
        self.folder, self.timeout, self.fault = folder, timeout, fault
        self.phase, self.outcome = Phase.WAITING, None
        self.created, self.started, self.completed = time.time(), 0.0, 0.0
        self.process: Process | None = None
        self.cancelling = False
        self._prepare, self._heard, self._on_end = prepare, heard or (lambda stream, data: None), ended
        self._read: dict[str, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._live, name=f"job {folder.name}", daemon=True)

    outcome: Outcome | None

    def start(self) -> None:
        """Let it begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Stop it; returns at once. One that has ended stays as it is."""
        self.cancelling = True
        if self.phase is Phase.WAITING and not self._thread.is_alive():
            self._end(Outcome(End.CANCELLED))

    def resume(self) -> None:
        """Let a hanging job go on."""
        if self.process is not None:
            self.process.resume()

    def wait(self, seconds: float = 120) -> Outcome:
        """Its outcome. Raises TimeoutError if it has none after so many seconds."""
        if not self._done.wait(seconds) or self.outcome is None:
            raise TimeoutError(f"{self.folder.name} still runs after {seconds} s")
        return self.outcome

    def text(self, stream: str) -> str:
        """What the program has printed so far to `stdout` or `stderr`."""
        file = self.folder / stream
        return file.read_text(errors="replace") if file.exists() else ""

    @property
    def seconds(self) -> float:
        """How long the program has run."""
        return (self.completed or time.time()) - self.started if self.started else 0.0

    def _live(self) -> None:
        try:
            outcome = self._run()
        except Unstartable as error:
            self._note(str(error))
            outcome = Outcome(End.UNSTARTABLE, 1, str(error))
        except Exception:
            # A fault of this AWS must not look like a job that never ends.
            self._note(traceback.format_exc())
            outcome = Outcome(End.UNSTARTABLE, 1, f"the test AWS failed: {traceback.format_exc()}")
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        self.completed = time.time()
        self.outcome, self.phase = outcome, Phase.ENDED
        try:
            if self._on_end is not None:
                self._on_end(self)
        finally:
            self._done.set()

    def _note(self, text: str) -> None:
        with (self.folder / "stderr").open("a") as file:
            file.write(f"{text}\n")
        self._listen()

    def _run(self) -> Outcome:
        self.phase = Phase.PREPARING
        fault = self.fault.job if self.fault else None
        if fault is JobFault.CAPACITY:
            return Outcome(End.NO_CAPACITY)
        program = self._prepare(self.folder)
        if self.cancelling:
            return Outcome(End.CANCELLED)
        if fault in (JobFault.FAILS, JobFault.SILENT):
            instead = _FAILING if fault is JobFault.FAILS else "pass"
            program = Program((sys.executable, "-c", instead), program.folder, program.environment)
        self.process = Process(program)
        self.started, self.phase = time.time(), Phase.RUNNING
        try:
            return self._watch(self.process, fault)
        finally:
            self.process.kill()
            self._listen()

    def _watch(self, process: Process, fault: JobFault | None) -> Outcome:
        disturbing = fault in (JobFault.HANGS, JobFault.OUT_OF_MEMORY, JobFault.DRIVER_LOST, JobFault.SILENT_AFTER)
        while True:
            if disturbing and self._disturbed():
                disturbing = False
                if fault is not JobFault.HANGS:
                    process.kill()
                    ends = {
                        JobFault.OUT_OF_MEMORY: Outcome(End.OUT_OF_MEMORY, 137),
                        JobFault.SILENT_AFTER: Outcome(End.EXITED, 0),
                    }
                    return ends.get(fault, Outcome(End.KILLED, 137)) if fault else Outcome(End.KILLED, 137)
                process.stop()
            status = process.wait(_POLL)
            self._listen()
            if status is not None:
                last = (self.text("stderr").strip().splitlines() or [""])[-1]
                return Outcome(End.KILLED if status < 0 else End.EXITED, status if status >= 0 else 128 - status, last)
            if self.cancelling:
                process.kill()
                return Outcome(End.CANCELLED)
            if self.seconds > self.timeout:
                process.kill()
                return Outcome(End.TIMED_OUT)

    def _disturbed(self) -> bool:
        order = self.fault
        return order is not None and (order.when is None or order.when())

    def _listen(self) -> None:
        """Hand on what was printed since the last time."""
        for stream in ("stdout", "stderr"):
            file = self.folder / stream
            if not file.exists():
                continue
            with file.open("rb") as opened:
                opened.seek(self._read.get(stream, 0))
                data = opened.read()
            if data:
                self._read[stream] = self._read.get(stream, 0) + len(data)
                self._heard(stream, data)

"""A run of the flow in a process of its own, that can be killed, and says as it goes what it builds.

Belongs here: starting, hearing and ending it. Does not: what happens to it (`kinds/`).

The libraries are loaded once, in a server from which each run's process is forked: a run then begins in a second, not in five.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Final

LIMIT: Final = 300
"""Seconds after which a run is taken to hang: far more than any needs."""
PRELOADED: Final = ("retail_lake_tests.faults.preloaded",)


@dataclass(frozen=True)
class Asked:
    """What a run is to build: tables (None: all), from a first to a last day, and how."""

    first: date
    last: date
    tables: Sequence[str] | None = None
    force: bool = False
    clock: float = 0
    """Seconds by which its clock is wrong."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code (None: it said nothing, negative: killed), and what it said was wrong."""

    code: int | None
    problems: str
    built: int
    """Tables that it began to build."""

    @property
    def well(self) -> bool:
        """Everything it was asked for is there."""
        return self.code == 0


def forks() -> ForkServerContext:
    """Where processes come from, with the libraries loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    return context


class Run:
    """A run that goes on. Whoever wants to disturb it waits until it has `begun` so many tables."""

    def __init__(self, environment: Mapping[str, str], asked: Asked, log: Path) -> None:
        self.asked, self.lines, self.started = asked, list[str](), time.time()
        self._problems, self._heard = "", threading.Condition()
        self._silent = False
        hears, says = multiprocessing.Pipe(duplex=False)
        self.process = forks().Process(target=_work, args=(dict(environment), asked, log, says), daemon=True)
        self.process.start()
        says.close()
        self._ear = threading.Thread(target=self._listen, args=(hears,), daemon=True)
        self._ear.start()

    @property
    def group(self) -> int:
        """The process group of the run and of everything it started."""
        assert self.process.pid
        return self.process.pid

    def begun(self, tables: int) -> bool:
        """Wait until so many tables were begun. False if the run ended before."""
        with self._heard:
            self._heard.wait_for(lambda: self._silent or len(self.lines) >= tables, timeout=LIMIT)
            return len(self.lines) >= tables and not self._silent

    def wait(self, seconds: float) -> bool:
        """Let it go on for so long. False if it ended before."""
        self.process.join(seconds)
        return self.process.exitcode is None

    def signal(self, number: int) -> None:
        """Send a signal to the run and to everything it started."""
        try:
            os.killpg(self.group, number)
        except ProcessLookupError:
            self.process.kill()

    def end(self) -> Ended:
        """Wait for its end."""
        self.process.join(LIMIT)
        hung = self.process.exitcode is None
        if hung:
            self.signal(signal.SIGKILL)
            self.process.join()
        self._ear.join()
        assert not hung, f"a run did not end in {LIMIT} s; the last it said: {self.lines[-1:]}"
        return Ended(self.process.exitcode, self._problems, len(self.lines))

    def _listen(self, hears: Connection) -> None:
        while True:
            try:
                kind, said = hears.recv()
            except (EOFError, OSError):
                break
            with self._heard:
                if kind == "builds":
                    self.lines.append(said)
                else:
                    self._problems = said
                self._heard.notify_all()
        with self._heard:
            self._silent = True
            self._heard.notify_all()


def beside(environment: Mapping[str, str], log: Path, work: Callable[[], None]) -> ForkServerProcess:
    """Start other work on a world in a process of its own."""
    process = forks().Process(target=_beside, args=(dict(environment), log, work), daemon=True)
    process.start()
    return process


def _beside(environment: Mapping[str, str], log: Path, work: Callable[[], None]) -> None:
    become(environment, log)
    work()


def become(environment: Mapping[str, str], log: Path) -> None:
    """Make this forked process one of a world: its own group, its environment, its log."""
    os.setsid()
    os.environ.update(environment)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _work(environment: dict[str, str], asked: Asked, log: Path, says: Connection) -> None:
    become(environment, log)
    if asked.clock:
        from retail_lake_tests.faults import clock

        clock.move(asked.clock)
    from retail_lake.config import load_settings
    from retail_lake.orchestration.run import materialize_range

    def progress(message: str) -> None:
        if " on " in message:
            says.send(("builds", message))
        print(f"{time.time():.2f} {message}", flush=True)

    try:
        done = materialize_range(
            asked.tables, asked.first, asked.last, settings=load_settings(), force=asked.force, progress=progress
        )
    except BaseException as error:
        says.send(("problems", f"{type(error).__name__}: {error}"))
        raise
    says.send(("problems", done.problems))
    raise SystemExit(0 if done.success else 1)

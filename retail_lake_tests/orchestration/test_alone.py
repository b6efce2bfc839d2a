"""The lock between processes and threads: held by one, and free again when that one is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from retail_lake.orchestration.alone import alone

HOLD = """
import sys, pathlib
from retail_lake.orchestration.alone import alone
with alone(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_at_a_time_in_a_process(tmp_path: Path) -> None:
    lock = tmp_path / "folder" / "lock"
    with alone(lock, wait=False) as first, alone(lock, wait=False) as second, alone(tmp_path / "other", wait=False) as other:
        assert (first, second, other) == (True, False, True)
    with alone(lock, wait=False) as again:
        assert again


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with alone(lock, wait=False) as free:
            assert not free
        holder.kill()
        holder.wait()
        with alone(lock, wait=False) as free:
            assert free

"""Several processes are the first to open a lake: none of them fails, and there is one catalog."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

FIRST = """
import sys, time
from pathlib import Path
from retail_lake_tests.lake.staged import DAYS, SHELF, open_lake

home, when = Path(sys.argv[1]), float(sys.argv[2])
lake = open_lake(home)
import pyiceberg.catalog.sql, retail_lake.lake.schema
time.sleep(max(0, when - time.time()))
lake.ensure(SHELF)
lake.ensure_quarantine(SHELF)
"""


@pytest.mark.full
def test_processes_that_start_together_make_one_lake(tmp_path: Path) -> None:
    for attempt in range(2):
        home = tmp_path / str(attempt)
        home.mkdir()
        command = [sys.executable, "-c", FIRST, str(home), str(time.time() + 4)]
        running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors.decode()

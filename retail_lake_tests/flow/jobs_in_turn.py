"""Runs many jobs in one process: the job program, asked again and again, so that a JVM is started once.

A file to be started by another Python than that of the tests: it imports the job program and nothing else. The file named
by its argument has the arguments of one job a line, as a JSON list.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from retail_lake.jobs.__main__ import main

if __name__ == "__main__":
    for line in Path(sys.argv[1]).read_text().splitlines():
        main(json.loads(line))

"""What is deployed and how soon it starts: `python -m retail_lake_tests.benchmarks.artifact`.

Builds the artifact for this Python, unpacks it elsewhere, and prints as JSON its sizes in megabytes, and the seconds until the
packed Python has the job program ready to read its description, and until it has Great Expectations too.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TRIES = 3


def main() -> None:
    from retail_lake.config import Settings
    from retail_lake.deploy import artifact

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        plan = artifact.blueprint(Settings(), python=f"{sys.version_info[0]}.{sys.version_info[1]}")
        built = artifact.build(plan, Path(folder, "build"), glibc=None)
        found["building it, s"] = time.perf_counter() - started
        for name, size in built.sizes.items():
            found[f"{name.replace(plan.version, '…')}, MB"] = size / 1e6
        started = time.perf_counter()
        shutil.unpack_archive(built.folder / "environment.tar.gz", Path(folder, "environment"), "gztar")
        found["unpacking the environment, s"] = time.perf_counter() - started
        python = str(Path(folder, "environment", "bin", "python"))
        found["the job program ready, s"] = seconds(python, "import retail_lake.jobs.__main__")
        found["Great Expectations ready, s"] = seconds(python, "import great_expectations")
    print(json.dumps(found))


def seconds(python: str, code: str) -> float:
    """The best of some tries, each a process that inherits nothing."""
    best = float("inf")
    for _ in range(TRIES):
        started = time.perf_counter()
        subprocess.run([python, "-c", code], env={}, check=True)
        best = min(best, time.perf_counter() - started)
    return best


if __name__ == "__main__":
    main()

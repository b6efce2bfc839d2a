"""What is deployed and how soon it starts: `python -m retail_lake_tests.benchmarks.artifact`.

Builds the artifact for this Python, unpacks it elsewhere, and prints as JSON its sizes in megabytes, and the seconds until the
packed Python has the job program ready to read its description, and until it has Great Expectations too. Of each, the
first start after unpacking, which is what a job meets on a fresh machine, and the best of later ones.
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
READY = {"the job program": "import retail_lake.jobs.__main__", "Great Expectations": "import great_expectations"}


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
        for what, code in READY.items():
            found[f"{what} ready, first start, s"] = seconds(python, code)
            found[f"{what} ready, later, s"] = min(seconds(python, code) for _ in range(TRIES))
    print(json.dumps(found))


def seconds(python: str, code: str) -> float:
    """How long a process takes that inherits nothing."""
    started = time.perf_counter()
    subprocess.run([python, "-c", code], env={}, check=True)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

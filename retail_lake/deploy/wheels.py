"""Wheels for another Python on another machine: the job program's own, and those of what it needs.

Belongs here: the `retail-lake-job` wheel, downloads, and the zip of wheels that Glue installs from. Does not: which versions
(`requirements.py`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Final

import retail_lake
from retail_lake.deploy.archives import write_zip
from retail_lake.failure import ConfigurationFailure, TransientFailure

JOB: Final = "retail-lake-job"
"""The distribution that runs on AWS: the package without the rooms that stay at home, needing exactly the pinned rest."""
AT_HOME: Final = frozenset(
    {
        *("cli", "cost", "definitions.py", "demo", "deploy", "doctor", "lake", "orchestration", "warehouse"),
        *("dagster.yaml", "workspace.yaml"),
    }
)
"""What no job imports; most of it needs Dagster or pyiceberg, which are not brought along."""
# Every C library up to the one of the images; wheels for a newer one would not load.
_PLATFORMS: Final = (
    *(f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)),
    "manylinux2014_x86_64",
    "manylinux2010_x86_64",
    "manylinux1_x86_64",
)


def sources() -> dict[str, bytes]:
    """The job program's files by their path in a wheel, from the package that is imported here, installed or checked out."""
    package = Path(retail_lake.__file__).parent
    found = {}
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package)
        if path.is_file() and inside.parts[0] not in AT_HOME and "__pycache__" not in inside.parts:
            found[f"{package.name}/{inside.as_posix()}"] = path.read_bytes()
    return found


@dataclass(frozen=True)
class Wheels:
    """The job program and all it needs, at exact versions, for one Python (`3.13`) on x86-64 Linux."""

    python: str
    pins: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """Of the job program's sources and the pins: another program has another version."""
        parts = hashlib.sha256(json.dumps([self.python, dict(self.pins)]).encode())
        for name, data in sources().items():
            parts.update(name.encode() + b"\0" + hashlib.sha256(data).digest())
        return parts.hexdigest()[:12]

    @property
    def requirements(self) -> dict[str, str]:
        """Versions by distribution, the job program's own among them."""
        return {**self.pins, JOB: f"{package_version()}+{self.digest}"}

    @property
    def listed(self) -> bytes:
        """The same as a `requirements.txt`."""
        return "".join(f"{name}=={version}\n" for name, version in self.requirements.items()).encode()

    def write(self, folder: Path, progress: Callable[[str], None] = lambda _: None) -> None:
        """All wheels and the `requirements.txt` of them into a new folder, by pip and from where pip is set to look.

        Raises `ConfigurationFailure` for a version without a wheel, `TransientFailure` when the index does not answer.
        """
        progress(f"fetching {len(self.pins)} wheels for Python {self.python}")
        folder.mkdir(parents=True)
        versions = [f"{name}=={version}" for name, version in self.pins.items()]
        _pip("download", "--no-deps", *self._target, "--dest", str(folder), *versions, why=f"wheels for Python {self.python}")
        self._write_job(folder)
        (folder / "requirements.txt").write_bytes(self.listed)

    def install(self, folder: Path, target: Path) -> None:
        """Unpack the wheels that were written to `folder` into `target`, without running that Python."""
        options = ("--no-index", "--find-links", str(folder), "--no-deps", "--no-compile", *self._target, "--target", str(target))
        versions = [f"{name}=={version}" for name, version in self.requirements.items()]
        _pip("install", *options, *versions, why="wheels into the packed environment")

    @property
    def _target(self) -> tuple[str, ...]:
        platforms = [option for platform in _PLATFORMS for option in ("--platform", platform)]
        return ("--only-binary=:all:", "--implementation", "cp", "--python-version", self.python, *platforms)

    def _write_job(self, folder: Path) -> None:
        """The job program's wheel. It requires the pins, so that pip alone, offline, makes it whole."""
        name, version = JOB.replace("-", "_"), self.requirements[JOB]
        info = f"{name}-{version}.dist-info"
        required = "".join(f"Requires-Dist: {n}=={v}\n" for n, v in self.pins.items())
        members: dict[str, bytes | Path] = {
            **sources(),
            f"{info}/METADATA": (
                f"Metadata-Version: 2.1\nName: {JOB}\nVersion: {version}\n"
                f"Summary: The job program of retail_lake, for Glue, EMR and Lambda.\n{required}"
            ).encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: retail_lake\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in members.items() if isinstance(data, bytes)]
        members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
        write_zip(folder / f"{name}-{version}-py3-none-any.whl", members, compress=True)


def zip_of_wheels(target: Path, folder: Path) -> None:
    """What Glue takes as `….gluewheels.zip`: the folder `wheels` with every wheel and the `requirements.txt` of them."""
    write_zip(target, {f"wheels/{path.name}": path for path in folder.iterdir()}, compress=False)


def package_version() -> str:
    """The project's own version."""
    return metadata.version("retail-lake")


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _pip(verb: str, *arguments: str, why: str) -> None:
    command = [sys.executable, "-m", "pip", verb, "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    told = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-3:]
    text = f"pip cannot get {why}: " + "; ".join(told[-3:])
    unreachable = any(word in done.stderr for word in ("ConnectionError", "ReadTimeout", "Max retries", "Temporary failure"))
    raise TransientFailure(text) if unreachable else ConfigurationFailure(text)

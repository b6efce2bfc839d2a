"""What jobs run in: Python environments built from the deployed artifact alone, each once for all jobs of a session.

Belongs here: downloading from S3, installing wheels without an index, unpacking a packed environment. Does not: Spark, which
the services' images bring (`spark_image.py`).
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from retail_lake_tests.aws.job import Unstartable

WHEELS = ".gluewheels.zip"


class Environments:
    """Environments below one folder. `s3` is a boto3 client. All methods may be called from several threads."""

    def __init__(self, folder: Path, s3: Any) -> None:
        self._folder, self._s3 = folder, s3
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def download(self, uri: str, target: Path) -> Path:
        """One object as a file. Raises `Unstartable` in the words of S3 where there is none."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        if not uri.startswith("s3://") or not key:
            raise Unstartable(f"{uri} is not the address of an object in S3")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._s3.download_file(bucket, key, str(target))
        except ClientError as error:
            raise Unstartable(f"{uri}: {error}") from None
        return target

    def wheels(self, uris: Sequence[str], options: Sequence[str] = ()) -> Path:
        """The `python` of an environment in which the wheels behind the addresses are installed, and nothing else.

        An address is a wheel or a zip of wheels. Raises `Unstartable` with pip's words where they do not fit together.
        """
        if unsupported := [uri for uri in uris if not uri.endswith((WHEELS, ".whl"))]:
            raise Unstartable(f"not a wheel or a zip of wheels ({WHEELS}): {', '.join(unsupported)}")
        if uris and "--no-index" not in options:
            raise Unstartable("without --no-index pip asks an index, and this network has none")

        def build(folder: Path) -> None:
            found = folder / "wheels"
            for uri in uris:
                file = self.download(uri, found / uri.rpartition("/")[2])
                if uri.endswith(WHEELS):
                    with zipfile.ZipFile(file) as archive:
                        archive.extractall(found)
                    file.unlink()
            self._install(folder / "python", sorted(found.rglob("*.whl")), options)
            shutil.rmtree(found, ignore_errors=True)

        return self._built([self._version(uri) for uri in uris] + [*options], build) / "python" / "bin" / "python"

    def archive(self, uri: str) -> Path:
        """The folder that a packed environment (tar.gz) unpacks to."""

        def build(folder: Path) -> None:
            file = self.download(uri, folder / "archive")
            try:
                shutil.unpack_archive(file, folder / "unpacked", "gztar")
            except (shutil.ReadError, tarfile.TarError) as error:
                raise Unstartable(f"{uri} is not an archive: {error}") from None
            file.unlink()

        return self._built([self._version(uri)], build) / "unpacked"

    def bare(self) -> Path:
        """The `python` of an environment with nothing installed: the image's own."""
        return self._built(["bare"], lambda folder: self._install(folder / "python", [], ())) / "python" / "bin" / "python"

    def _version(self, uri: str) -> str:
        """An address with the version that is there now, so that a new upload is a new environment."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            return f"{uri} {self._s3.head_object(Bucket=bucket, Key=key)['ETag']}"
        except ClientError as error:
            raise Unstartable(f"{uri}: {error}") from None

    def _built(self, what: Sequence[str], build: Callable[[Path], None]) -> Path:
        name = hashlib.sha256("\n".join(what).encode()).hexdigest()[:16]
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        folder = self._folder / name
        with lock:
            if not (folder / "complete").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                build(folder)
                (folder / "complete").touch()
        return folder

    def _install(self, target: Path, wheels: Sequence[Path], options: Sequence[str]) -> None:
        _run([sys.executable, "-m", "venv", "--without-pip", str(target)], "the environment could not be made")
        if wheels:
            pip = [
                sys.executable,
                "-m",
                "pip",
                "--python",
                str(target / "bin" / "python"),
                "--isolated",
                "install",
                "--no-compile",
            ]
            pip += ["--quiet", "--disable-pip-version-check", *options, *map(str, wheels)]
            _run(pip, "the wheels could not be installed")


def _run(command: Sequence[str], failure: str) -> None:
    environment = {"PATH": os.environ.get("PATH", ""), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unstartable(f"{failure}: {(done.stderr or done.stdout).strip()}")

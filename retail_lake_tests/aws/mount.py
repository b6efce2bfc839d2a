"""The S3 server's buckets as folders, so that Spark, which has no S3 client here, reads and writes `s3://` on them.

Belongs here: the FUSE mount and the Hadoop settings that lead to it. Does not: Spark (`spark_image.py`). On AWS none of this
is needed.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from retail_lake_tests.s3 import S3Server

_START_SECONDS = 30


def unavailable() -> str | None:
    """Why there can be no mount on this machine; None where there can."""
    device = Path("/dev/fuse")
    if not device.exists():
        return "Spark on s3:// needs a FUSE device (/dev/fuse), which is not here"
    if not os.access(device, os.R_OK | os.W_OK):
        return "Spark on s3:// needs to open /dev/fuse, which is not permitted"
    if os.geteuid() != 0 and not (shutil.which("fusermount3") or shutil.which("fusermount")):
        return "Spark on s3:// needs the fusermount command to mount without being root"
    return None


class Mount:
    """The buckets of a server below a folder, from `open` to `close`."""

    def __init__(self, s3: S3Server, folder: Path) -> None:
        self._s3, self.folder, self._log = s3, folder, folder.with_name(f"{folder.name}.log")
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Mount, if that is not done yet. Raises RuntimeError with the mount's own words when it cannot be."""
        if self._process is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        cache = self.folder.with_name(f"{self.folder.name}-cache")
        cache.mkdir(exist_ok=True)
        weed = Path(sys.executable).with_name("weed")
        command = [str(weed), "mount", f"-filer={self._s3.filer}", f"-dir={self.folder}", "-filer.path=/buckets"]
        command += [f"-cacheDir={cache}", "-cacheMetaTtlSec=1", "-dirAutoCreate", "-volumeServerAccess=direct"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        # A mount that outlives its server hangs whoever looks at it.
        atexit.register(self.close)
        limit = time.monotonic() + _START_SECONDS
        while not (self.folder.is_mount() and (self.folder / self._s3.bucket).is_dir()):
            if self._process.poll() is not None or time.monotonic() > limit:
                self.close()
                raise RuntimeError(f"the buckets could not be mounted:\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)

    def close(self) -> None:
        """Unmount, whatever still uses it."""
        if self._process is None:
            return
        for command in (["fusermount3", "-uz"], ["fusermount", "-uz"], ["umount", "-l"], ["umount", "-f"]):
            if shutil.which(command[0]) and subprocess.run([*command, str(self.folder)], capture_output=True).returncode == 0:
                break
        self._process.kill()
        self._process.wait()
        self._process = None

    def spark_settings(self, buckets: Iterable[str]) -> dict[str, str]:
        """What makes a Spark session take `s3://bucket/…` for what is mounted here."""
        hadoop = {
            "fs.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
            "fs.AbstractFileSystem.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFs",
            "fs.viewfs.overload.scheme.target.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
            "fs.viewfs.overload.scheme.target.s3.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
            # The raw kind leaves no checksum files beside the data.
            "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
            "fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
        }
        for bucket in buckets:
            hadoop[f"fs.viewfs.mounttable.{bucket}.linkFallback"] = f"file://{self.folder / bucket}"
        return {f"spark.hadoop.{name}": value for name, value in hadoop.items()}

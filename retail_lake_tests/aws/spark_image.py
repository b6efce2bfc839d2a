"""The Spark of the services' images: PySpark and nothing else of this process, a Java, and settings of an image.

Belongs here: what a job finds on AWS without bringing it. Does not: the artifact's own environment (`environments.py`).
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retail_lake.engines.spark_session import find_java
from retail_lake_tests.aws.job import Unstartable
from retail_lake_tests.aws.mount import Mount, unavailable

_DEFAULTS = {
    # A job of seconds ends before better machine code pays for itself.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "4",
}
"""What suits small jobs, unless they set it themselves."""
_SETTINGS = {
    "spark.master": "local[2]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "1g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "WARN",
}
"""What this machine dictates: a cluster of one, whatever size was asked for."""


class SparkImage:
    """An image with Spark below a folder. `packages` is where `pyspark` and `py4j` are; default: this process's own.

    With no FUSE device there is no way to `s3://`: `reason` says so, and jobs that ask for Spark are run without it.
    """

    def __init__(self, folder: Path, mount: Mount, s3: Any, packages: Path | None = None) -> None:
        self._folder, self._mount, self._s3, self._packages = folder, mount, s3, packages
        self.reason = unavailable()

    def environment(self, job: Path, settings: Mapping[str, str]) -> dict[str, str]:
        """The variables with which a Python in the job's folder finds this Spark, with `settings` as its defaults."""
        variables = {"TZ": "UTC", "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(self._python())}
        configuration = job / "conf"
        configuration.mkdir(exist_ok=True)
        storage: dict[str, str] = {}
        if self.reason is None:
            self._mount.open()
            storage = self._mount.spark_settings(bucket["Name"] for bucket in self._s3.list_buckets()["Buckets"])
        chosen = {**_DEFAULTS, **settings, **_SETTINGS, **storage, "spark.local.dir": str(job / "tmp")}
        # The driver is started here, where a cluster would have it.
        chosen.pop("spark.submit.deployMode", None)
        lines = (f"{name} {value}\n" for name, value in chosen.items())
        (configuration / "spark-defaults.conf").write_text("".join(lines), encoding="utf-8")
        find_java()
        if home := os.environ.get("JAVA_HOME"):
            variables["JAVA_HOME"] = home
        return variables | {"SPARK_CONF_DIR": str(configuration)}

    def arguments(self, job: Path, arguments: list[str]) -> list[str]:
        """A job's arguments, with the local engine in the place of Spark where Spark cannot reach the data; its log says so."""
        pairs = list(zip(["", *arguments], arguments, strict=False))
        if self.reason is None or ("--engine", "spark") not in pairs:
            return arguments
        with (job / "stderr").open("a", encoding="utf-8") as log:
            log.write(f"--engine local instead of spark: {self.reason}\n")
        return ["local" if (name, value) == ("--engine", "spark") else value for name, value in pairs]

    def _python(self) -> Path:
        """A folder with PySpark and what it needs, and nothing else that is installed here."""
        folder = self._folder / "python"
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("pyspark", "py4j"):
            link = folder / name
            if not link.exists():
                link.symlink_to(self._find(name))
        return folder

    def _find(self, name: str) -> Path:
        if self._packages is not None:
            return self._packages / name
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            raise Unstartable(f"the image has no {name}: install retail-lake[test]")
        return Path(found.origin).parent

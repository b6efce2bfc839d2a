"""What the two EMR services are told of a Spark job alike: its Python, the sizes of its processes, how many there may be.

Belongs here: settings of `spark-submit`. Does not: the session's settings, which the job program makes itself
(`spark_session.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

PYTHON: Final = "./environment/bin/python"
"""The packed environment's own Python, where Spark unpacks archives."""
CORES: Final = 4
# Of a worker's 16 GB, what is not the JVM's is for Python beside it: readers of landed files, pandas, Great Expectations.
_PROCESSES: Final[Mapping[str, str]] = {
    "spark.driver.cores": str(CORES),
    "spark.driver.memory": "10g",
    "spark.driver.memoryOverhead": "6g",
    "spark.executor.cores": str(CORES),
    "spark.executor.memory": "10g",
    "spark.executor.memoryOverhead": "6g",
}


def archive(environment: str) -> str:
    """The packed environment as an archive that Spark unpacks to a folder of that name."""
    return f"{environment}#environment"


def settings(workers: int) -> dict[str, str]:
    """A driver, and executors as they are needed, at most so many."""
    return {
        **_PROCESSES,
        "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "1",
        "spark.dynamicAllocation.initialExecutors": str(min(workers, 2)),
        "spark.dynamicAllocation.maxExecutors": str(workers),
        # A job that was tried again by itself would report twice, and hide what went wrong: retries are the run's.
        "spark.yarn.maxAppAttempts": "1",
    }


def options(found: Mapping[str, str]) -> Iterable[str]:
    """These settings as arguments."""
    return (part for key, value in found.items() for part in ("--conf", f"{key}={value}"))

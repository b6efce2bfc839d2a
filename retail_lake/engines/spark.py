"""The `spark` engine: a local JVM, one session for the life of the process. Needs the extra `spark`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from retail_lake.config import Settings
from retail_lake.engines.spark_session import local_session
from retail_lake.jobs.description import JobDescription, JobReport

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class SparkEngine:
    """See `Engine`. `session` gives the Spark session.

    Raises `ConfigurationFailure` at the first job when PySpark or Java is missing.
    """

    name = "spark"

    def __init__(self, settings: Settings, session: Callable[[], SparkSession] = local_session) -> None:
        self.settings = settings
        self._session = session

    def run(self, job: JobDescription) -> JobReport:
        """Run one job in the process's Spark session, which is started when first needed."""
        spark = self._session()
        from retail_lake.jobs.program import run
        from retail_lake.jobs.spark_session import SparkJobSession

        session = SparkJobSession(spark, self.settings)
        try:
            return run(job, session)
        finally:
            session.close()

"""The `local` engine: DuckDB in this process. No JVM, spills to disk, S3 by DuckDB's own extension."""

from __future__ import annotations

from retail_lake.config import Settings
from retail_lake.jobs.description import JobDescription, JobReport


class LocalEngine:
    """See `Engine`."""

    name = "local"

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def run(self, job: JobDescription) -> JobReport:
        """Run one job on a DuckDB connection of its own."""
        from retail_lake.jobs.duckdb_session import DuckDBSession
        from retail_lake.jobs.program import run

        session = DuckDBSession(self.settings)
        try:
            return run(job, session)
        finally:
            session.close()

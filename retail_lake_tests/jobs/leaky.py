"""An engine that loses rows, or puts them twice, while it stages them: what conservation is there to notice."""

from __future__ import annotations

from retail_lake.config import Settings
from retail_lake.jobs.description import JobDescription, JobReport, StagedFile
from retail_lake.jobs.duckdb_session import DuckDBSession
from retail_lake.jobs.program import run


class LeakyEngine:
    """The local engine, but what is staged in `folder` ("rows" or "quarantine") is what `instead` makes of it: SQL with `{}`."""

    name = "local"

    def __init__(self, settings: Settings, folder: str, instead: str) -> None:
        self.settings, self.folder, self.instead = settings, folder, instead

    def run(self, job: JobDescription) -> JobReport:
        session = _LeakySession(self)
        try:
            return run(job, session)
        finally:
            session.close()


class _LeakySession(DuckDBSession):
    def __init__(self, engine: LeakyEngine) -> None:
        super().__init__(engine.settings)
        self.engine = engine

    def stage(self, sql: str, uri: str, day: str | None) -> list[StagedFile]:
        leaks = uri.endswith(f"/{self.engine.folder}")
        return super().stage(self.engine.instead.format(f"({sql}) AS staged") if leaks else sql, uri, day)

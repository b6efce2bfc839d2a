"""What an engine is: something that runs a job description and answers with a report."""

from __future__ import annotations

from typing import Protocol

from retail_lake.jobs.description import JobDescription, JobReport


class Engine(Protocol):
    """Runs jobs. `name` is the one that settings, metadata and people use."""

    name: str

    def run(self, job: JobDescription) -> JobReport:
        """Run one job to its end. Raises a `Failure` of the kind that says what may be done about it."""


class Stopped(BaseException):
    """The run was told to stop: a remote job is cancelled before this goes on. Not an `Exception`: nothing may retry it."""

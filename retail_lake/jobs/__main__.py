"""`python -m retail_lake.jobs DESCRIPTION [--engine local|spark] [--report FILE]`: the program that remote engines start.

Reads a job description (a file, or `-` for standard input), runs it, writes the report as JSON and, where Dagster Pipes
started it, sends the report there too. Exit status 2 is a configuration failure, 3 a data failure, 4 a transient one.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from retail_lake.config import load_settings
from retail_lake.engines import engine
from retail_lake.failure import ConfigurationFailure, DataFailure, Failure, TransientFailure
from retail_lake.jobs.description import JobDescription, JobReport

STATUS: dict[type[Failure], int] = {ConfigurationFailure: 2, DataFailure: 3, TransientFailure: 4}


def main(arguments: list[str] | None = None) -> int:
    """Run one job; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m retail_lake.jobs", description="Run one job description to its report.")
    parser.add_argument("description", help="file of the job description (JSON), or - for standard input")
    parser.add_argument("--engine", choices=("local", "spark"), help="what runs it (default: as the settings say)")
    parser.add_argument("--report", type=Path, help="file to write the report to (default: standard output)")
    chosen = parser.parse_args(arguments)
    text = sys.stdin.read() if chosen.description == "-" else Path(chosen.description).read_text(encoding="utf-8")
    try:
        job = JobDescription.model_validate_json(text)
        report = engine(load_settings(), chosen.engine).run(job)
    except Failure as failure:
        sys.stderr.write(f"{failure}\n")
        return next((status for kind, status in STATUS.items() if isinstance(failure, kind)), 1)
    if chosen.report:
        chosen.report.write_text(report.model_dump_json(), encoding="utf-8")
    else:
        sys.stdout.write(report.model_dump_json() + "\n")
    if "DAGSTER_PIPES_CONTEXT" in os.environ:
        _send(report)
    return 0


def _send(report: JobReport) -> None:
    """One transport of the report: a Pipes message. The launcher turns it into materializations and check results."""
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        pipes.report_custom_message({"report": report.model_dump(mode="json")})


if __name__ == "__main__":
    sys.exit(main())

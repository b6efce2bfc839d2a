"""`python -m retail_lake.jobs --description URI [--report URI] [--engine …]`: the program that remote engines start.

Reads a job description (a path, an `s3://` URI, or `-` for standard input), runs it and writes the report, or why there is
none, as JSON to a path or URI. Where Dagster Pipes started it, what it prints streams there, and so does the word that it
has reported. Exit status 2 is a configuration failure, 3 a data failure, 4 a transient one, 5 that it was told to stop
(`--cancel`), 1 anything else.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from retail_lake.config import PREFIX, load_settings
from retail_lake.engines import local_engine
from retail_lake.failure import BUG, kind_of
from retail_lake.jobs.cancel import ends_when_told
from retail_lake.jobs.description import FailureReport, JobDescription, JobReport
from retail_lake.storage import read_bytes, write_bytes

if TYPE_CHECKING:
    from dagster_pipes import PipesContext

    from retail_lake.config import Settings

STATUS: Final = {"bug": 1, "configuration": 2, "data": 3, "transient": 4}
PIPES: Final = ("--dagster-pipes-context", "--dagster-pipes-messages")
REPORTED: Final = "reported"
"""Key of the Pipes message that says where the report is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one job; returns the exit status. Arguments that a service adds of its own are left alone."""
    parser = argparse.ArgumentParser(
        prog="python -m retail_lake.jobs", description="Run one job description to its report.", allow_abbrev=False
    )
    parser.add_argument(
        "--description", required=True, help="the job description (JSON): a path, an s3:// URI, or - for standard input"
    )
    parser.add_argument("--engine", choices=("local", "spark"), default="local", help="what runs it (default: local)")
    parser.add_argument(
        "--session",
        choices=("local", "cluster"),
        default="local",
        help="Spark on this machine, or the one that runs this program",
    )
    parser.add_argument("--cancel", default="", help="an object that, once it is there, ends the program: a path or an s3:// URI")
    parser.add_argument("--report", default="-", help="where the report goes: a path, an s3:// URI, or - for standard output")
    parser.add_argument("--region", default="", help="AWS region of the description and the report")
    parser.add_argument("--s3-endpoint", default="", help="address of an S3 server other than AWS's own")
    for name in PIPES:
        parser.add_argument(name, default="", help=argparse.SUPPRESS)
    chosen, _ = parser.parse_known_args(arguments)
    given = {"region": chosen.region, "s3_endpoint": chosen.s3_endpoint}
    settings = load_settings(**{name: value for name, value in given.items() if value})
    with _heard(chosen, settings) as pipes:
        with ends_when_told(chosen.cancel, chosen.report, settings):
            answer = _answer(chosen, settings)
        text = answer.model_dump_json()
        if chosen.report == "-":
            sys.stdout.write(text + "\n")
        else:
            write_bytes(chosen.report, text.encode(), settings)
        if pipes is not None:
            pipes.report_custom_message({REPORTED: chosen.report})
    return STATUS[answer.kind] if isinstance(answer, FailureReport) else 0


def _answer(chosen: argparse.Namespace, settings: Settings) -> JobReport | FailureReport:
    """Run the job. Whatever goes wrong is an answer too: the launcher must not have to guess."""
    try:
        text = sys.stdin.read() if chosen.description == "-" else read_bytes(chosen.description, settings).decode()
        job = JobDescription.model_validate_json(text)
        shared = load_settings(**job.settings) if job.settings else settings
        _say(f"{job.table}: {len(job.days) or 'all'} days, {job.input_files:,} files, {job.input_bytes / 1e6:,.1f} MB")
        started = time.perf_counter()
        # Spark starts here at the earliest: what is wrong with a description is told before that.
        with _at_home(shared) as there:
            report = local_engine(there, chosen.engine, session=chosen.session).run(job)
        rows = sum(d.published for d in report.days)
        phases = ", ".join(f"{phase} {spent:.1f} s" for phase, spent in report.seconds.items())
        _say(f"{job.table}: {rows:,} rows staged in {time.perf_counter() - started:.1f} s ({phases})")
        return report
    except Exception as error:
        kind = kind_of(error)
        trace = traceback.format_exc() if kind == BUG else ""
        sys.stderr.write(trace or f"{error}\n")
        return FailureReport(kind=kind, message=str(error) or type(error).__name__, trace=trace)  # type: ignore[arg-type]


@contextmanager
def _at_home(settings: Settings) -> Iterator[Settings]:
    """The settings with a home for what spills: the one that somebody has named, or, where a service runs this program, a
    folder of its own as long as the job lasts."""
    if os.environ.get(f"{PREFIX}HOME"):
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="retail_lake_") as folder:
        yield settings.model_copy(update={"home": Path(folder)})


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@contextmanager
def _heard(chosen: argparse.Namespace, settings: Settings) -> Iterator[PipesContext | None]:
    """An open Pipes session where Dagster asked for one, by arguments or environment; what is printed streams to it."""
    params: dict[str, Any] = {name: getattr(chosen, name[2:].replace("-", "_")) for name in PIPES}
    in_environment = "DAGSTER_PIPES_CONTEXT" in os.environ
    if not any(params.values()) and not in_environment:
        yield None
        return
    import dagster_pipes as dp

    if in_environment:
        with dp.open_dagster_pipes() as pipes:
            yield pipes
        return
    from retail_lake.aws import client
    from retail_lake.jobs.printed import MessageWriter

    s3 = client("s3", settings)
    # A context of this run's own: the one that `open_dagster_pipes` keeps for the life of a process would, in a Lambda that
    # runs many jobs, go on talking to the first of them.
    with dp.PipesContext(
        context_loader=dp.PipesS3ContextLoader(client=s3),
        message_writer=MessageWriter(client=s3, interval=2),
        params_loader=dp.PipesMappingParamsLoader({name[2:].replace("-", "_").upper(): value for name, value in params.items()}),
    ) as pipes:
        yield pipes


if __name__ == "__main__":
    sys.exit(main())

"""Every fault once: the run succeeds by itself or fails with the named cause, and the next one makes it right.

Afterwards the rows are those of an undisturbed run, no job is left running, no launch is left open, and what a failed run has
staged nobody sees. Jobs run without Spark here, which none of the faults depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.demo.serve import serve
from retail_lake.failure import ConfigurationFailure
from retail_lake.lake.lake import Lake
from retail_lake.orchestration.run import materialize_range
from retail_lake_tests.aws import s3_front
from retail_lake_tests.aws.faults import JobFault
from retail_lake_tests.aws.job import End
from retail_lake_tests.aws.redshift import RedshiftData
from retail_lake_tests.aws.redshift_runs import Fault
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.on_aws.compare import lake_differences
from retail_lake_tests.on_aws.lakes import OpenLake, open_launches

DAY = date(2017, 1, 1)
TABLE = "bronze.redemptions"
"""Without rules of its own: a job is over in a moment."""


CONSOLES = {"glue": "gluestudio", "emr_serverless": "emr", "awslambda": "lambda"}
"""Which part of the AWS console shows an engine's jobs."""


@dataclass(frozen=True)
class Case:
    """A fault, how it is ordered, and the cause that the failure names; None: the run gets over it."""

    name: str
    order: Callable[[Aws], Any]
    cause: str | None = None
    engine: str = "glue"
    through_front: bool = False
    jobs: int = 1
    """Jobs that the service accepted; after a failure there is a second run."""
    log: str = ""
    """What a line of the job's log begins with, where there is one to show."""

    def __str__(self) -> str:
        return self.name


def _refused(service: str, operation: str, error: str, times: int, **more: Any) -> Callable[[Aws], Any]:
    return lambda aws: aws.faults.order(service, operation, error=error, times=times, **more)


def _rows(request: Mapping[str, Any]) -> bool:
    """Whether a request to S3 is about rows that a job stages."""
    return "/rows/" in request.get("Key", "")


def _job(service: str, fault: JobFault) -> Callable[[Aws], Any]:
    return lambda aws: aws.faults.order_job(service, fault)


def _job_that_stages(service: str, fault: JobFault) -> Callable[[Aws], Any]:
    """A fault of a job that has begun to upload rows: S3 keeps it waiting until the fault has happened."""

    def order(aws: Aws) -> Any:
        held = aws.faults.order("s3", "*", delay=3, where=_rows)
        return aws.faults.order_job(service, fault, when=lambda: held.happened > 0)

    return order


CASES = (
    Case("launches are throttled", _refused("glue", "StartJobRun", "ThrottlingException", 3)),
    Case("looks are throttled", _refused("emr-serverless", "GetJobRun", "ThrottlingException", 4), engine="emr_serverless"),
    Case("the answer to a launch is lost", lambda aws: aws.faults.order("glue", "StartJobRun", lost_answer=True)),
    Case("a launch is not permitted", _refused("glue", "StartJobRun", "AccessDeniedException", 1), "access denied"),
    Case("too many runs at once", _refused("glue", "StartJobRun", "ConcurrentRunsExceededException", 2)),
    Case("no capacity for a job that was accepted", _job("emr-serverless", JobFault.CAPACITY), engine="emr_serverless", jobs=2),
    Case(
        "the driver fails",
        _job("glue", JobFault.FAILS),
        "driver error",
        jobs=2,
        log="RuntimeError: the test ordered this job to fail",
    ),
    Case(
        "the driver runs out of memory",
        _job_that_stages("glue", JobFault.OUT_OF_MEMORY),
        "out of memory",
        through_front=True,
        jobs=2,
        log="--engine local instead of spark: ",
    ),
    Case("a function runs out of memory", _job("lambda", JobFault.OUT_OF_MEMORY), "out of memory", engine="awslambda", jobs=2),
    Case(
        "the driver is lost",
        _job_that_stages("emr-serverless", JobFault.DRIVER_LOST),
        engine="emr_serverless",
        through_front=True,
        jobs=2,
    ),
    Case("a success that never reported", _job("glue", JobFault.SILENT), "never reported", jobs=2),
    Case("S3 answers 503 to the run", _refused("s3", "PutObject", "SlowDown", 4, status=503), through_front=True),
    Case(
        "S3 answers 503 more often than a client tries",
        _refused("s3", "PutObject", "SlowDown", 4, status=503, where=_rows),
        through_front=True,
        jobs=2,
    ),
    Case(
        "an upload breaks off",
        lambda aws: aws.faults.order("s3", "PutObject", cut_upload=True, where=_rows),
        through_front=True,
    ),
    Case("commits conflict", _refused("glue", "UpdateTable", "ConcurrentModificationException", 3)),
)  # fmt: skip


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The day, undisturbed, on this machine."""
    home = tmp_path_factory.mktemp("here")
    settings = Settings(home=home, first_day=DAY, last_day=DAY)
    serve(settings.landing_uri, home / "ledger", DAY, 1)
    materialize_range([TABLE], DAY, DAY, settings=settings)
    return settings


@pytest.fixture(scope="module")
def there(aws: Aws, lake_on_aws: OpenLake, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The day on AWS, landed and read in; what comes after is for the tests."""
    image = aws.runtime.image()
    before, image.reason = image.reason, "these tests need none"
    home = tmp_path_factory.mktemp("there")
    with lake_on_aws("faults", home, first_day=str(DAY), last_day=str(DAY)) as settings:
        serve(settings.landing_uri, home / "ledger", DAY, 1, s3_endpoint=settings.s3_endpoint, region=settings.region)
        assert materialize_range([TABLE, "gold.dim_date"], DAY, DAY, settings=settings, engine="local").success
        yield settings
    image.reason = before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_is_got_over_or_named_and_then_made_right(case: Case, aws: Aws, here: Settings, there: Settings) -> None:
    shown, ran = Lake(there).current_files(TABLE), len(aws.runtime.jobs)
    with s3_front.serve(aws) if case.through_front else nullcontext(there.s3_endpoint) as endpoint:
        order = case.order(aws)
        said = _build_again(there.model_copy(update={"s3_endpoint": endpoint}), case.engine)
    assert order.happened == order.times, "the fault never happened"
    if case.cause is None:
        assert said == ""
    else:
        assert case.cause in said
        assert TABLE in said
        if case.jobs > 1:
            assert f"console.aws.amazon.com/{CONSOLES[case.engine]}/home?region=" in said
        if case.log:
            assert f"\n  {case.log}" in said.partition("Last lines of its log:")[2]
        assert Lake(there).current_files(TABLE) == shown, "something of a failed run is visible"
        assert _build_again(there, case.engine) == ""
    assert Lake(there).current_files(TABLE) != shown
    assert lake_differences(here, there, TABLE) == (0, 0)
    assert len(aws.runtime.jobs) - ran == case.jobs
    for job in aws.runtime.jobs:
        job.wait(10)
    assert open_launches(aws, there) == 0


@pytest.mark.full
def test_a_job_that_hangs_is_stopped_at_its_deadline_and_tried_again(aws: Aws, here: Settings, there: Settings) -> None:
    ran = len(aws.runtime.jobs)
    aws.faults.order_job("glue", JobFault.HANGS)
    assert _build_again(there.model_copy(update={"job_timeout": 60}), "glue") == ""
    hung, done = (job.wait(10) for job in aws.runtime.jobs[ran:])
    assert (hung.end, done.success) == (End.CANCELLED, True)
    assert lake_differences(here, there, TABLE) == (0, 0)
    assert open_launches(aws, there) == 0


def _build_again(settings: Settings, engine: str) -> str:
    """Build the day once more, whether or not it is as it should be; what went wrong, in words."""
    try:
        return materialize_range([TABLE], DAY, DAY, settings=settings, engine=engine, force=True).problems
    except (ConfigurationFailure, RuntimeError) as error:
        return str(error)


def test_a_serialization_failure_in_redshift_is_got_over(aws: Aws, there: Settings) -> None:
    service = aws.services["redshift-data"]
    assert isinstance(service, RedshiftData)
    fault = service.fault(Fault(at=2, error="ERROR: 1023: Serializable isolation violation on table - 100"))
    done = materialize_range(["warehouse.dim_date"], DAY, DAY, settings=there)
    assert fault.times == 0, "the fault never happened"
    assert done.success, done.problems
    stored = Lake(there).stored("gold.dim_date")
    assert stored is not None
    assert service.sql("SELECT count(*) FROM gold.dim_date") == [(stored.scan().count(),)]
    assert service.sql("SELECT count(*) FROM gold_loads.dim_date") == [(1,)]

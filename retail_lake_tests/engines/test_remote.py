"""A remote job from launch to answer, whatever the service does meanwhile: run once, never left behind, always on the books."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

import pytest

from retail_lake.config import Settings
from retail_lake.cost import ledger
from retail_lake.engines import launches, remote
from retail_lake.engines.base import Stopped
from retail_lake.engines.control import Log, Quiet, State
from retail_lake.engines.remote import LOOKS, SUBMITS, RemoteEngine
from retail_lake.failure import ConfigurationFailure, DataFailure, Failure, TransientFailure
from retail_lake.jobs.description import DataFile, FailureReport, JobDescription, PinnedInput
from retail_lake.storage import read_bytes
from retail_lake_tests.engines.service import (
    DAYS,
    DENIED,
    FULL,
    THROTTLED,
    UNANSWERED,
    UNREACHED,
    Act,
    Service,
    job_of,
    on_s3,
    report_of,
)
from retail_lake_tests.s3 import S3Server

MAY_4 = date(2026, 5, 4)


class Heard(Quiet):
    """A channel that has heard something of a job."""

    def last_lines(self) -> tuple[str, ...]:
        return ("3 rows staged",)


def booked(settings: Settings) -> list[ledger.Used]:
    """What is in the ledger of the day on which the service says that jobs end."""
    return ledger.read(settings, MAY_4, MAY_4)


def given(service: Service) -> dict[str, str]:
    arguments = service.only.launch.arguments
    return dict(zip(arguments[::2], arguments[1::2], strict=True))


def test_a_job_is_described_launched_followed_and_booked(settings: Settings, service: Service) -> None:
    job = job_of(settings)
    told: list[str] = []
    report = RemoteEngine(settings, service, progress=told.append).run(job)
    assert report.days == report_of(job).days
    assert (report.engine, report.usage, report.console) == ("glue", {"dpu_seconds": 120.0}, "https://console.example/jr_1")
    assert report.seconds["transform"] == 1.5 and {"submit", "queue"} <= report.seconds.keys()
    assert "https://console.example/jr_1" in told[0]
    launch = service.only.launch
    assert JobDescription.model_validate_json(read_bytes(given(service)["--description"], settings)) == job
    assert given(service)["--engine"] == "spark" and given(service)["--session"] == "cluster"
    assert given(service)["--cancel"] == launches.cancel_marker(settings, launch.token)
    assert launch.tags["retail-lake:run"] == "run-1" and launch.tags["retail-lake:table"] == "silver.sales"
    assert launch.tags["retail-lake:days"] == "2017-01-01..2017-01-02"
    (used,) = booked(settings)
    assert (used.token, used.run_id, used.table, used.days, used.succeeded) == (launch.token, "run-1", "silver.sales", 2, True)
    assert used.usage == {"dpu_seconds": 120.0} and used.dollars == pytest.approx(120 / 3600 * 0.44)
    assert on_s3(settings, "launches") == []


def test_the_launch_is_on_record_before_the_service_hears_of_it(settings: Settings, service: Service) -> None:
    seen: list[launches.Opened] = []
    service.submit, submit = lambda launch: (seen.extend(launches.open(settings)), submit(launch))[1], service.submit  # type: ignore[method-assign]
    RemoteEngine(settings, service).run(job_of(settings))
    assert [(launch.token, launch.remote_id, launch.days) for launch in seen] == [(service.only.launch.token, "", DAYS)]


def test_a_start_whose_answer_is_lost_is_not_a_second_job(settings: Settings, service: Service) -> None:
    service.lose("submit", UNANSWERED)
    RemoteEngine(settings, service).run(job_of(settings))
    assert len(service.jobs) == 1 and service.calls[:2] == ["submit", "find"]


def test_room_throttling_and_the_network_are_waited_for(settings: Settings, service: Service) -> None:
    service.refuse("submit", FULL, THROTTLED, UNREACHED)
    service.refuse("status", THROTTLED, UNANSWERED, THROTTLED)
    assert RemoteEngine(settings, service).run(job_of(settings)).engine == "glue"
    assert len(service.jobs) == 1


def test_a_service_that_stays_full_is_a_transient_failure_called_capacity(settings: Settings, service: Service) -> None:
    service.refuse("submit", *[FULL] * (SUBMITS + 5))
    with pytest.raises(TransientFailure, match=r"capacity: .*Concurrent runs exceeded"):
        RemoteEngine(settings, service).run(job_of(settings))
    assert service.calls.count("submit") == SUBMITS
    assert on_s3(settings, "launches") == [] and service.jobs == {}


def test_a_service_that_stays_silent_gives_the_job_up_and_stops_it(settings: Settings, service: Service) -> None:
    service.act = Act(looks=-1)
    service.refuse("status", *[UNANSWERED] * LOOKS)
    with pytest.raises(TransientFailure, match=r"looking at jr_1(.|\n)*https://console.example/jr_1"):
        RemoteEngine(settings, service).run(job_of(settings))
    assert service.only.cancelled and on_s3(settings, "launches") == []


def test_what_may_not_be_started_says_so_at_once(settings: Settings, service: Service) -> None:
    service.refuse("submit", DENIED)
    with pytest.raises(ConfigurationFailure, match=r"access denied: .*glue:Start.*doctor"):
        RemoteEngine(settings, service).run(job_of(settings))
    assert service.calls.count("submit") == 1 and on_s3(settings, "launches") == []


@pytest.mark.parametrize(
    ("report", "kind", "said"),
    [
        (FailureReport(kind="data", message="a value does not fit"), DataFailure, "a value does not fit"),
        (FailureReport(kind="configuration", message="no such setting"), ConfigurationFailure, "no such setting"),
        (FailureReport(kind="transient", message="s3://x: SlowDown"), TransientFailure, "SlowDown"),
        (FailureReport(kind="bug", message="'x'", trace="Traceback\nKeyError: 'x'"), RuntimeError, "job error: 'x'"),
        (
            FailureReport(kind="bug", message="Job aborted", trace="java.lang.OutOfMemoryError: Java heap space"),
            ConfigurationFailure,
            "out of memory",
        ),
        (b'{"version": 9, "job_id": "job-1"}', ConfigurationFailure, "retail-lake deploy"),
    ],
)
@pytest.mark.parametrize("ends", [State.SUCCEEDED, State.FAILED])
def test_the_report_decides_whatever_the_service_says(
    settings: Settings, service: Service, report: FailureReport | bytes, kind: type[Exception], said: str, ends: State
) -> None:
    service.act = Act(ends=ends, report=report, looks=0)
    with pytest.raises(kind, match=said) as raised:
        RemoteEngine(settings, service).run(job_of(settings))
    assert "https://console.example/jr_1" in str(raised.value) and "silver.sales" in str(raised.value)
    assert [(used.succeeded, used.usage) for used in booked(settings)] == [(False, {"dpu_seconds": 120.0})]


def test_a_job_that_reported_and_then_stumbled_has_done_its_work(settings: Settings, service: Service) -> None:
    service.act = Act(ends=State.FAILED, reason="Command failed with exit code 1")
    assert RemoteEngine(settings, service).run(job_of(settings)).days[0].published == 3


def test_another_job_s_report_is_not_this_one_s(settings: Settings, service: Service) -> None:
    service.act = Act(report=report_of(job_of(settings, job_id="job-2")))
    with pytest.raises(RuntimeError, match=r"the report is of .*job-2"):
        RemoteEngine(settings, service).run(job_of(settings))


@pytest.mark.parametrize(
    ("act", "kind", "said"),
    [
        (Act(reports=False), ConfigurationFailure, "never reported"),
        (Act(State.FAILED, reports=False, reason="Java heap space", log=("one", "two")), ConfigurationFailure, "out of memory"),
        (Act(State.FAILED, reports=False, log=("Traceback (most recent call last):",)), RuntimeError, "driver error"),
        (Act(State.FAILED, reports=False), TransientFailure, "lost without a report"),
        (Act(State.TIMED_OUT, reports=False), TransientFailure, "timed out"),
        (Act(State.STOPPED, reports=False), ConfigurationFailure, "stopped"),
    ],
)
def test_a_job_without_a_report_fails_by_a_named_cause(
    settings: Settings, service: Service, act: Act, kind: type[Exception], said: str
) -> None:
    service.act = act
    with pytest.raises(kind, match=said) as raised:
        RemoteEngine(settings, service).run(job_of(settings))
    assert "https://console.example/jr_1" in str(raised.value)
    assert all(f"  {line}" in str(raised.value) for line in act.log)
    assert [used.succeeded for used in booked(settings)] == [False] and on_s3(settings, "launches") == []


def test_a_log_that_cannot_be_read_hides_nothing(settings: Settings, service: Service) -> None:
    service.act = Act(State.FAILED, reports=False, reason="Java heap space")
    service.refuse("log_tail", DENIED)
    with pytest.raises(ConfigurationFailure, match=r"out of memory(.|\n)*the log cannot be read"):
        RemoteEngine(settings, service).run(job_of(settings))


def test_why_a_log_cannot_be_read_is_not_why_the_job_failed(settings: Settings, service: Service) -> None:
    service.act = Act(State.FAILED, reports=False, reason="finished with failed status")
    service.refuse("log_tail", DENIED)
    with pytest.raises(
        TransientFailure, match=r"lost without a report(.|\n)*  3 rows staged\n  \(the log cannot be read: .*glue:Start"
    ):
        RemoteEngine(settings, service).heard(Heard(), threading.Event()).run(job_of(settings))


def test_a_log_that_comes_late_is_waited_for(settings: Settings, service: Service) -> None:
    trace = ("Traceback (most recent call last):", "KeyError: 'x'")
    service.act = Act(State.FAILED, reports=False, reason="finished with failed status", log=trace, log_after=4)
    with pytest.raises(RuntimeError, match=r"driver error(.|\n)*KeyError: 'x'"):
        RemoteEngine(settings, service).run(job_of(settings))


def test_a_log_that_never_comes_is_made_up_for_by_what_was_heard(
    settings: Settings, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LOG_SECONDS", 0.2)
    service.act = Act(State.FAILED, reports=False, reason="finished with failed status", log_after=10**6)
    with pytest.raises(TransientFailure, match=r"lost without a report(.|\n)*  3 rows staged"):
        RemoteEngine(settings, service).heard(Heard(), threading.Event()).run(job_of(settings))
    assert service.calls.count("log_tail") > 1


@pytest.mark.parametrize("act", [Act(State.FAILED, reports=False, reason=str(FULL)), Act(State.STOPPED, reports=False)])
def test_no_log_is_waited_for_where_there_is_none_to_come(settings: Settings, service: Service, act: Act) -> None:
    service.act = replace(act, log_after=10**6)
    with pytest.raises(Failure):
        RemoteEngine(settings, service).run(job_of(settings))
    assert service.calls.count("log_tail") == 1


def test_a_run_that_is_told_to_stop_waits_for_no_log(settings: Settings, service: Service) -> None:
    stop = threading.Event()
    service.act = Act(State.FAILED, reports=False, log_after=10**6)
    service.log_tail = lambda remote_id, lines=30: (stop.set(), Log(arrived=False))[1]  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        RemoteEngine(settings, service).heard(Quiet(), stop).run(job_of(settings))
    assert on_s3(settings, "launches") == [] and [used.succeeded for used in booked(settings)] == [False]


def test_a_hanging_job_is_stopped_at_its_deadline(s3: S3Server, service: Service) -> None:
    hurried = service.settings.model_copy(update={"job_timeout": 0.3})
    service.act = Act(looks=-1, log=("last words",))
    with pytest.raises(TransientFailure, match=r"timed out: still running(.|\n)*last words"):
        RemoteEngine(hurried, service).run(job_of(hurried))
    assert service.only.cancelled and on_s3(hurried, "launches") == []
    assert "cancel" in on_s3(hurried, f"jobs/{service.only.launch.token}")
    assert len(booked(hurried)) == 1


def test_a_run_that_is_told_to_stop_stops_its_job_first(settings: Settings, service: Service) -> None:
    service.act = Act(looks=-1)
    stop = threading.Event()
    engine = RemoteEngine(settings, service).heard(Quiet(), stop)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            engine.run(job_of(settings))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert service.running.wait(10)
    stop.set()
    thread.join(10)
    assert [type(error) for error in raised] == [Stopped]
    assert service.only.cancelled and on_s3(settings, "launches") == [] and len(booked(settings)) == 1


def test_an_interrupt_stops_the_job_even_while_it_is_submitted(settings: Settings, service: Service) -> None:
    service.act = Act(looks=-1)
    service.lose("submit", KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        RemoteEngine(settings, service).run(job_of(settings))
    assert service.only.cancelled, "found by its token, its id never having come back"


def test_what_cannot_be_stopped_stays_on_record(settings: Settings, service: Service) -> None:
    service.act = Act(looks=-1)
    service.lose("submit", KeyboardInterrupt())  # type: ignore[arg-type]
    service.refuse("cancel", *[DENIED] * 3)
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        RemoteEngine(settings, service, progress=told.append).run(job_of(settings))
    assert len(launches.open(settings)) == 1 and "could not be stopped" in told[-1]


def test_the_channel_gives_arguments_and_is_open_as_long_as_the_job(settings: Settings, service: Service) -> None:
    events: list[str] = []

    class Channel:
        @contextmanager
        def open(self, launch_name: str, token: str) -> Iterator[Quiet]:
            events.append("open")
            try:
                yield Quiet(("--dagster-pipes-context", "c", "--dagster-pipes-messages", "m"))
            finally:
                events.append(f"closed, the job {service.only.state}")

    RemoteEngine(settings, service).heard(Channel(), threading.Event()).run(job_of(settings))
    assert given(service)["--dagster-pipes-messages"] == "m" and "--report" in given(service)
    assert events == ["open", "closed, the job succeeded"]


def test_a_budget_refuses_before_anything_is_launched(s3: S3Server, service: Service) -> None:
    poor = service.settings.model_copy(update={"budget_per_run": 0.001})
    with pytest.raises(ConfigurationFailure, match="BUDGET_PER_RUN"):
        RemoteEngine(poor, service).run(job_of(poor))
    assert service.calls == [] and on_s3(poor, "launches") == [] and on_s3(poor, "jobs") == []


def test_a_budget_may_only_warn(s3: S3Server, service: Service) -> None:
    poor = service.settings.model_copy(update={"budget_per_run": 0.001, "over_budget": "warn"})
    told: list[str] = []
    RemoteEngine(poor, service, progress=told.append).run(job_of(poor))
    assert "BUDGET_PER_RUN" in told[0]


def test_a_lambda_is_refused_what_is_too_much_for_it(settings: Settings, service: Service) -> None:
    service.name = "awslambda"
    files = (DataFile(uri="s3://b/f", rows=1, size=3_000_000_000),)
    large = job_of(settings, inputs=(PinnedInput(table="bronze.till_lines", snapshot_id=1, sequence=1, files=files),))
    with pytest.raises(ConfigurationFailure, match=r"3,000 MB.*at most 500 MB"):
        RemoteEngine(settings, service).run(large)
    assert service.calls == []


def test_a_job_with_very_many_files_is_launched_by_its_address(settings: Settings, service: Service) -> None:
    files = tuple(DataFile(uri=f"{settings.lake_uri}/bronze/t/data/{n:06}.parquet", rows=1, size=1000) for n in range(100_000))
    job = job_of(settings, inputs=(PinnedInput(table="bronze.till_lines", snapshot_id=1, sequence=1, files=files),))
    began = time.monotonic()
    RemoteEngine(settings, service).run(job)
    assert time.monotonic() - began < 20
    assert sum(len(argument) for argument in service.only.launch.arguments) < 1500

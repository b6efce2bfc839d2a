"""What a dead run has left running is found, stopped and booked; what lives is left alone."""

from __future__ import annotations

from datetime import date

import pytest

from retail_lake.config import Settings
from retail_lake.cost import ledger
from retail_lake.engines import launches
from retail_lake.engines.control import Launch, State
from retail_lake_tests.engines.service import DAYS, DENIED, THROTTLED, Act, Service, ago, on_s3


def launched(
    service: Service, token: str, *, run_id: str = "dead", known: bool = True, seconds_ago: float = 30, submitted: bool = True
) -> launches.Opened:
    """A launch whose launcher went away: before or after the service gave it an id, or before it was submitted."""
    remote_id = service.submit(Launch(token, "name", (), 1, 60)) if submitted else ""
    record = launches.Opened(
        token=token, engine="glue", run_id=run_id, table="silver.sales", days=DAYS, submitted_at=ago(seconds_ago),
        remote_id=remote_id if known else "",
    )  # fmt: skip
    launches.opened(service.settings, record)
    return record


def reap(service: Service, *alive: str) -> list[launches.Reaped]:
    return launches.reap(service.settings, lambda run_id: run_id in alive, lambda name: {"glue": service}[name])


@pytest.mark.parametrize("known", [True, False])
def test_the_job_of_a_dead_run_is_stopped_and_booked(service: Service, known: bool) -> None:
    service.act = Act(looks=-1, reports=False)
    launched(service, "a", known=known)
    (reaped,) = reap(service)
    assert service.only.cancelled and reaped.closed and reaped.launch.remote_id == "jr_1" and "stopped" in reaped.said
    assert on_s3(service.settings, "launches") == [] and "cancel" in on_s3(service.settings, "jobs/a")
    (used,) = ledger.read(service.settings, date(2026, 5, 4), date(2026, 5, 4))
    assert (used.token, used.run_id, used.days, used.succeeded, used.usage) == ("a", "dead", 2, False, {"dpu_seconds": 120.0})
    assert reap(service) == []


def test_the_job_of_a_live_run_is_left_alone(service: Service) -> None:
    service.act = Act(looks=-1)
    launched(service, "a", run_id="alive")
    launched(service, "b", run_id="dead")
    assert [reaped.launch.token for reaped in reap(service, "alive")] == ["b"]
    assert [job.cancelled for job in service.jobs.values()] == [False, True]
    assert [launch.token for launch in launches.open(service.settings)] == ["a"]


def test_a_job_that_ended_by_itself_is_only_booked(service: Service) -> None:
    service.act = Act(looks=0, reports=False)
    launched(service, "a")
    (reaped,) = reap(service)
    assert reaped.closed and "succeeded" in reaped.said and service.only.state is State.SUCCEEDED and not service.only.cancelled
    assert len(ledger.read(service.settings, date(2026, 5, 4), date(2026, 5, 4))) == 1


def test_a_job_that_takes_its_time_to_stop_is_looked_at_again(service: Service) -> None:
    service.act, service.ignores_cancel = Act(looks=-1, reports=False), True
    launched(service, "a")
    assert [reaped.closed for reaped in reap(service)] == [False]
    assert len(launches.open(service.settings)) == 1
    service.ignores_cancel = False
    assert [reaped.closed for reaped in reap(service)] == [True]
    assert launches.open(service.settings) == []


def test_a_job_that_was_never_submitted_is_forgotten_once_it_cannot_turn_up(service: Service) -> None:
    launched(service, "young", submitted=False)
    launched(service, "old", submitted=False, seconds_ago=3600)
    assert {reaped.launch.token: reaped.closed for reaped in reap(service)} == {"old": True, "young": False}
    assert [launch.token for launch in launches.open(service.settings)] == ["young"]
    assert "cancel" in on_s3(service.settings, "jobs/young"), "should it turn up, it ends by itself"


def test_a_trial_is_alive_as_long_as_it_may_take(service: Service) -> None:
    service.act = Act(looks=-1, reports=False)
    launched(service, "young", run_id=launches.TRIAL)
    launched(service, "old", run_id=launches.TRIAL, seconds_ago=service.settings.job_timeout + 3600)
    assert [reaped.launch.token for reaped in reap(service)] == ["old"]


def test_a_run_that_nobody_knows_is_alive_as_long_as_its_job_may_take(service: Service) -> None:
    service.act = Act(looks=-1, reports=False)
    launched(service, "young", run_id="deleted", seconds_ago=service.settings.job_timeout - 60)
    launched(service, "old", run_id="deleted", seconds_ago=service.settings.job_timeout + 3600)
    found = launches.reap(service.settings, lambda run_id: None, lambda name: {"glue": service}[name])
    assert [reaped.launch.token for reaped in found] == ["old"]
    assert {job.launch.token: job.cancelled for job in service.jobs.values()} == {"young": False, "old": True}
    assert [launch.token for launch in launches.open(service.settings)] == ["young"]


def test_one_that_cannot_be_reaped_does_not_keep_the_others(service: Service) -> None:
    service.act = Act(looks=-1, reports=False)
    launched(service, "a", seconds_ago=40)
    launched(service, "b", seconds_ago=30)
    service.refuse("status", THROTTLED, DENIED)
    first, second = reap(service)
    assert (first.launch.token, first.closed, second.closed) == ("a", False, True) and "access denied" in first.said


def test_what_cannot_be_reaped_for_days_is_given_up(service: Service) -> None:
    launched(service, "a", seconds_ago=3 * 24 * 3600)
    service.refuse("status", DENIED)
    (reaped,) = reap(service)
    assert reaped.closed and "given up" in reaped.said and launches.open(service.settings) == []


def test_a_broken_record_is_left_out(settings: Settings, service: Service) -> None:
    from retail_lake.storage import write_bytes

    write_bytes(f"{settings.artifacts_uri}/launches/x.json", b"{", settings)
    launched(service, "a")
    assert [launch.token for launch in launches.open(settings)] == ["a"]

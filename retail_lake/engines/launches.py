"""What is launched and not yet on the books: one object a launch, so that whoever comes after a crash finds it.

Belongs here: those records, stopping a job, and reaping what a dead run has left running. Does not: how a job is launched and
followed (`remote.py`), or how one tells that a run is dead (`orchestration/reaper.py`).

`<artifacts>/launches/<token>.json` is written before a job is submitted and deleted once the job has ended and what it used is
in the ledger. `<artifacts>/jobs/<token>/` holds what launcher and job hand each other.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from retail_lake.config import EngineName, Settings
from retail_lake.engines.control import Control, Status
from retail_lake.engines.patience import persist
from retail_lake.storage import delete_files, list_files, read_bytes, write_bytes

if TYPE_CHECKING:
    from retail_lake.cost.ledger import Used

TRIAL: Final = "trial"
"""The run id of jobs that no run of Dagster's stands behind."""
SETTLE_SECONDS: Final = 15.0
"""How long a stopped job is watched for its end."""
UNSEEN_SECONDS: Final = 300
"""How long after its submission a job that cannot be found may still turn up."""
_MARGIN: Final = timedelta(minutes=10)
_GIVE_UP: Final = timedelta(days=2)
_log: Final = logging.getLogger(__name__)


class Opened(BaseModel):
    """One launch. `remote_id` is empty until the service has given one."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    token: str
    engine: EngineName
    run_id: str
    table: str
    days: tuple[date, ...] = ()
    submitted_at: AwareDatetime
    remote_id: str = ""


@dataclass(frozen=True)
class Reaped:
    """What became of a dead run's launch: `said` in words; `closed` if nothing is left to be done about it."""

    launch: Opened
    said: str
    closed: bool


def folder(settings: Settings, token: str) -> str:
    """Where a launch's description, report and marks are."""
    return f"{settings.artifacts_uri}/jobs/{token}"


def cancel_marker(settings: Settings, token: str) -> str:
    """The object that tells a job to stop, once it is there."""
    return f"{folder(settings, token)}/cancel"


def report(settings: Settings, token: str) -> str:
    """Where the job says what it did, or why it did nothing."""
    return f"{folder(settings, token)}/report.json"


def opened(settings: Settings, launch: Opened) -> None:
    """Put a launch on record, or what is newly known of it."""
    write_bytes(_uri(settings, launch.token), launch.model_dump_json().encode(), settings)


def closed(settings: Settings, token: str) -> None:
    """Take a launch off the record. Doing it again does nothing."""
    delete_files([_uri(settings, token)], settings)


def open(settings: Settings) -> list[Opened]:
    """Every launch on record, the oldest first."""
    found = []
    for stored in list_files(f"{settings.artifacts_uri}/launches", settings):
        try:
            found.append(Opened.model_validate_json(read_bytes(f"{settings.artifacts_uri}/launches/{stored.key}", settings)))
        except FileNotFoundError:
            continue  # closed meanwhile
        except ValidationError as error:
            _log.warning("launches/%s is not a launch and is left alone: %s", stored.key, error.errors()[0]["msg"])
    return sorted(found, key=lambda launch: launch.submitted_at)


def stop(settings: Settings, control: Control, launch: Opened, *, wait: float = SETTLE_SECONDS) -> Status | None:
    """Stop a job, looking it up by its token where its id is not known, and watch it for its end.

    Returns where it stands then; None if there is no such job. The job is asked too, by an object that it looks for: a service
    may forget to tell it, as YARN does when only the process that submitted a job is killed. Raises a `Failure` when S3 or the
    service refuses.
    """
    remote_id = launch.remote_id or _find(settings, control, launch)
    write_bytes(cancel_marker(settings, launch.token), b"", settings)
    if remote_id is None:
        return None
    what = f"stopping {remote_id} on {control.name}"
    persist(lambda: control.cancel(remote_id), what, time.sleep, longest=settings.poll_seconds, tries=3)
    until = time.monotonic() + wait
    while True:
        status = persist(lambda: control.status(remote_id), what, time.sleep, longest=settings.poll_seconds, tries=3)
        if status.state.ended or time.monotonic() >= until:
            return status
        time.sleep(min(1.0, settings.poll_seconds, wait))


def settle(settings: Settings, launch: Opened, status: Status, *, succeeded: bool) -> Used:
    """Put what a job used in the ledger, then take its launch off the record."""
    from retail_lake.cost import ledger
    from retail_lake.cost.prices import price

    used = ledger.Used(
        token=launch.token,
        run_id=launch.run_id,
        table=launch.table,
        first_day=min(launch.days, default=None),
        last_day=max(launch.days, default=None),
        days=len(launch.days),
        engine=launch.engine,
        remote_id=launch.remote_id,
        usage=dict(status.usage),
        dollars=price(status.usage, settings.region),
        ended_at=status.ended_at or datetime.now(UTC),
        succeeded=succeeded,
    )
    ledger.record(settings, used)
    closed(settings, launch.token)
    return used


def left_behind(settings: Settings, goes_on: Callable[[str], bool | None]) -> list[Opened]:
    """The launches of runs that are over. `goes_on` says of a run whether it does, and None where that is not known.

    Behind such a launch is a person's trial, a run of another instance, or one that was deleted: it counts as going on for as
    long as a job may take.
    """
    return [launch for launch in open(settings) if not _goes_on(settings, launch, goes_on)]


def reap(settings: Settings, goes_on: Callable[[str], bool | None], control_of: Callable[[EngineName], Control]) -> list[Reaped]:
    """Stop the jobs that are left behind, put them on the books, and say what became of each.

    A launch whose job has not ended yet, or whose service does not answer, stays on record for the next time. `control_of`
    gives the service of that name.
    """
    return [_reap(settings, launch, control_of) for launch in left_behind(settings, goes_on)]


def _reap(settings: Settings, launch: Opened, control_of: Callable[[EngineName], Control]) -> Reaped:
    try:
        control = control_of(launch.engine)
        remote_id = launch.remote_id or _find(settings, control, launch)
        if remote_id is None:
            write_bytes(cancel_marker(settings, launch.token), b"", settings)
            if _age(launch) < timedelta(seconds=UNSEEN_SECONDS):
                return Reaped(launch, f"{launch.engine} does not know it, or not yet", closed=False)
            closed(settings, launch.token)
            return Reaped(launch, f"it never reached {launch.engine}", closed=True)
        known = launch.model_copy(update={"remote_id": remote_id})
        status = persist(
            lambda: control.status(remote_id), f"looking at {remote_id}", time.sleep, longest=settings.poll_seconds, tries=3
        )
        said = f"had ended by itself: {status.state}"
        if not status.state.ended:
            status = stop(settings, control, known, wait=0) or status
            said = f"stopped: {status.state}"
        if not status.state.ended:
            return Reaped(known, "told to stop", closed=False)
        settle(settings, known, status, succeeded=False)
        return Reaped(known, said, closed=True)
    except Exception as error:
        # One that cannot be reaped must not keep the others from it, nor stay for ever: a cluster may be gone with its steps.
        if given_up := _age(launch) > _GIVE_UP:
            closed(settings, launch.token)
        return Reaped(launch, f"could not be reaped{', and is given up' if given_up else ''}: {error}", closed=given_up)


def _goes_on(settings: Settings, launch: Opened, goes_on: Callable[[str], bool | None]) -> bool:
    known = None if launch.run_id == TRIAL else goes_on(launch.run_id)
    return _age(launch) < timedelta(seconds=settings.job_timeout) + _MARGIN if known is None else known


def _age(launch: Opened) -> timedelta:
    return datetime.now(UTC) - launch.submitted_at


def _find(settings: Settings, control: Control, launch: Opened) -> str | None:
    return persist(
        lambda: control.find(launch.token),
        f"looking for {launch.token} on {control.name}",
        time.sleep,
        longest=settings.poll_seconds,
        tries=3,
    )


def _uri(settings: Settings, token: str) -> str:
    return f"{settings.artifacts_uri}/launches/{token}.json"

"""What each attempt at a remote job used and cost: one JSON object an attempt, kept in the lake by UTC day.

`<lake>/ops/usage/<day>/<token>.json`: written once, never changed, and written again with the same content by whoever
repeats it. Belongs here: that record. Does not: sums of it (`cli/cost.py`, `budget.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from retail_lake.config import Settings
from retail_lake.storage import list_files, read_bytes, write_bytes

FOLDER: Final = "ops/usage"
_AT_ONCE: Final = 16
_log: Final = logging.getLogger(__name__)


class Used(BaseModel):
    """One attempt. `token` is its own; `first_day`, `last_day` and `days` (how many) are empty for an unpartitioned table.

    `usage` is by unit of `usage.py`, `dollars` what that cost by the list prices when it was recorded. `ended_at` is the
    service's own word where it has one, so that recording an attempt again finds the same object.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    token: str = Field(pattern=r"^[A-Za-z0-9][\w.=-]*$")
    run_id: str
    table: str
    first_day: date | None = None
    last_day: date | None = None
    days: int = 0
    engine: str
    remote_id: str
    usage: dict[str, float]
    dollars: float
    ended_at: AwareDatetime
    succeeded: bool

    @property
    def utc_day(self) -> date:
        """The UTC day in which it ended: the one it is billed to here."""
        return self.ended_at.astimezone(UTC).date()

    @property
    def layer(self) -> str:
        """The layer of its table."""
        return self.table.partition(".")[0]


def location(settings: Settings, day: date) -> str:
    """Where the attempts that ended on that UTC day are recorded."""
    return f"{settings.lake_uri}/{FOLDER}/{day.isoformat()}"


def record(settings: Settings, used: Used) -> None:
    """Put an attempt on record. Doing it again changes nothing."""
    uri = f"{location(settings, used.utc_day)}/{used.token}.json"
    write_bytes(uri, used.model_dump_json().encode(), settings)


def read(settings: Settings, first: date, last: date) -> list[Used]:
    """Every attempt that ended from `first` to `last` (UTC days, both included), in the order of their ends.

    An object that cannot be read, as a kill may leave it on a local disk, is named in the log and left out.
    """
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        listed = pool.map(lambda day: list_day(settings, day), _days(first, last))
        found = pool.map(lambda uri: read_one(settings, uri), [uri for uris in listed for uri in uris])
        by_token = {used.token: used for used in found if used}
    return sorted(by_token.values(), key=lambda used: (used.ended_at, used.token))


def list_day(settings: Settings, day: date) -> Sequence[str]:
    """The objects of one UTC day, by one listing."""
    where = location(settings, day)
    return [f"{where}/{stored.key}" for stored in list_files(where, settings) if stored.key.endswith(".json")]


def read_one(settings: Settings, uri: str) -> Used | None:
    """One object; None for one that is not what it should be, which is logged."""
    try:
        return Used.model_validate_json(read_bytes(uri, settings))
    except ValidationError as error:
        _log.warning("%s is not a record of usage and is left out: %s", uri, error.errors()[0]["msg"])
        return None


def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))

"""An alert: one thing that is wrong, for the people who can set it right.

Belongs here: what one says, and that it says no secret. Does not: finding what is wrong, or sending it.

An alert has no data of customers in it: it names tables, days, rules, runs and counts, and never a value of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from retail_lake.alerts.redact import redact
from retail_lake.contract import Severity


class Kind(StrEnum):
    """What kind of thing is wrong. Each is looked for by itself: that one cannot be says nothing of the others."""

    RUN_FAILED = "run failed"
    BLOCKED = "day blocked"
    FRESHNESS = "not fresh"
    BUDGET = "budget"
    DEAD_LETTERS = "dead letters"
    QUEUE = "stale queue"
    ORPHAN = "orphan job"
    UNKNOWN = "cannot be looked at"


Said = Annotated[str, AfterValidator(redact)]
"""Text without secrets."""


class Alert(BaseModel):
    """One thing that is wrong. `key` is its own for as long as it lasts.

    `parts` are what it is about, a blocked table's days say: it is told of again when there are more of them. `blocks` names
    what waits for it, `link` is where to look, `next_step` what to do. `about` is the run that a failed run's alert goes by.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    key: str
    kind: Kind
    severity: Severity
    owners: tuple[str, ...] = Field(min_length=1)
    title: Said
    happened: Said
    blocks: Said = ""
    link: str = ""
    next_step: Said = ""
    parts: tuple[str, ...] = ()
    about: str = ""


def span(days: Sequence[date]) -> str:
    """Days in a few words: `2017-01-03`, `2017-01-03 to 2017-01-05 (3 days)`, `12 days from 2017-01-03 to 2017-03-01`."""
    first, last, number = min(days), max(days), len(set(days))
    if number == 1:
        return str(first)
    together = last - first == timedelta(days=number - 1)
    return f"{first} to {last} ({number} days)" if together else f"{number} days from {first} to {last}"


def names(of: Sequence[str], most: int = 5) -> str:
    """Names, the first few spelled out."""
    shown = ", ".join(of[:most])
    return f"{shown} and {len(of) - most} more" if len(of) > most else shown

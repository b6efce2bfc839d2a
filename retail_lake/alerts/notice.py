"""Notices: an alert, or the news that it is over, in words for people.

Belongs here: the words. Does not: whether and where they are sent (`board.py`, `sinks.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from retail_lake.alerts.alert import Alert
from retail_lake.contract import Severity

MOST: Final = 10
"""How many notices one look sends one by one; more of them are one notice that names them."""
_LONGEST: Final = 1_500
"""Characters of what happened: the run's log has the rest."""


@dataclass(frozen=True)
class Notice:
    """What is sent. `owners`, `kinds` and `severity` are for subscribers to filter by; `resolved` says that it is over.

    `key` and `opened_at` tell one spell of one alert from another.
    """

    title: str
    lines: tuple[tuple[str, str], ...]
    link: str
    severity: Severity
    owners: tuple[str, ...]
    kinds: tuple[str, ...]
    resolved: bool
    key: str
    opened_at: datetime

    @property
    def heading(self) -> str:
        """The title with how bad it is."""
        return f"{'RESOLVED' if self.resolved else str(self.severity).upper()}: {self.title}"

    @property
    def text(self) -> str:
        """All of it as plain text."""
        link = [f"Link: {self.link}"] if self.link else []
        return "\n".join([self.heading, *(f"{name}: {said}" for name, said in self.lines), *link])


def notice(alert: Alert, opened_at: datetime, resolved: bool) -> Notice:
    """The notice of an alert that is open, or over."""
    since = f"{opened_at:%Y-%m-%d %H:%M} UTC"
    said: list[tuple[str, str]]
    if resolved:
        said = [("It was", _short(alert.happened)), ("Open since", since)]
    else:
        said = [("What happened", _short(alert.happened)), ("It blocks", alert.blocks), ("Next step", alert.next_step)]
    said.append(("Owner", ", ".join(alert.owners)))
    return Notice(
        title=alert.title,
        lines=tuple((name, text) for name, text in said if text),
        link=alert.link,
        severity=alert.severity,
        owners=alert.owners,
        kinds=(str(alert.kind),),
        resolved=resolved,
        key=alert.key,
        opened_at=opened_at,
    )


def bundled(notices: Sequence[Notice]) -> list[tuple[Notice, tuple[str, ...]]]:
    """What to send for these, all open or all over, each with the keys it stands for; the last of many go together."""
    if len(notices) <= MOST:
        return [(one, (one.key,)) for one in notices]
    first, rest = notices[: MOST - 1], notices[MOST - 1 :]
    worst = Severity.CRITICAL if any(n.severity is Severity.CRITICAL for n in rest) else Severity.WARNING
    together = Notice(
        title=f"and {len(rest)} more: see `retail-lake alerts`",
        lines=(("These are", _short("; ".join(n.title for n in rest))),),
        link="",
        severity=worst,
        owners=tuple(sorted({o for n in rest for o in n.owners})),
        kinds=tuple(sorted({k for n in rest for k in n.kinds})),
        resolved=rest[0].resolved,
        key=f"{rest[0].key} and {len(rest) - 1} more",
        opened_at=max(n.opened_at for n in rest),
    )
    return [*((one, (one.key,)) for one in first), (together, tuple(n.key for n in rest))]


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"

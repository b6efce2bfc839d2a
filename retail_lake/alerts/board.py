"""The board: which alerts are open, and who has been told of each. `<lake>/ops/alerts/open.json`.

Belongs here: what is wrong now against what was open before, and the notices that follow. Does not: finding what is wrong
(`problems.py`). One process keeps it: the one whose daemon runs the sensor.

What counts is what is wrong now, not that something happened: a tick that was missed loses nothing, and whoever was not told,
because a place did not answer, is told the next time. The board is written after each place has taken its notices, so that a
kill in between has some said twice and none left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from retail_lake.alerts.alert import Alert, Kind
from retail_lake.alerts.notice import Notice, bundled, notice
from retail_lake.alerts.route import Route
from retail_lake.alerts.sinks import Sink
from retail_lake.config import Settings
from retail_lake.failure import Failure
from retail_lake.storage import read_bytes, write_bytes

OBJECT: Final = "ops/alerts/open.json"
_log: Final = logging.getLogger(__name__)


class Entry(BaseModel):
    """An alert on the board. `told` has, by place, the parts that it was told of; one that is `resolved` waits for the places
    that have yet to hear so."""

    model_config = ConfigDict(extra="ignore")

    alert: Alert
    opened_at: AwareDatetime
    resolved: bool = False
    told: dict[str, tuple[str, ...]] = {}

    def news_for(self, to: str) -> bool:
        """Whether that place has yet to hear how this alert stands."""
        if self.resolved:
            return to in self.told
        return to not in self.told or not set(self.alert.parts) <= set(self.told[to])


class _Stored(BaseModel):
    entries: list[Entry] = []


@dataclass
class Board:
    """The entries by key, as they were read and as they are to be written."""

    settings: Settings
    entries: dict[str, Entry] = field(default_factory=dict)
    _written: bytes = b""

    @classmethod
    def read(cls, settings: Settings) -> Board:
        """The board as it is; empty where there is none, or where a kill left one that cannot be read."""
        try:
            raw = read_bytes(f"{settings.lake_uri}/{OBJECT}", settings)
            stored = _Stored.model_validate_json(raw)
        except FileNotFoundError:
            return cls(settings)
        except ValidationError as error:
            _log.warning("%s is not a board of alerts and is begun anew: %s", OBJECT, error.errors()[0]["msg"])
            return cls(settings)
        return cls(settings, {entry.alert.key: entry for entry in stored.entries}, raw)

    def write(self) -> None:
        """Keep it, if it has changed."""
        raw = _Stored(entries=sorted(self.entries.values(), key=lambda e: (e.opened_at, e.alert.key))).model_dump_json(indent=1)
        if (data := raw.encode()) != self._written:
            write_bytes(f"{self.settings.lake_uri}/{OBJECT}", data, self.settings)
            self._written = data

    @property
    def open(self) -> list[Entry]:
        """What is wrong, the oldest first."""
        return sorted((e for e in self.entries.values() if not e.resolved), key=lambda e: (e.opened_at, e.alert.key))

    def update(self, found: Sequence[Alert], looked: Collection[Kind], now: datetime) -> None:
        """What is wrong now. Alerts of kinds that could not be `looked` for stay as they were."""
        current = {alert.key: alert for alert in found}
        for key, alert in current.items():
            entry = self.entries.setdefault(key, Entry(alert=alert, opened_at=now))
            entry.alert, entry.resolved = alert, False
            # A day that was set right and is blocked again is news again.
            entry.told = {to: tuple(p for p in parts if p in alert.parts) for to, parts in entry.told.items()}
        for key, entry in self.entries.items():
            if key not in current and entry.alert.kind in looked:
                entry.resolved = True

    def tell(self, routes: Sequence[Route], open_sink: Callable[[str], Sink]) -> list[str]:
        """Send each place its news. Returns what could not be sent, in words; the next time it is tried again."""
        places = list(dict.fromkeys(route.to for route in routes))
        for entry in self.entries.values():
            entry.told = {to: parts for to, parts in entry.told.items() if to in places}
        wrong = []
        for to in places:
            mine = [route for route in routes if route.to == to]
            news = [e for e in self.entries.values() if e.news_for(to) and (e.resolved or any(r.takes(e.alert) for r in mine))]
            try:
                if news:
                    self._send(news, to, open_sink(to))
            except Failure as failure:
                wrong.append(f"{to}: {failure}")
            self.entries = {key: e for key, e in self.entries.items() if not (e.resolved and not e.told)}
            self.write()
        return wrong

    def _send(self, news: Sequence[Entry], to: str, sink: Sink) -> None:
        for resolved in (False, True):
            notices: list[Notice] = [
                notice(e.alert, e.opened_at, resolved)
                for e in sorted(news, key=lambda e: (e.alert.severity != "critical", e.opened_at, e.alert.key))
                if e.resolved is resolved
            ]
            for one, keys in bundled(notices):
                sink.send(one)
                for entry in (self.entries[key] for key in keys):
                    if resolved:
                        entry.told.pop(to, None)
                    else:
                        entry.told[to] = entry.alert.parts


def routes_of(settings: Settings) -> tuple[Route, ...]:
    """The routes that are set; without any, the log, and the webhook if the environment has its address."""
    import os

    from retail_lake.alerts.sinks import WEBHOOK

    default = (Route(to="log"), *((Route(to="webhook"),) if os.environ.get(WEBHOOK) else ()))
    return settings.alert_routes or default

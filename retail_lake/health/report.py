"""The report on the lake's health: a picture, what needs somebody, and numbers that plot over time.

Belongs here: putting them together, as Markdown. Does not: Dagster, which shows it (`orchestration/health.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from retail_lake.alerts.alert import span
from retail_lake.alerts.board import Board
from retail_lake.contract import Layer, Table
from retail_lake.cost import ledger
from retail_lake.health import picture
from retail_lake.health.days import State, TableDays, overview, shown_days
from retail_lake.health.freshness import late
from retail_lake.lake.lake import Lake

COST_DAYS: Final = 30
_SHOWN: Final = 25
_SAYS: Final[Mapping[State, str]] = {
    State.BLOCKED: "refused by its audit: look at its quarantine",
    State.MISSING: "never published: see whether its files arrived",
    State.STALE: "published from other inputs or by other code than there are now: build it again",
    State.INCOMPLETE: "published without a file that is missing or cannot be read",
}


@dataclass(frozen=True)
class Health:
    """How the lake is. `markdown` is for people, `numbers` are for plots, by name."""

    markdown: str
    numbers: Mapping[str, float]


def health(lake: Lake, tables: Sequence[Table], now: datetime) -> Health:
    """Look at the whole lake. It reads what is published and lists the landing, and changes nothing."""
    settings = lake.settings
    days = shown_days(settings, now)
    layers = list(Layer)
    found = overview(lake, sorted(tables, key=lambda t: layers.index(t.layer)), days)
    spent = _spent(lake, now)
    counts = {state: sum(len(t.of(state)) for t in found) for state in State}
    overdue = [each.table.full_name for each in late(lake, tables, now)]
    alerts = Board.read(settings).open
    lines = [
        f"**{_verdict(counts, overdue)}** The lake `{settings.lake_uri}`, looked at {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC.",
        "",
        _image(picture.heat_map(found, days, _bars(found)), "tables by days"),
    ]
    if any(spent.values()):
        recent = sorted(spent)
        lines += ["", _image(picture.bar_chart("US dollars by day of the run", spent, recent), "costs by day")]
    lines += ["", *_attention(found, overdue)]
    if alerts:
        lines += ["", "### Open alerts", ""]
        lines += [f"- {e.alert.title}, since {e.opened_at:%Y-%m-%d %H:%M} UTC" for e in alerts[:_SHOWN]]
    numbers = {f"days_{state}": float(number) for state, number in counts.items()}
    numbers |= {
        "rows": float(sum(sum(t.rows.values()) for t in found)),
        "rows_in_quarantine": float(sum(sum(t.quarantined.values()) for t in found)),
        "tables_late": float(len(overdue)),
        "alerts_open": float(len(alerts)),
        f"cost_usd_of_{COST_DAYS}_days": float(sum(spent.values())),
    }
    return Health("\n".join(lines), numbers)


def _verdict(counts: Mapping[State, int], overdue: Sequence[str]) -> str:
    wrong = [f"{counts[s]:,} {s}" for s in (State.BLOCKED, State.MISSING, State.STALE, State.INCOMPLETE) if counts[s]]
    wrong += [f"{len(overdue)} late" if overdue else ""]
    return f"Days that need somebody: {', '.join(w for w in wrong if w)}." if any(wrong) else "All is well."


def _bars(found: Sequence[TableDays]) -> dict[str, dict[date, float]]:
    """Rows by day of the tables that somebody was promised (of all gold, where nobody was), and what is in quarantine."""
    promised = [t for t in found if t.table.day and t.table.fresh_within] or [t for t in found if t.table.layer is Layer.GOLD]
    bars = {f"rows, {each.table.name}": _by_day([each.rows]) for each in promised if each.table.day}
    return {**bars, "rows in quarantine": _by_day([each.quarantined for each in found])}


def _by_day(counts: Sequence[Mapping[date | None, int]]) -> dict[date, float]:
    sums: dict[date, float] = {}
    for one in counts:
        for day, number in one.items():
            if day:
                sums[day] = sums.get(day, 0) + number
    return sums


def _spent(lake: Lake, now: datetime) -> dict[date, float]:
    last = now.astimezone(UTC).date()
    spent = {last - timedelta(days=n): 0.0 for n in range(COST_DAYS)}
    for used in ledger.read(lake.settings, min(spent), last):
        spent[used.utc_day] += used.dollars
    return spent


def _attention(found: Sequence[TableDays], overdue: Sequence[str]) -> list[str]:
    rows = [f"| `{name}` | late | | its contract promises it sooner |" for name in overdue]
    for state, says in _SAYS.items():
        for each in found:
            if days := each.of(state):
                which = span([d for d in days if d]) if each.table.day else "whole"
                rows.append(f"| `{each.table.full_name}` | {state} | {which} | {says} |")
    if not rows:
        return []
    more = ["", f"And {len(rows) - _SHOWN} more: `retail-lake status` has them all."] if len(rows) > _SHOWN else []
    return ["### What needs somebody", "", "| table | is | days | so |", "|---|---|---|---|", *rows[:_SHOWN], *more]


def _image(svg: str, title: str) -> str:
    return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"

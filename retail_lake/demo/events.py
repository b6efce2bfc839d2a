"""Coupon redemptions as events: JSON lines, one file per day.

Belongs here: the events' format and defects. Does not: when each arrives (`arrivals.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from retail_lake.demo.arrivals import redemption_arrivals
from retail_lake.demo.chance import chance, draw
from retail_lake.demo.days import compact, days, store_time
from retail_lake.demo.delivery import Defect, Delivery, Effect

DEFECT_RATE: Final = 0.03


def deliveries(seed: int, first: date, last: date) -> Iterator[Delivery]:
    """The redemptions that arrive from first to last; a day without any has a file of one empty line."""
    by_day: dict[date, list[dict[str, Any]]] = {}
    for redemption in redemption_arrivals(seed).to_pylist():
        by_day.setdefault(redemption["arrival_day"], []).append(_event(seed, redemption))
    for day in days(first, last):
        yield _file(seed, day, sorted(by_day.get(day, ()), key=lambda event: (event["redeemed_at"], event["event_id"])))


def _event(seed: int, redemption: dict[str, Any]) -> dict[str, Any]:
    """The event of a redemption, at some moment of its day between 08:00 and 22:00 on the stores' clock."""
    what = {name: redemption[name] for name in ("household_id", "coupon_upc", "campaign_id")}
    scope = (*what.values(), redemption["redemption_date"])
    moment = store_time(redemption["redemption_date"], 8 * 3600 + draw(seed, "redeemed at", *scope) % (14 * 3600))
    identity = hashlib.md5("|".join(map(str, scope)).encode(), usedforsecurity=False).hexdigest()[:16]
    return {"event_id": identity, **what, "redeemed_at": f"{moment.isoformat()}Z"}


def _file(seed: int, day: date, events: list[dict[str, Any]]) -> Delivery:
    key = f"events/redemptions/{day}/redemptions_{compact(day)}_v1.jsonl"
    lines: list[str] = []
    defects: list[Defect] = []
    for event in events:
        lines.append(json.dumps(event))
        if chance(seed, DEFECT_RATE, "event", event["event_id"]):
            kind = ("duplicate_event", "broken_json", "missing_household_id")[draw(seed, "event kind", event["event_id"]) % 3]
            effect = Effect.DUPLICATE if kind == "duplicate_event" else Effect.QUARANTINED
            lines.append(_spoil(event, lines[-1], kind))
            defects.append(Defect(key, len(lines), kind, lines[-1], effect))
    return Delivery(key, day, "".join(f"{line}\n" for line in lines or [""]).encode(), len(lines), tuple(defects))


def _spoil(event: dict[str, Any], line: str, kind: str) -> str:
    if kind == "broken_json":
        return line[: len(line) * 2 // 3]
    if kind == "missing_household_id":
        return json.dumps({name: value for name, value in event.items() if name != "household_id"})
    return line

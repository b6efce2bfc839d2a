"""Sums of the ledger by table, layer, engine, day or run.

Belongs here: adding up. Does not: reading the ledger or telling people (`cli/cost.py`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from retail_lake.cost.ledger import Used
from retail_lake.cost.usage import UNITS

KEYS: Final[Mapping[str, Callable[[Used], str]]] = {
    "table": lambda used: used.table,
    "layer": lambda used: used.layer,
    "engine": lambda used: used.engine,
    "day": lambda used: used.utc_day.isoformat(),
    "run": lambda used: used.run_id,
}
"""What attempts can be summed by; the day is the UTC day in which an attempt ended."""


@dataclass(frozen=True)
class Sum:
    """What the attempts of one group used and cost; `failed` of them failed and cost `failed_dollars` of the `dollars`."""

    key: tuple[str, ...]
    attempts: int
    failed: int
    dollars: float
    failed_dollars: float
    usage: Mapping[str, float] = field(default_factory=dict)


def sums(entries: Iterable[Used], by: Sequence[str]) -> list[Sum]:
    """One sum for each combination of the `by` keys that occurs, in the order of the keys; by none, one sum of all."""
    groups: dict[tuple[str, ...], list[Used]] = defaultdict(list)
    for used in entries:
        groups[tuple(KEYS[key](used) for key in by)].append(used)
    return [_sum(key, groups[key]) for key in sorted(groups)]


def total(entries: Iterable[Used]) -> Sum:
    """The sum of all, zero where there are none."""
    return _sum((), list(entries))


def _sum(key: tuple[str, ...], entries: Sequence[Used]) -> Sum:
    usage: dict[str, list[float]] = defaultdict(list)
    for used in entries:
        for unit, amount in used.usage.items():
            usage[unit].append(amount)
    failed = [used for used in entries if not used.succeeded]
    return Sum(
        key=key,
        attempts=len(entries),
        failed=len(failed),
        dollars=math.fsum(used.dollars for used in entries),
        failed_dollars=math.fsum(used.dollars for used in failed),
        usage={unit: math.fsum(usage[unit]) for unit in sorted(usage, key=list(UNITS).index)},
    )

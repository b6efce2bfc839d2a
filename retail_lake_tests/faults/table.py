"""The table of results.

Belongs here: laying it out. Does not: counting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from retail_lake_tests.faults.rounds import Outcome


def show(outcomes: Sequence[Outcome]) -> str:
    """The faults of all rounds with how often each happened and was survived, and what was counted beside them."""
    injected: Counter[str] = sum((o.injected for o in outcomes), Counter())
    survived: Counter[str] = sum((o.survived for o in outcomes), Counter())
    width = max(map(len, [*injected, "processes left"]), default=0)
    lines = [f"{'fault':{width}}  injected  survived"]
    lines += [f"{name:{width}}  {count:8}  {survived[name]:8}" for name, count in sorted(injected.items())]
    lines += [f"{'all':{width}}  {injected.total():8}  {survived.total():8}", ""]
    counted = {
        "rounds": len(outcomes),
        "reads": sum(o.reads for o in outcomes),
        "wrong reads": sum(len(o.wrong_reads) for o in outcomes),
        "lost rows": sum(len(o.lost) for o in outcomes),
        "days that differ": sum(len(o.different) for o in outcomes),
        "unpublished seen": sum(len(o.unpublished) for o in outcomes),
        "launches open": sum(len(o.launches) for o in outcomes),
        "processes left": sum(len(o.left) for o in outcomes),
        "maintenance failed": sum(len(o.failed) for o in outcomes),
        "orphans cleaned": sum(o.orphans for o in outcomes),
    }
    return "\n".join([*lines, *(f"{name:{width}}  {count:8,}" for name, count in counted.items())])

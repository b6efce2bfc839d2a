"""The table of results.

Belongs here: laying it out. Does not: counting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from retail_lake_tests.faults.rounds import Outcome


def show(outcomes: Sequence[Outcome], none: Mapping[str, str]) -> str:
    """The faults of all rounds with how often each happened and was survived, and what was counted beside them.

    `none` names all the faults there are, with the reason why one is not among those of these rounds.
    """
    injected, survived = Counter[str](), Counter[str]()
    for outcome in outcomes:
        # Added one by one: a sum of counters leaves out what is nought, and a fault that never came in time is to be seen.
        injected.update(outcome.injected)
        survived.update(outcome.survived)
    width = max(map(len, none | injected))
    lines = [f"{'fault':{width}}  injected  survived"]
    for name in sorted({*none, *injected}):
        why = "" if name in injected else f"  {none[name]}"
        lines.append(f"{name:{width}}  {injected[name]:8}  {survived[name]:8}{why}")
    lines += [f"{'all':{width}}  {injected.total():8}  {survived.total():8}", ""]
    counted = {
        "rounds": len(outcomes),
        "reads": sum(o.reads for o in outcomes),
        "unanswered reads": sum(len(o.unanswered) for o in outcomes),
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

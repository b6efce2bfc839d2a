"""What `retail-lake backfill` shows: what it would do, and what came of it, table by table, with the bad days by day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

    from retail_lake.backfill.estimate import Estimate
    from retail_lake.backfill.plan import Plan
    from retail_lake.backfill.runs import Run
    from retail_lake.orchestration.flow import AssetResult, DayResult
    from retail_lake.orchestration.run import RunSummary

_STATES: Final = ("published", "incomplete", "unchanged", "superseded", "blocked", "failed", "skipped")
_SHOWN_DAYS: Final = 40
_NEXT: Final = {
    "transient": "It may well pass: run the same again.",
    "data": "A person or a corrected file has to act: `retail-lake preview TABLE --day DAY` shows what is wrong.",
    "configuration": "Nothing of it is retried: set it right and run the same again.",
    "bug": "Nobody foresaw this: the stack trace is in the run's log, in `retail-lake ui`.",
}
Waiting = Mapping[str, Mapping[date | None, str]]


def show_plan(out: Console, plan: Plan, runs: Sequence[Run], estimates: Mapping[str, Estimate]) -> None:
    """What would be built, and an estimate of time and cost."""
    from retail_lake.backfill.plan import reasons
    from retail_lake.cli.common import count, day_ranges, grid

    if not plan.work and not plan.waiting:
        out.print("Nothing to do: every day asked for is as its code and inputs would make it.")
    elif plan.work:
        shown = grid(
            "table", "days", "which", "why", "rows in", "time", "US dollars", numbers=("days", "rows in", "time", "US dollars")
        )
        for name, days in plan.work.items():
            by_day, expected = [d for d in days if d], estimates[name]
            which = day_ranges(by_day) if by_day else "whole"
            numbers = (count(expected.rows), _time(expected.seconds), _money(expected.dollars))
            shown.add_row(name, str(len(days)), which, reasons(days), *numbers)
        out.print(shown)
        out.print(_sum(plan, runs, estimates), markup=False)
    for name, more in plan.perhaps.items():
        if more:
            out.print(f"Up to {more} more days of {name} follow, those that see a dimension's change.", markup=False)
    _show_waiting(out, plan.waiting)


def _sum(plan: Plan, runs: Sequence[Run], estimates: Mapping[str, Estimate]) -> str:
    """The whole in a sentence, and what it does not say."""
    whole = list(estimates.values())
    known = [e.seconds for e in whole if e.seconds is not None]
    paid = [e.dollars for e in whole if e.dollars is not None]
    said = f"{len(plan.places):,} days of tables in {len(runs)} run{'s' if len(runs) != 1 else ''}"
    said += f", about {_time(sum(known))} besides starting" if known else ""
    said += f", {sum(paid):,.2f} US dollars by list prices." if any(paid) else "."
    never = [name for name, e in estimates.items() if e.seconds is None]
    if never:
        said += f" No time is known of {len(never)} tables that were never built here: {', '.join(never[:5])}."
    unpaid = [name for name, e in estimates.items() if e.dollars is None]
    if unpaid:
        said += f" No cost is known of {len(unpaid)}: {', '.join(unpaid[:5])}."
    return said


def show_summary(out: Console, runs: Sequence[RunSummary], waiting: Waiting, seconds: float) -> None:
    """What came of every table, the bad days by day, and what to do about them."""
    from retail_lake.cli.common import count, grid

    results = [result for run in runs for result in run.results]
    if not runs and not waiting:
        out.print("Nothing to do: every day asked for is as its code and inputs would make it.")
    elif runs:
        states = [s for s in _STATES if any(d.status == s for r in results for d in r.days)]
        shown = grid("table", *states, "rows", "seconds", numbers=(*states, "rows", "seconds"))
        for name in dict.fromkeys(r.name for r in results):
            days = [d for r in results if r.name == name for d in r.days]
            rows = sum(d.rows for d in days if d.status in ("published", "incomplete"))
            took = sum(r.seconds for r in results if r.name == name)
            shown.add_row(name, *(count(sum(d.status == s for d in days)) for s in states), count(rows), f"{took:.1f}")
        out.print(shown)
    _show_bad_days(out, results)
    _show_waiting(out, waiting)
    for kind in dict.fromkeys(run.failure for run in runs if run.failure):
        failed = ", ".join(run.run_id[:8] for run in runs if run.failure == kind)
        out.print(f"{kind} failure, run {failed}: {_NEXT.get(kind, '')}", markup=False)
        if kind == "bug":
            for run in runs:
                if run.failure == kind:
                    out.print(run.problems, markup=False)
    out.print(f"{seconds:.1f} s in all")


def _show_bad_days(out: Console, results: Sequence[AssetResult]) -> None:
    """Day by day the tables that are not as they should be: those with a reason of their own, and how many only follow."""
    bad: dict[date | None, list[tuple[str, DayResult]]] = {}
    for result in results:
        for day in result.days:
            if day.bad:
                bad.setdefault(day.day, []).append((result.name, day))
    if not bad:
        return
    out.print("Not published; readers see what was there before:")
    for when in sorted(bad, key=lambda day: day or date.min)[:_SHOWN_DAYS]:
        found = bad[when]
        own = [(name, day) for name, day in found if day.status != "skipped"] or found
        for name, day in own:
            out.print(f"  {when or 'whole'} {name} {day.status}: {day.why}", markup=False)
        if len(own) < len(found):
            out.print(f"  {when or 'whole'} and {len(found) - len(own)} tables that read it", markup=False)
    if len(bad) > _SHOWN_DAYS:
        out.print(f"  and {len(bad) - _SHOWN_DAYS} more days: `retail-lake status` has them")


def _show_waiting(out: Console, waiting: Waiting) -> None:
    from retail_lake.cli.common import day_ranges

    for name, days in waiting.items():
        by_why: dict[str, list[date]] = {}
        for day, why in days.items():
            if day:
                by_why.setdefault(why.replace(day.isoformat(), "such day"), []).append(day)
        for why, those in by_why.items():
            out.print(f"Cannot be built yet: {name} {day_ranges(those)}: {why}", markup=False)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _money(dollars: float | None) -> str:
    return "?" if dollars is None else f"{dollars:,.2f}" if dollars else "-"

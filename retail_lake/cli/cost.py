"""`retail-lake cost`: what remote jobs used and cost, from the ledger that every attempt is written to."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

import click

from retail_lake.cli.common import DAY

if TYPE_CHECKING:
    from retail_lake.config import Settings
    from retail_lake.cost.sums import Sum

DAYS: Final = 30
BY: Final = ("table", "layer", "engine", "day", "run")
_SHORT: Final = {
    "dpu_seconds": "DPU s",
    "vcpu_hours": "vCPU h",
    "gb_hours": "GB h",
    "storage_gb_hours": "storage GB h",
    "gb_seconds": "GB s",
    "requests": "requests",
    "instance_seconds": "instance s",
    "scanned_bytes": "bytes scanned",
}


@click.command(name="cost", short_help="What jobs on AWS used and cost.")
@click.option("--by", type=click.Choice(BY), multiple=True, help="Sum by this; several give their combinations (default table).")
@click.option("--from", "first", type=DAY, help=f"First UTC day (default: {DAYS} days back).")
@click.option("--to", "last", type=DAY, help="Last UTC day (default: today).")
@click.option("--csv", "as_csv", is_flag=True, help="Bare CSV on standard output, a column for each unit.")
def command(by: tuple[str, ...], first: date | None, last: date | None, as_csv: bool) -> None:
    """Sum what the attempts at remote jobs used and cost, those that failed too; a day is the UTC day an attempt ended in.

    Dollars are by AWS's list prices, without discounts, free tiers, storage and traffic: AWS's Cost Explorer has the bill.
    """
    from datetime import UTC, datetime, timedelta

    from retail_lake.cli.common import settings
    from retail_lake.cost import ledger
    from retail_lake.cost.sums import sums, total
    from retail_lake.failure import ConfigurationFailure

    current = settings()
    last = last or datetime.now(UTC).date()
    first = first or last - timedelta(days=DAYS - 1)
    if first > last:
        raise ConfigurationFailure(f"--from {first} is after --to {last}")
    entries = ledger.read(current, first, last)
    by = tuple(dict.fromkeys(by)) or ("table",)
    found = sums(entries, by)
    if as_csv:
        _write_csv(by, found)
    else:
        _show(current, by, found, total(entries), first, last)


def _write_csv(by: Sequence[str], found: Sequence[Sum]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    units = list(_SHORT)
    writer.writerow([*by, "attempts", "failed", "dollars", "failed_dollars", *units])
    for one in found:
        used = [one.usage.get(unit, 0) for unit in units]
        writer.writerow([*one.key, one.attempts, one.failed, one.dollars, one.failed_dollars, *used])


def _show(current: Settings, by: Sequence[str], found: Sequence[Sum], whole: Sum, first: date, last: date) -> None:
    from retail_lake.cli.common import console, count, grid
    from retail_lake.cost.prices import basis

    out = console()
    out.print(f"Remote jobs that ended from {first} to {last} (UTC), by {' and '.join(by)}")
    if not found:
        out.print("There are none. Jobs of the engines local and spark cost nothing and are not on record.")
    else:
        shown = grid(
            *by, "attempts", "failed", "used", "US dollars", "share", numbers=("attempts", "failed", "US dollars", "share")
        )  # fmt: skip
        for one in [*found, whole]:
            key = one.key or ("in all", *("" for _ in by[1:]))
            share = f"{one.dollars / whole.dollars:.0%}" if whole.dollars else "-"
            shown.add_row(*key, count(one.attempts), count(one.failed), _used(one.usage), f"{one.dollars:,.4f}", share)
        out.print(shown)
        if whole.failed:
            part = f" ({whole.failed_dollars / whole.dollars:.0%})" if whole.dollars else ""
            out.print(
                f"{whole.failed} of {whole.attempts} attempts failed: {whole.failed_dollars:,.4f} of "
                f"{whole.dollars:,.4f} US dollars{part}."
            )
        if "instance_seconds" in whole.usage:
            out.print("Steps on an EMR cluster are not priced: the cluster is paid for whether it works or not.")
    out.print(f"{basis(current.region)}.")
    out.print(_budgets(current))


def _used(usage: Mapping[str, float]) -> str:
    return ", ".join(f"{amount:,.3g} {_SHORT[unit]}" if amount < 100 else f"{amount:,.0f} {_SHORT[unit]}"
                     for unit, amount in usage.items() if amount) or "-"  # fmt: skip


def _budgets(current: Settings) -> str:
    """Where the budgets stand."""
    from datetime import UTC, datetime

    from retail_lake.cost.budget import Budget

    if not (current.budget_per_day or current.budget_per_run):
        return "No budget is set: RETAIL_LAKE_BUDGET_PER_DAY and RETAIL_LAKE_BUDGET_PER_RUN, in US dollars."
    told = []
    if limit := current.budget_per_day:
        spent = Budget(current).spent_today()
        left = f"{limit - spent:,.4f} left" if spent <= limit else f"{spent - limit:,.4f} too much"
        told.append(f"Budget of today ({datetime.now(UTC):%Y-%m-%d} UTC): {spent:,.4f} of {limit:g} US dollars spent, {left}.")
    if current.budget_per_run:
        told.append(f"A run may cost {current.budget_per_run:g} US dollars.")
    what = "refused" if current.over_budget == "refuse" else "warned about"
    return f"{' '.join(told)} What would go above is {what}."

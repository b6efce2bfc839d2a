"""Rounds of faults as anybody plays them: a short one for every day, the others in the long matrix."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from retail_lake_tests.faults import disk
from retail_lake_tests.faults.kinds import KINDS
from retail_lake_tests.faults.kinds.arrivals_repeated import ArrivalsRepeated
from retail_lake_tests.faults.kinds.moved_clock import ClockBack
from retail_lake_tests.faults.kinds.run_killed import RunKilled

SMALL = ["--days", "1,2", "--from-stage", "2", "--without", "tills/promotions", "--tables", "gold.daily_store_sales"]
"""One table of gold and all it is built from: the arrivals of a day over those of another."""
SHORT = (RunKilled, ArrivalsRepeated, ClockBack)
"""What the short round has time for."""
NOTHING = (
    "wrong reads",
    "lost rows",
    "days that differ",
    "unpublished seen",
    "launches open",
    "processes left",
    "maintenance failed",
)


def played(*arguments: str) -> dict[str, list[int]]:
    """The table that these rounds print: the numbers by the words before them."""
    command = [sys.executable, "-m", "retail_lake_tests.faults", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    lines = [re.fullmatch(r"(\S.*?)((?:\s+[\d,]+)+)", line) for line in done.stdout.splitlines()]
    return {found[1]: [int(n.replace(",", "")) for n in found[2].split()] for found in lines if found}


def check(table: dict[str, list[int]], *kinds: str) -> None:
    """Every one of these kinds happened and was survived, while somebody was reading."""
    assert set(kinds) <= set(table)
    assert all(table[kind][0] == table[kind][1] > 0 for kind in kinds), table
    assert table["reads"][0] > 0
    assert {what: table[what] for what in NOTHING} == {what: [0] for what in NOTHING}


def test_a_short_round_leaves_what_an_undisturbed_run_leaves() -> None:
    names = [kind.name for kind in SHORT]
    check(played("--seed", "1", "--on", "local", "--only", ";".join(names), *SMALL), *names)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", ["local", "s3"])
def test_every_kind_leaves_what_an_undisturbed_run_leaves(place: str) -> None:
    there = {"needs_s3": place == "s3", "needs_disk": place == "local" and disk.possible(), "needs_aws": False}
    names = [kind.name for kind in KINDS if all(has or not getattr(kind, need) for need, has in there.items())]
    check(played("--seed", "11", "--on", place, *(SMALL if place == "s3" else ())), *names)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("place", ["daemon", "daemon-aws"])
def test_sensors_alone_bring_everything_up_to_date_while_they_are_killed(place: str) -> None:
    table = played("--seed", "21", "--on", place, "--days", "2", "--without", "tills/promotions")
    check(table, "daemon killed (SIGKILL)", "webserver killed (SIGKILL)", "Dagster run killed (SIGKILL)")


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_on_aws_jobs_runs_and_the_warehouse_are_killed() -> None:
    names = [kind.name for kind in KINDS if kind.needs_aws]
    check(played("--seed", "31", "--on", "aws", "--days", "1,2", "--from-stage", "2", "--without", "tills/promotions"), *names)

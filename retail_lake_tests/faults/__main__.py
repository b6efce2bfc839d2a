"""`python -m retail_lake_tests.faults [--rounds N] [--seed S] [--on PLACE,…]`: rounds of faults, and their table.

The exit code is 1 if anything was lost, seen that should not be, or left behind; the seed of a round is told, and plays it again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from retail_lake_tests.faults import cloud, disk, driven
from retail_lake_tests.faults.kinds import KINDS
from retail_lake_tests.faults.rounds import Outcome, play, undisturbed
from retail_lake_tests.faults.table import show

PLACES: Final = {
    "local": "on a local path",
    "s3": "on S3",
    "aws": "on AWS",
    "daemon": "on a local path, driven by Dagster's daemon",
    "daemon-aws": "on AWS, driven by Dagster's daemon and a queue",
}


def main(arguments: Sequence[str]) -> int:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m retail_lake_tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how many rounds, each in a lake of its own")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one has the next")
    parser.add_argument("--on", default="local", help=f"where each round is played: {', '.join(PLACES)}, separated by commas")
    parser.add_argument("--days", default="2,3", help="how many days have arrived by the end of each stage")
    parser.add_argument("--from-stage", type=int, default=1, help="the first stage in which faults happen")
    parser.add_argument("--each", type=int, default=1, help="how often each fault happens in a stage")
    parser.add_argument("--only", default="", help="kinds of faults, by words of their names, separated by semicolons")
    parser.add_argument(
        "--tables", default="", help="build only these (layer.table), separated by commas, and all they are built from"
    )
    parser.add_argument("--without", default="", help="datasets (system/dataset) that never arrive")
    parser.add_argument("--quiet", action="store_true", help="only the table")
    told = parser.parse_args(arguments)
    places = told.on.split(",")
    # PostgreSQL has to be another user than root, and where a process may mount there is none.
    if not any("aws" in place for place in places):
        disk.enter(["-m", "retail_lake_tests.faults", *arguments])

    from retail_lake_tests.faults.arriving import Served

    started = time.monotonic()

    def say(message: str) -> None:
        if not told.quiet:
            print(f"{time.monotonic() - started:6.1f} s  {message}", flush=True)

    kinds = [kind for kind in KINDS if any(word in kind.name for word in told.only.split(";"))]
    stages = [int(days) for days in told.days.split(",")]
    tables = [name for name in told.tables.split(",") if name] or ([*cloud.TABLES] if "aws" in places else [])
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "served", stages[-1], but=[d for d in told.without.split(",") if d])
        with undisturbed(served, Path(folder) / "undisturbed", stages, tables) as story:
            for seed in range(told.seed, told.seed + told.rounds):
                for place in places:
                    say(f"seed {seed}, {PLACES[place]}")
                    where = Path(folder) / f"{seed}-{place}"
                    if place.startswith("daemon"):
                        outcome = driven.play(story, where, seed, on_aws="aws" in place, each=told.each, say=say)
                    else:
                        calm = told.from_stage - 1
                        outcome = play(story, where, seed, on=place, each=told.each, calm=calm, kinds=kinds, say=say)
                    for wrong in outcome.wrong:
                        say(f"WRONG {wrong}")
                    outcomes.append(outcome)
    print(show(outcomes))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m retail_lake_tests.faults [--rounds N] [--seed S] [--on PLACE,…]`: rounds of faults, and their table.

The exit code is 1 if anything was lost, seen that should not be, or left behind; the seed of a round is told, and plays it again.
"""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from retail_lake_tests.faults import disk, driven
from retail_lake_tests.faults.kinds import KINDS
from retail_lake_tests.faults.places import PLACES, USUAL, Part, parts
from retail_lake_tests.faults.rounds import Outcome, play, undisturbed
from retail_lake_tests.faults.table import show

TOLD: Final = 3
"""So many reads of a round that nobody answered are told: they are alike."""


def main(arguments: Sequence[str]) -> int:
    """Play, print, judge."""
    told = _told(arguments)
    kinds = [kind.name for kind in KINDS if any(word in kind.name for word in told.only.split(";"))]
    divided = parts(told.on, told.tables)
    if told.counted:
        (part,) = divided
        told.counted.write_bytes(pickle.dumps(_play(part, kinds, told)))
        return 0
    outcomes: list[Outcome] = []
    broken: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for number, part in enumerate(divided):
            counted = Path(folder) / str(number)
            here = ["--on", ",".join(part.places), "--counted", str(counted)]
            command = [sys.executable, "-m", "retail_lake_tests.faults", *arguments, *here]
            subprocess.run(command if part.on_aws else disk.inside(command), check=False)
            if counted.exists():
                outcomes += pickle.loads(counted.read_bytes())
            else:
                broken += part.places
    none = {kind.name: "not possible here" if kind.name in kinds else "not asked for" for kind in KINDS}
    print(show(outcomes, none | dict.fromkeys(driven.KILLS, "not possible here")))
    if broken:
        print(f"not counted, because they broke off: the rounds in {', '.join(broken)}")
    return 1 if broken or any(outcome.wrong for outcome in outcomes) else 0


def _told(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m retail_lake_tests.faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="how many rounds, each in a lake of its own")
    parser.add_argument("--seed", type=int, default=1, help="of the first round; each further one has the next")
    parser.add_argument(
        "--on",
        type=_several,
        default=USUAL,
        help=f"where each round is played: {', '.join(PLACES)}, separated by commas; {', '.join(USUAL)} if nothing is said",
    )
    parser.add_argument("--days", default="2,3", help="how many days have arrived by the end of each stage")
    parser.add_argument("--from-stage", type=int, default=1, help="the first stage in which faults happen")
    parser.add_argument("--each", type=int, default=1, help="how often each fault happens in a stage")
    parser.add_argument("--only", default="", help="kinds of faults, by words of their names, separated by semicolons")
    parser.add_argument(
        "--tables",
        type=_several,
        default=(),
        help="build only these (layer.table), separated by commas, and all they are built from; a daemon builds everything",
    )
    parser.add_argument("--without", type=_several, default=(), help="datasets (system/dataset) that never arrive")
    parser.add_argument("--quiet", action="store_true", help="only the table")
    # For this program's own use: play in this process, and leave here what was counted.
    parser.add_argument("--counted", type=Path, help=argparse.SUPPRESS)
    told = parser.parse_args(arguments)
    if unknown := set(told.on) - set(PLACES):
        parser.error(f"--on knows {', '.join(PLACES)}, and not {', '.join(sorted(unknown))}")
    return told


def _several(words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in words.split(",") if word))


def _play(part: Part, kinds: Sequence[str], told: argparse.Namespace) -> list[Outcome]:
    """The rounds of one part, which share what they are held against."""
    from retail_lake_tests.faults.arriving import Served

    started = time.monotonic()

    def say(message: str) -> None:
        if not told.quiet:
            print(f"{time.monotonic() - started:6.1f} s  {message}", flush=True)

    stages = [int(days) for days in told.days.split(",")]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "served", stages[-1], but=told.without)
        with undisturbed(served, Path(folder) / "undisturbed", stages, part.tables) as story:
            for seed in range(told.seed, told.seed + told.rounds):
                for place in part.places:
                    say(f"seed {seed}, {PLACES[place].words}")
                    where = Path(folder) / f"{seed}-{place}"
                    if PLACES[place].driven:
                        outcome = driven.play(story, where, seed, on_aws=part.on_aws, each=told.each, say=say)
                    else:
                        calm, asked = told.from_stage - 1, [kind for kind in KINDS if kind.name in kinds]
                        outcome = play(story, where, seed, on=place, each=told.each, calm=calm, kinds=asked, say=say)
                    for read in outcome.unanswered[:TOLD]:
                        say(f"unanswered, one of {len(outcome.unanswered)}: {read[:200]}")
                    for wrong in outcome.wrong:
                        say(f"WRONG {wrong}")
                    outcomes.append(outcome)
    return outcomes


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

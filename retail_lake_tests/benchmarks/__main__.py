"""`python -m retail_lake_tests.benchmarks [--spark] [--ui] [--days N]`: what the pilot costs on this machine, as ratios.

Every figure is of a fresh process, in one run, so that the ratios mean something; the seconds are this machine's. Peak memory
is the process's largest resident size. `--ui` adds how quick the UI is with the year, some minutes, and `--spark` the year on the
`spark` engine, which takes many times as long.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

FIRST = date(2017, 1, 1)
MODULES = (
    "retail_lake.definitions",
    "retail_lake.jobs.__main__",
    "dagster",
    "great_expectations",
    "pyiceberg.catalog.sql",
    "duckdb",
    "sqlglot",
)


@dataclass(frozen=True)
class Cost:
    """Seconds of wall clock and megabytes of peak memory of one process, and what it printed."""

    seconds: float
    megabytes: float
    output: str = ""


def process(home: Path, *arguments: str) -> Cost:
    """Run Python with these arguments on a home folder. Raises CalledProcessError with its output if it fails."""
    environment = {**os.environ, "RETAIL_LAKE_HOME": str(home)}
    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=out, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        out.seek(0)
        output = out.read()
    if status and not home.joinpath("warehouse.duckdb").exists():
        raise subprocess.CalledProcessError(status, arguments, output)
    scale = 1024 if sys.platform != "darwin" else 1024 * 1024
    return Cost(seconds, used.ru_maxrss / scale, output)


def serve(home: Path, start: date, days: int) -> Cost:
    """Serve landed files, apart from what is measured."""
    code = (
        "import sys; from datetime import date; from retail_lake.demo.serve import serve;"
        "serve(sys.argv[1] + '/landing', sys.argv[1] + '/ledger', date.fromisoformat(sys.argv[2]), int(sys.argv[3]))"
    )
    return process(home, "-c", code, str(home), str(start), str(days))


def demo(home: Path, start: date, days: int, engine: str = "local") -> Cost:
    """`retail-lake demo` in a fresh process; the files are served already, so that only the lake's work is left."""
    return process(home, "-c", "from retail_lake.cli import main; main()", "demo", "--start", str(start), "--days", str(days),
                   "--engine", engine)  # fmt: skip


def floor(home: Path, days: int) -> float:
    """Seconds of the plain DuckDB script for the same days."""
    last = FIRST + timedelta(days=days - 1)
    database = home / "floor.duckdb"
    database.unlink(missing_ok=True)
    cost = process(home, "-m", "retail_lake_tests.benchmarks.floor", str(home), str(FIRST), str(last), str(database))
    return float(json.loads(cost.output.strip().splitlines()[-1])["seconds"])


def phases(home: Path, days: int) -> dict[str, float]:
    """Seconds by phase of the same days built without Dagster, into a lake of their own."""
    cost = process(home, "-m", "retail_lake_tests.benchmarks.phases", str(home), str(days))
    return dict(json.loads(cost.output.strip().splitlines()[-1]))


def measured(home: Path, what: str, *arguments: str) -> dict[str, float]:
    """What a module of this package measures, in the unit that each name ends with; seconds where it has none."""
    cost = process(home, "-m", f"retail_lake_tests.benchmarks.{what}", *arguments)
    return dict(json.loads(cost.output.strip().splitlines()[-1]))


def show(what: str, cost: Cost, *, to: float | None = None) -> None:
    ratio = f"{cost.seconds / to:8.2f} x floor" if to else ""
    print(f"{what:<44}{cost.seconds:9.1f} s {cost.megabytes:9,.0f} MB  {ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m retail_lake_tests.benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365, help="length of the long history (default: the year)")
    parser.add_argument("--ui", action="store_true", help="also ask the UI's questions of a webserver with the long history")
    parser.add_argument("--spark", action="store_true", help="also build the long history on the spark engine")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="retail_lake_benchmark_") as folder:
        root = Path(folder)
        month, year = root / "month", root / "year"
        show("serving the year's files", serve(year, FIRST, chosen.days + 1))
        serve(month, FIRST, 32)
        fresh = root / "fresh"
        serve(fresh, FIRST, 1)
        show("1 day in a fresh process and lake", demo(fresh, FIRST, 1))
        show("31 days", demo(month, FIRST, 31), to=floor(month, 31))
        base = floor(year, chosen.days)
        print(f"{'floor: plain DuckDB, ' + str(chosen.days) + ' days':<44}{base:9.1f} s")
        whole = demo(year, FIRST, chosen.days)
        show(f"{chosen.days} days, every check on", whole, to=base)
        show("the same again, nothing to do", demo(year, FIRST, chosen.days))
        after_month = demo(month, FIRST + timedelta(days=31), 1)
        after_year = demo(year, FIRST + timedelta(days=chosen.days), 1)
        show("one more day, with 31 days of history", after_month)
        show(f"one more day, with {chosen.days} days of history", after_year)
        print(f"{'  ratio':<44}{after_year.seconds / after_month.seconds:9.2f} x")
        print("\nwhere the time goes")
        for module in MODULES:
            show(f"  import {module}", process(fresh, "-c", f"import {module}"))
        spent = phases(year, chosen.days)
        for phase, seconds in spent.items():
            print(f"  {phase:<42}{seconds:9.1f} s")
        print(f"  {'Dagster: events, checks, warehouse (the rest)':<42}{whole.seconds - sum(spent.values()):9.1f} s")
        modules: dict[str, tuple[str, ...]] = {
            "what is deployed to AWS": ("artifact",),
            "a remote job besides its work": ("overhead",),
            "arrivals": ("arrivals",),
        }
        if chosen.ui:
            modules["the UI's slowest answers, seconds"] = ("ui", "--days", str(chosen.days))
        for title, arguments in modules.items():
            print(f"\n{title}")
            found = measured(fresh, *arguments)
            width = max(42, *map(len, found))
            for name, value in found.items():
                print(f"  {name:<{width}}{value:9.2f}")
        if chosen.spark:
            spark = root / "spark"
            serve(spark, FIRST, chosen.days)
            show(f"{chosen.days} days on the spark engine", demo(spark, FIRST, chosen.days, "spark"), to=base)


if __name__ == "__main__":
    main()

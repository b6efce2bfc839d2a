"""A process that materializes the chain and kills itself, as `kill -9` would, at a chosen point of a chosen table."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import great_expectations  # noqa: F401 - once, before the processes fork

from retail_lake.jobs import duckdb_session, program
from retail_lake.lake import lake as lake_module
from retail_lake.lake import publications, publish
from retail_lake_tests.lake.chain import CHAIN, build, settings

# What is done last (or, with False, what comes next) when the process is killed.
POINTS: dict[str, tuple[Any, str, bool]] = {
    "while staging": (duckdb_session.DuckDBSession, "stage", True),
    "before the audit": (program, "audit", False),
    "after the quarantine's commit": (publish, "_commit_quarantine", True),
    "with the rows ready to commit": (publish, "_assert_staged", True),
    "before the record": (lake_module.Lake, "record", False),
    "while recording": (publications, "to_arrow", True),
}


def run(home: Path, landing: Path, days: list[date], table: str, point: str) -> None:
    """Build the days up to that table, undisturbed, and then the table up to that point."""
    lake = lake_module.Lake(settings(home, landing))
    build(lake, days, CHAIN[: CHAIN.index(table)], run_id="killed")
    owner, name, done = POINTS[point]
    original: Callable[..., object] = getattr(owner, name)

    def die(*args: object, **kwargs: object) -> None:
        if done:
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)
    build(lake, days, [table], run_id="killed")

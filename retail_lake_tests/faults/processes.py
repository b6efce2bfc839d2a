"""Which processes there are: of process groups, by what the operating system says.

Belongs here: asking `ps`. Does not: starting or ending any.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection
from typing import NamedTuple


class Process(NamedTuple):
    """A process, by its id, and what it runs."""

    pid: int
    command: str


def members(groups: Collection[int]) -> list[Process]:
    """The processes of these process groups, but for the dead that nobody has asked after."""
    # As wide as it takes: where the environment says how wide a terminal is, `ps` keeps to that, and cuts what a process runs.
    ask = ["ps", "-A", "-ww", "-o", "pgid=,stat=,pid=,args="]
    listed = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 3) for line in listed.splitlines()]
    return [Process(int(row[2]), row[3]) for row in rows if len(row) > 3 and int(row[0]) in groups and row[1][0] != "Z"]

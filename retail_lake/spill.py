"""Where DuckDB puts what its memory limit does not hold: in the home, a folder for each connection.

Belongs here: the place, and taking away what a killed process left there. Does not: the limit, which is a setting.
"""

from __future__ import annotations

import shutil
import time
import uuid
from pathlib import Path
from typing import Final

from retail_lake.config import Settings

_PREFIX: Final = "spill-"
_LEFT_BEHIND: Final = 2 * 24 * 3600
"""Seconds after which a folder belongs to nobody: no query runs that long."""


def spill_folder(settings: Settings) -> Path:
    """A new connection's folder, its own: DuckDB's files in it have fixed names. It is made by the first query that spills, and
    taken away by DuckDB when the connection closes, because it was not there before.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    long_ago = time.time() - _LEFT_BEHIND
    for folder in settings.home.glob(f"{_PREFIX}*"):
        if _changed(folder) < long_ago:
            shutil.rmtree(folder, ignore_errors=True)
    return settings.home / f"{_PREFIX}{uuid.uuid4().hex}"


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # its connection has closed meanwhile
        return time.time()

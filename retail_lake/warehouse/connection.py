"""The warehouse file within a connection: one writer at a time, anyone else waits a bounded time and is told for whom.

Belongs here: attaching the file, and its lock. Does not: the connection (`duckdb_connection.py`), or what is done with it.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retail_lake.failure import DataFailure, TransientFailure
from retail_lake.sql.quote import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_DAMAGED: Final = re.compile("not a valid DuckDB database|could not read enough bytes|corrupt", re.IGNORECASE)


def attach(connection: DuckDBPyConnection, path: Path, *, read_only: bool, wait: float) -> None:
    """Attach the warehouse file as `warehouse`, created if it is not there.

    Waits up to `wait` seconds for another process that holds its lock, then raises `TransientFailure` naming it. Raises
    `DataFailure` for a file that is no database, or not a whole one.
    """
    import duckdb

    options = " (READ_ONLY)" if read_only else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    until, pause = time.monotonic() + wait, 0.05
    while True:
        try:
            connection.execute(f"ATTACH {literal(str(path))} AS warehouse{options}")
            return
        except duckdb.IOException as error:
            if _DAMAGED.search(str(error)):
                raise DataFailure(
                    f"The warehouse {path} is damaged ({error}). Move the file away, and load a new one from the lake: "
                    "retail-lake reload --all"
                ) from error
            if "lock" not in str(error):
                raise
            if time.monotonic() >= until:
                holder = re.search(r"held in (.+?\(PID \d+\))", str(error))
                raise TransientFailure(
                    f"The warehouse {path} is in use by {holder[1] if holder else 'another process'}, and still was after "
                    f"{wait:g} s. DuckDB lets one process write: close that program or wait for its load to end, then try again."
                ) from None
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

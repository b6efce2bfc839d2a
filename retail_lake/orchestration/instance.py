"""The Dagster instance under `RETAIL_LAKE_HOME`, shared by `retail-lake demo` and `retail-lake ui`.

Belongs here: making it and pointing a process at it. Does not: what is stored (`event_storage.py`) or run (`run.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    import dagster as dg

    from retail_lake.config import Settings

INSTANCE_FILE = "dagster.yaml"
WORKSPACE_FILE = "workspace.yaml"


def project_file(name: str) -> Path:
    """One of the two files Dagster looks for: at the top of a checkout, or inside the installed package."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package, package.parent):
        if (folder / name).is_file():
            return folder / name
    raise ConfigurationFailure(f"{name} is missing from {package}: install retail-lake again.")


def environment(settings: Settings) -> dict[str, str]:
    """What a Dagster process needs to see to share the instance; the instance's folder is made if it is not there."""
    home = settings.home.absolute()
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    wanted, there = project_file(INSTANCE_FILE).read_bytes(), folder / INSTANCE_FILE
    if not there.exists() or there.read_bytes() != wanted:
        # Another process may be reading it.
        new = folder / f".{INSTANCE_FILE}.{os.getpid()}"
        new.write_bytes(wanted)
        new.replace(there)
    return {"RETAIL_LAKE_HOME": str(home), "DAGSTER_HOME": str(folder), "DAGSTER_DISABLE_TELEMETRY": "1"}


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance, for this process to run in or read. Sets the process's environment to it."""
    os.environ.update(environment(settings))
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        yield instance

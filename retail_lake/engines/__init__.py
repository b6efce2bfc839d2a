"""What runs a job, by name. Belongs here: engines and nothing about what they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retail_lake.config import ENGINES
from retail_lake.engines.base import Engine
from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    from retail_lake.config import Settings


def local_engine(settings: Settings, name: str | None = None) -> Engine:
    """The engine of that name that runs in this process (`local` unless said). Raises `ConfigurationFailure` for others."""
    from retail_lake.engines.local import LocalEngine
    from retail_lake.engines.spark import SparkEngine

    engines: dict[str, type[LocalEngine] | type[SparkEngine]] = {"local": LocalEngine, "spark": SparkEngine}
    chosen = name or "local"
    if chosen not in engines:
        raise ConfigurationFailure(f"{chosen!r} does not run in this process; give one of {', '.join(engines)}")
    return engines[chosen](settings)


def check_name(name: str) -> None:
    """Raise `ConfigurationFailure` if there is no engine of that name."""
    if name not in ENGINES:
        raise ConfigurationFailure(f"There is no engine {name!r}: give one of {', '.join(ENGINES)}.")

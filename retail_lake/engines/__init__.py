"""What runs a job, by name. Belongs here: engines and nothing about what they run."""

from __future__ import annotations

from retail_lake.config import Settings
from retail_lake.engines.base import Engine
from retail_lake.failure import ConfigurationFailure


def engine(settings: Settings, name: str | None = None) -> Engine:
    """The engine of that name, or the one of the settings. Raises `ConfigurationFailure` for an unknown name."""
    from retail_lake.engines.local import LocalEngine
    from retail_lake.engines.spark import SparkEngine

    engines: dict[str, type[LocalEngine] | type[SparkEngine]] = {"local": LocalEngine, "spark": SparkEngine}
    chosen = name or settings.engine
    if chosen not in engines:
        raise ConfigurationFailure(f"there is no engine {chosen!r}; RETAIL_LAKE_ENGINE is one of {', '.join(engines)}")
    return engines[chosen](settings)

"""Dagster resources that hand out plain domain objects: the lake, the engines, the warehouse, Athena.

Belongs here: opening those from the settings, on use. Does not: the settings (`config.py`), or what an object does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from retail_lake.config import ENGINES
from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    from retail_lake.config import Settings


@dataclass
class Opener:
    """Something that is opened when it is first used, and stays open: loading the definitions must open nothing."""

    open: Callable[[], Any]
    _opened: list[Any] = field(default_factory=list)
    _opening: threading.Lock = field(default_factory=threading.Lock)

    @property
    def it(self) -> Any:
        """The object itself, the same for every thread."""
        with self._opening:
            if not self._opened:
                self._opened.append(self.open())
            return self._opened[0]


def _lake(settings: Settings) -> Any:
    from retail_lake.lake.lake import Lake

    return Lake(settings)


def _warehouse(settings: Settings) -> Any:
    from retail_lake.warehouse import open_warehouse

    return open_warehouse(settings)


def _athena(settings: Settings) -> Any:
    from retail_lake.warehouse.athena import Athena

    return Athena(settings)


def _engine(settings: Settings, name: str) -> Any:
    if name == "spark":
        return _spark(settings)
    from retail_lake.engines import open_engine

    return open_engine(settings, name)


def _spark(settings: Settings) -> Any:
    """The engine on the session of `dagster-pyspark`, which starts with the first job."""
    from retail_lake.engines.spark import SparkEngine
    from retail_lake.engines.spark_session import local_settings, prepare

    prepare()
    try:
        from dagster_pyspark import LazyPySparkResource
    except ImportError:
        raise ConfigurationFailure("The spark engine needs dagster-pyspark: install retail-lake[spark].") from None
    pyspark = LazyPySparkResource(spark_config=local_settings())
    return SparkEngine(settings, lambda: pyspark.spark_session)


def default_resources(settings: Settings) -> dict[str, dg.ResourceDefinition]:
    """`lake`, `warehouse`, the engines by their names, and `athena` for assets that ask it something."""
    opens: dict[str, Callable[[], Any]] = {
        "lake": partial(_lake, settings),
        "warehouse": partial(_warehouse, settings),
        "athena": partial(_athena, settings),
        **{name: partial(_engine, settings, name) for name in ENGINES},
    }
    return {name: resource(opens[name]) for name in opens}


def resource(opens: Callable[[], Any]) -> dg.ResourceDefinition:
    """A resource whose object `opens` makes on first use; used by tests to bring their own."""
    return dg.ResourceDefinition(lambda _: Opener(opens))

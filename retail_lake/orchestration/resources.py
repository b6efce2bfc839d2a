"""Dagster resources that hand out plain domain objects: the lake, the engines, the warehouse.

Belongs here: opening those from the settings, on use. Does not: the settings (`config.py`), or what an object does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import dagster as dg

from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    from retail_lake.config import Settings


@dataclass
class Opener:
    """Something that is opened when it is first used, and stays open: loading the definitions must open nothing."""

    open: Callable[[], Any]

    @cached_property
    def it(self) -> Any:
        """The object itself."""
        return self.open()


def _lake(settings: Settings) -> Any:
    from retail_lake.lake.lake import Lake

    return Lake(settings)


def _warehouse(settings: Settings) -> Any:
    from retail_lake.warehouse.duckdb import DuckDBWarehouse

    return DuckDBWarehouse(settings)


def _local(settings: Settings) -> Any:
    from retail_lake.engines.local import LocalEngine

    return LocalEngine(settings)


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
    """`lake`, `warehouse` and the engines by their names."""
    opens: dict[str, Callable[[], Any]] = {
        "lake": lambda: _lake(settings),
        "warehouse": lambda: _warehouse(settings),
        "local": lambda: _local(settings),
        "spark": lambda: _spark(settings),
    }
    return {name: resource(opens[name]) for name in opens}


def resource(opens: Callable[[], Any]) -> dg.ResourceDefinition:
    """A resource whose object `opens` makes on first use; used by tests to bring their own."""
    return dg.ResourceDefinition(lambda _: Opener(opens))

"""What runs a job, by name. Belongs here: engines and nothing about what they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retail_lake.config import ENGINES, REMOTE
from retail_lake.engines.base import Engine
from retail_lake.failure import ConfigurationFailure

if TYPE_CHECKING:
    from retail_lake.config import EngineName, Settings
    from retail_lake.engines.control import Control


def open_engine(settings: Settings, name: str) -> Engine:
    """The engine of that name; a remote one hears nothing of its jobs but their reports, until it is `heard`.

    Nothing is asked of AWS yet. Raises `ConfigurationFailure` if there is no such engine, or the settings do not do for it.
    """
    check_name(name)
    if name not in REMOTE:
        return local_engine(settings, name)
    from retail_lake.engines.remote import RemoteEngine

    return RemoteEngine(settings, open_control(settings, name))


def open_control(settings: Settings, name: EngineName) -> Control:
    """The service behind a remote engine. Raises `ConfigurationFailure` when the settings do not do for it."""
    settings.check_engine(name)
    if name == "glue":
        from retail_lake.engines.glue import Glue

        return Glue(settings)
    if name == "emr_serverless":
        from retail_lake.engines.emr_serverless import EmrServerless

        return EmrServerless(settings)
    if name == "emr":
        from retail_lake.engines.emr import Emr

        return Emr(settings)
    from retail_lake.engines.awslambda import AwsLambda

    return AwsLambda(settings)


def local_engine(settings: Settings, name: str | None = None, *, session: str = "local") -> Engine:
    """The engine of that name that runs in this process (`local` unless said). Raises `ConfigurationFailure` for others.

    `session` says which Spark the `spark` engine runs on: one on this machine (`local`), or the one that runs this program
    (`cluster`).
    """
    from retail_lake.engines.local import LocalEngine
    from retail_lake.engines.spark import SparkEngine
    from retail_lake.engines.spark_session import cluster_session, local_session

    chosen = name or "local"
    if chosen == "local":
        return LocalEngine(settings)
    if chosen == "spark":
        return SparkEngine(settings, cluster_session if session == "cluster" else local_session)
    raise ConfigurationFailure(f"{chosen!r} does not run in this process; give local or spark")


def check_name(name: str) -> None:
    """Raise `ConfigurationFailure` if there is no engine of that name."""
    if name not in ENGINES:
        raise ConfigurationFailure(f"There is no engine {name!r}: give one of {', '.join(ENGINES)}.")

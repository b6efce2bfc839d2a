"""The command line of spark-submit, as far as jobs use it: read strictly, carried out in the job's own Python.

Belongs here: the options and what they mean for a Python program. Does not: the services that hand them over.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from retail_lake_tests.aws.environments import Environments
from retail_lake_tests.aws.job import Unstartable
from retail_lake_tests.aws.processes import Program
from retail_lake_tests.aws.spark_image import SparkImage

_VALUES = {
    "--name": "spark.app.name",
    "--master": "spark.master",
    "--deploy-mode": "spark.submit.deployMode",
    "--archives": "spark.archives",
    "--py-files": "spark.submit.pyFiles",
    "--driver-memory": "spark.driver.memory",
    "--driver-cores": "spark.driver.cores",
    "--executor-memory": "spark.executor.memory",
    "--executor-cores": "spark.executor.cores",
    "--num-executors": "spark.executor.instances",
    "--queue": "spark.yarn.queue",
}
_FLAGS = ("--verbose",)
_PYTHON_SETTINGS = (
    "spark.pyspark.driver.python",
    "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON",
    "spark.emr-serverless.driverEnv.PYSPARK_PYTHON",
    "spark.yarn.appMasterEnv.PYSPARK_DRIVER_PYTHON",
    "spark.yarn.appMasterEnv.PYSPARK_PYTHON",
    "spark.pyspark.python",
)
"""What names the driver's Python, the first that is set counting."""
_ENVIRONMENTS = ("spark.emr-serverless.driverEnv.", "spark.yarn.appMasterEnv.")


@dataclass(frozen=True)
class Submission:
    """A Python program for Spark: its settings, the address of its entry script and the script's arguments."""

    entry: str
    arguments: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_cluster(self) -> bool:
        """Whether the driver runs on the cluster, its output in a container's log."""
        return self.settings.get("spark.submit.deployMode") == "cluster"


def options(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The settings that options stand for, and what follows them. Raises `Unstartable` for an option that is not known."""
    settings: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-"):
        name = rest.pop(0)
        name, equals, given = name.partition("=")
        if name in _FLAGS:
            continue
        if name != "--conf" and name not in _VALUES:
            raise Unstartable(f"Error: Unrecognized option: {name}")
        if not equals and not rest:
            raise Unstartable(f"Error: Missing argument for option '{name}'.")
        value = given if equals else rest.pop(0)
        if name == "--conf":
            key, equals, value = value.partition("=")
            if not equals:
                raise Unstartable(f"Error: Spark config without '=': {key}")
            settings[key] = value
        else:
            settings[_VALUES[name]] = value
    return settings, rest


def command(words: Sequence[str]) -> Submission:
    """The submission that a whole command line stands for, the first word being `spark-submit`."""
    if not words or words[0] != "spark-submit":
        raise Unstartable(f"Cannot run program {' '.join(words[:1]) or '(nothing)'}: only spark-submit is known here")
    settings, rest = options(words[1:])
    if not rest:
        raise Unstartable("Error: Missing application resource.")
    return Submission(rest[0], tuple(rest[1:]), settings)


def parameters(text: str) -> dict[str, str]:
    """The settings in a string of options, as EMR Serverless takes them."""
    settings, rest = options(shlex.split(text))
    if rest:
        raise Unstartable(f"Error: unexpected {rest[0]!r} among the spark-submit parameters")
    return settings


def program(
    job: Path, submission: Submission, environments: Environments, image: SparkImage, variables: Mapping[str, str]
) -> Program:
    """What to start for a submission: its archives unpacked where it expects them, its own Python, the image's Spark."""
    settings = dict(submission.settings)
    for archive in filter(None, settings.pop("spark.archives", "").split(",")):
        uri, _, name = archive.partition("#")
        (job / (name or uri.rpartition("/")[2])).symlink_to(environments.archive(uri))
    script = environments.download(submission.entry, job / submission.entry.rpartition("/")[2])
    chosen = next((settings[name] for name in _PYTHON_SETTINGS if name in settings), "")
    python = os.path.normpath(job / chosen) if chosen.startswith(".") else chosen or str(environments.bare())
    if not Path(python).exists():
        raise Unstartable(f'Cannot run program "{chosen}": error=2, No such file or directory')
    named = {n.removeprefix(p): v for n, v in settings.items() for p in _ENVIRONMENTS if n.startswith(p)}
    environment = {**variables, **named, **image.environment(job, settings), "PYSPARK_PYTHON": python}
    environment.pop("PYSPARK_DRIVER_PYTHON", None)
    return Program((python, str(script), *image.arguments(job, list(submission.arguments))), job, environment)

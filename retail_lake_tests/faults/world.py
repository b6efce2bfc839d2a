"""A lake of its own, in which anything may happen: its places, its clock, the processes that were started in it.

Belongs here: what a fault can get hold of. Does not: what happens, or what should come of it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from retail_lake.config import PREFIX, Settings
from retail_lake_tests.faults import disk
from retail_lake_tests.faults.processes import members
from retail_lake_tests.faults.run import Asked, Run
from retail_lake_tests.s3 import ENVIRONMENT

if TYPE_CHECKING:
    from retail_lake_tests.faults.cloud import Cloud
    from retail_lake_tests.faults.flaky_s3 import FlakyS3

LAST_DAY = date(2017, 1, 31)


class World:
    """A lake in a folder, or (`s3`) its lake and landing in a bucket, or (`aws`) everything on an AWS. Where the machine has it,
    the disk is its own.

    `environment` is what its processes see, `settings` what a reader of it does.
    """

    def __init__(
        self,
        folder: Path,
        first: date,
        s3: FlakyS3 | None = None,
        *,
        aws: Cloud | None = None,
        own_disk: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder, self.s3, self.aws, self.clock = folder, s3, aws, 0.0
        self.tables: list[str] | None = None
        """What its runs build; None: everything."""
        self.disk = disk.Disk(folder / "disk") if own_disk and disk.available() else None
        self.home = folder / "disk" / "home" if self.disk else folder / "home"
        self.home.mkdir(parents=True)
        self._landing = folder / "landing"
        self.environment = {
            f"{PREFIX}HOME": str(self.home),
            f"{PREFIX}LANDING_URI": str(self._landing),
            f"{PREFIX}FIRST_DAY": first.isoformat(),
            f"{PREFIX}LAST_DAY": LAST_DAY.isoformat(),
            f"{PREFIX}THREADS": "2",
            **(more or {}),
            **(aws.environment if aws else {}),
        }
        if s3:
            self._prefix = f"{folder.name}/landing"
            self.environment |= {
                f"{PREFIX}LAKE_URI": f"s3://{s3.bucket}/{folder.name}/lake",
                f"{PREFIX}LANDING_URI": f"s3://{s3.bucket}/{self._prefix}",
                f"{PREFIX}S3_ENDPOINT": s3.endpoint,
                **ENVIRONMENT,
            }
        self.runs: list[Run] = []
        self.groups: set[int] = set()
        """Process groups of whatever else was started here."""
        self.failed: list[str] = []
        """What went wrong in them, though it is to cope with anything."""
        self.reading = self.environment | ({f"{PREFIX}S3_ENDPOINT": s3.direct} if s3 else {}) | (aws.reading if aws else {})
        given = {name.removeprefix(PREFIX).lower(): value for name, value in self.reading.items() if name.startswith(PREFIX)}
        self.settings = Settings.model_validate(given)

    def put(self, key: str, content: bytes) -> None:
        """Land a file, whole or not at all, as S3 does and whoever moves a finished file into place."""
        if self.s3:
            self.s3.put(f"{self._prefix}/{key}", content)
            return
        if self.aws:
            self.aws.put(key, content)
            return
        target = self._landing / key
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}")
        unfinished.write_bytes(content)
        unfinished.replace(target)

    def start(self, first: date, last: date, *, force: bool = False) -> Run:
        """Start a run of the world's tables for these days."""
        run = Run(self.environment, Asked(first, last, self.tables, force, self.clock), self.folder / "runs.log")
        self.runs.append(run)
        return run

    def left(self) -> list[str]:
        """Processes that are still there, of all that were started here."""
        there = [each.command for each in members(self.groups | {run.group for run in self.runs})]
        return there + (self.aws.left() if self.aws else [])

    def said(self) -> str:
        """The end of what its runs left in their log."""
        log = self.folder / "runs.log"
        return log.read_text(errors="replace")[-4000:] if log.exists() else ""

    def close(self) -> None:
        """End what is left and remove everything."""
        for run in self.runs:
            if run.process.exitcode is None:
                run.process.kill()
                run.process.join()
        if self.disk:
            self.disk.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def local(folder: Path, first: date) -> World:
    """A world on a local path, with a disk of its own where there can be one."""
    return World(folder, first, own_disk=True)


def on_s3(folder: Path, first: date, chance: random.Random) -> World:
    """A world whose lake and landing are in a bucket of a server of its own."""
    from retail_lake_tests.faults.flaky_s3 import FlakyS3

    return World(folder / "world", first, FlakyS3(folder / "s3", chance))


def on_aws(folder: Path, first: date) -> World:
    """A world whose lake, jobs and warehouse are on an AWS of its own."""
    from retail_lake_tests.faults.cloud import Cloud

    return World(folder / "world", first, aws=Cloud(folder / "aws", folder / "world" / "home"))

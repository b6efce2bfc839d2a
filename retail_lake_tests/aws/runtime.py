"""What the services that run jobs share: the environments, the image, the jobs that run, and where logs go.

Belongs here: one per AWS, made when first needed. Does not: how a service describes a job or words a state.
"""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retail_lake_tests.aws.environments import Environments
from retail_lake_tests.aws.job import Job
from retail_lake_tests.aws.mount import Mount
from retail_lake_tests.aws.processes import Program
from retail_lake_tests.aws.service import ACCOUNT, REGION
from retail_lake_tests.aws.spark_image import SparkImage

if TYPE_CHECKING:
    from retail_lake_tests.aws.server import Aws

LATE = 0.5
"""Seconds after a job's end until its log is in S3, where services take minutes."""


class Runtime:
    """Runs jobs of one AWS. `spark_packages` by Spark version (`3.5`): where another PySpark than this process's is."""

    def __init__(self, aws: Aws) -> None:
        self._aws, self._folder = aws, aws.folder / "runtime"
        self._mount = Mount(aws.s3, self._folder / "buckets")
        self._images: dict[str, SparkImage] = {}
        self.spark_packages: dict[str, Path] = {}
        self.jobs: list[Job] = []
        self._logging = threading.Lock()
        self._copies: list[threading.Timer] = []

    @cached_property
    def s3(self) -> Any:
        """A client of the S3 server."""
        return self._aws.client("s3", attempts=3)

    @cached_property
    def environments(self) -> Environments:
        """The environments of deployed artifacts."""
        return Environments(self._folder / "environments", self.s3)

    def image(self, spark: str = "") -> SparkImage:
        """The image of a Spark version (`3.5`); this process's own PySpark where no other is known."""
        packages = self.spark_packages.get(spark)
        name = spark if packages else "own"
        if name not in self._images:
            self._images[name] = SparkImage(self._folder / f"image-{name}", self._mount, self.s3, packages)
        return self._images[name]

    @property
    def variables(self) -> dict[str, str]:
        """What a job sees of the network around it: where AWS is, who it is. Settings of the project are not among it."""
        return {name: value for name, value in self._aws.environment.items() if name.startswith("AWS_")}

    def run(
        self,
        service: str,
        name: str,
        params: Mapping[str, Any],
        prepare: Callable[[Path], Program],
        *,
        timeout: float,
        heard: Callable[[str, bytes], None] | None = None,
        ended: Callable[[Job], None] | None = None,
        start: bool = True,
    ) -> Job:
        """A job in a folder of its own, started unless told otherwise, with the fault that is due for that service."""
        folder = self._folder / "jobs" / name
        folder.mkdir(parents=True)
        fault = self._aws.faults.due_job(service, params)
        job = Job(folder, prepare, timeout=timeout, fault=fault, heard=heard, ended=ended)
        self.jobs.append(job)
        if start:
            job.start()
        return job

    def log(self, group: str, stream: str, data: bytes) -> None:
        """Lines of a log stream in CloudWatch Logs; group and stream are made where they are not there."""
        from moto.logs.models import logs_backends

        backend = logs_backends[ACCOUNT][REGION]
        with self._logging:
            if group not in backend.groups:
                backend.create_log_group(group, {})
            backend.ensure_log_stream(group, stream)
            now = int(time.time() * 1000)
            lines = [line for line in data.decode(errors="replace").splitlines() if line]
            backend.put_log_events(group, stream, [{"timestamp": now, "message": line} for line in lines])

    def archive_log(self, uri: str, text: str, late: float = LATE) -> None:
        """A gzipped log file in S3, where services put them some time after a job has ended: `late` in seconds."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        file = {"Bucket": bucket, "Key": key, "Body": gzip.compress(text.encode())}
        copy = threading.Timer(late, self.s3.put_object, kwargs=file)
        copy.daemon = True
        self._copies.append(copy)
        copy.start()

    def stop(self) -> None:
        """End every job and wait for it, and forget them, with the logs that are not there yet."""
        for job in self.jobs:
            job.cancel()
        for job in self.jobs:
            job.wait(30)
        self.jobs.clear()
        for copy in self._copies:
            copy.cancel()
            copy.join()
        self._copies.clear()

    def close(self) -> None:
        """End every job and unmount the buckets."""
        try:
            self.stop()
        finally:
            self._mount.close()

"""An AWS that executes, of a world's own, with the project deployed to it; and what a fault can get hold of there.

Belongs here: making it, its jobs that run, its warehouse. Does not: what happens to those (`kinds/`), or AWS itself (`aws/`).
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

from retail_lake.config import PREFIX
from retail_lake_tests.arrivals.world import message, record
from retail_lake_tests.faults.fault import TooLate

if TYPE_CHECKING:
    from retail_lake_tests.aws.job import Job
    from retail_lake_tests.faults.run import Run

TABLES: Final = ("gold.fact_redemption",)
"""What a round on AWS is about, with all it is built from: small, with days and without, in the lake and in the warehouse."""
_LAKE: Final = "faults"
_SETTINGS: Final = {"poll_seconds": "0.5", "jobs_at_once": "2", "engine_analytics": "glue"}
"""Small files are read in by Lambda, everything else is Glue's."""
_LOOK: Final = 0.05
_TWICE: Final = 5
"""Of so many announcements one comes twice."""


class Cloud:
    """`environment` is what the flow sees of it, `reading` what readers see besides: PostgreSQL, by libpq's own variables.

    What AWS's clients need is in this process's environment too, until it is closed. If it is `announcing`, a queue is told of
    what lands, of some of it twice.
    """

    def __init__(self, folder: Path, home: Path, *, announcing: bool = False) -> None:
        from retail_lake_tests.aws.postgres import USER
        from retail_lake_tests.aws.redshift import RedshiftData
        from retail_lake_tests.aws.redshift_runs import DATABASE
        from retail_lake_tests.aws.server import Aws, variables
        from retail_lake_tests.aws.services import all_services
        from retail_lake_tests.s3 import serve

        with ExitStack() as opened:
            for each in ("s3", "aws"):
                (folder / each).mkdir(parents=True)
            self._aws = Aws(opened.enter_context(serve(folder / "s3")), folder / "aws", all_services())
            self._aws.start()
            opened.callback(self._aws.close)
            # Moto has one memory for all rounds of a process.
            self._aws.reset()
            self._aws.runtime.image().reason = "no fault here has to do with Spark"
            redshift = self._aws.services["redshift-data"]
            assert isinstance(redshift, RedshiftData)
            self.redshift = redshift
            self.reading = {"PGHOST": str(redshift.server().folder), "PGUSER": USER, "PGDATABASE": DATABASE}
            clients = {name: value for name, value in self._aws.environment.items() if name.startswith("AWS_")}
            opened.enter_context(variables(clients | self.reading))
            self._queue = self._aws.client("sqs").create_queue(QueueName="arrivals")["QueueUrl"] if announcing else ""
            self.environment = clients | self._deployed(folder / "artifact", home)
            self._s3: Any = self._aws.client("s3", attempts=3)
            self._sqs: Any = self._aws.client("sqs")
            self._puts = 0
            self._end = opened.pop_all()

    def _deployed(self, folder: Path, home: Path) -> dict[str, str]:
        """The settings of an account to which this checkout has been deployed."""
        from retail_lake.deploy import artifact
        from retail_lake_tests.aws.account import deploy, prepare

        account = prepare(self._aws, home, _LAKE, **_SETTINGS, arrival_queue=self._queue)
        plan = artifact.blueprint(account.settings, python=f"{sys.version_info[0]}.{sys.version_info[1]}")
        deploy(self._aws, account, artifact.build(plan, folder, glibc=None))
        # Nobody asks for the tags here.
        return {name: value for name, value in account.environment.items() if name != f"{PREFIX}TAGS"}

    def put(self, key: str, content: bytes) -> None:
        """Land an object."""
        bucket, whole = self._aws.s3.bucket, f"{_LAKE}/landing/{key}"
        etag = self._s3.put_object(Bucket=bucket, Key=whole, Body=content)["ETag"].strip('"')
        if not self._queue:
            return
        self._puts += 1
        # As S3 says it: the key quoted, the etag bare, a sequencer that grows.
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
        told = message(
            record(quote_plus(whole, "/"), bucket=bucket, etag=etag, sequencer=f"{self._puts:X}", size=len(content), at=now)
        )
        for _ in range(2 if self._puts % _TWICE == 0 else 1):
            self._sqs.send_message(QueueUrl=self._queue, MessageBody=told)

    def job(self, run: Run, seconds: float) -> Job:
        """Wait for a job of this run whose program has been at work for so long. Raises `TooLate` if there comes none."""
        from retail_lake_tests.aws.job import Phase

        while run.wait(_LOOK):
            for job in list(self._aws.runtime.jobs):
                if job.created >= run.started and job.phase is Phase.RUNNING and job.seconds >= seconds:
                    return job
        raise TooLate

    def left(self) -> list[str]:
        """The programs of jobs that are still there."""
        jobs = {job.folder.name: job.process for job in self._aws.runtime.jobs if job.process}
        return [f"process {pid} of {name}" for name, process in jobs.items() for pid in process.alive()]

    def close(self) -> None:
        """End everything."""
        self._end.close()

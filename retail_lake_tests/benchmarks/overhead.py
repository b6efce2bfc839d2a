"""What a remote job costs besides its own work: `python -m retail_lake_tests.benchmarks.overhead`.

Runs one small table on Lambda and on Glue on the AWS that executes, with jobs that need no Spark, and prints as JSON the seconds
from the start of the run to the submission, from there to the job's first byte of output (the service's own start included, which
is another one on AWS), and from its last byte to the materialization in Dagster.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path

DAY = date(2017, 1, 1)
TABLE = "bronze.redemptions"


def main() -> None:
    from retail_lake.config import Settings
    from retail_lake.demo.serve import serve
    from retail_lake.deploy import artifact
    from retail_lake_tests import s3 as s3_server
    from retail_lake_tests.aws import server
    from retail_lake_tests.aws.services import all_services
    from retail_lake_tests.on_aws.lakes import open_lake

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("s3", "aws", "home"):
            (root / name).mkdir()
        plan = artifact.blueprint(Settings(), python=f"{sys.version_info[0]}.{sys.version_info[1]}")
        built = artifact.build(plan, root / "built", glibc=None)
        with s3_server.serve(root / "s3") as s3, server.serve(s3, root / "aws", all_services()) as aws:
            aws.runtime.image().reason = "Spark's own start is not what is measured"
            days = {"first_day": str(DAY), "last_day": str(DAY)}
            with open_lake(aws, built, "overhead", root / "home", **days) as settings:
                serve(settings.landing_uri, root / "ledger", DAY, 1, s3_endpoint=settings.s3_endpoint, region=settings.region)
                for engine in ("awslambda", "glue"):
                    measured(engine, aws, settings)  # the environment of the artifact is made once
                    for what, seconds in measured(engine, aws, settings).items():
                        found[f"{engine}: {what}, s"] = seconds
    print(json.dumps(found))


def measured(engine: str, aws: object, settings: object) -> dict[str, float]:
    """The seconds of one run."""
    import dagster as dg

    from retail_lake.config import Settings
    from retail_lake.orchestration.instance import open_instance
    from retail_lake.orchestration.run import materialize_range
    from retail_lake_tests.aws.server import Aws

    assert isinstance(aws, Aws)
    assert isinstance(settings, Settings)
    before, first = len(aws.runtime.jobs), list[float]()

    def watch() -> None:
        while not first:
            for job in aws.runtime.jobs[before:]:
                if job.text("stdout"):
                    first.append(time.time())
            time.sleep(0.02)

    threading.Thread(target=watch, daemon=True).start()
    done = materialize_range([TABLE], DAY, DAY, settings=settings, engine=engine, force=True)
    assert done.success, done.problems
    with open_instance(settings) as instance:
        run = instance.get_run_record_by_id(done.run_id)
        told = instance.all_logs(done.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert run is not None
    assert run.start_time is not None
    (job,) = aws.runtime.jobs[before:]
    return {
        "run to submission": job.created - run.start_time,
        "submission to first byte": first[0] - job.created,
        "last byte to materialization": told[0].timestamp - (job.folder / "stdout").stat().st_mtime,
    }


if __name__ == "__main__":
    main()

"""Real Spark in a Glue job reads and writes `s3://` on the S3 server; without a FUSE device the local engine takes its place."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retail_lake_tests.aws.mini import Mini
from retail_lake_tests.aws.mount import unavailable
from retail_lake_tests.aws.server import Aws

COPY = """
    import sys
    from pyspark.sql import SparkSession
    given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    spark = SparkSession.builder.getOrCreate()
    rows = spark.read.parquet(given["--source"])
    rows.selectExpr("day", "amount * 2 AS twice").write.mode("overwrite").parquet(given["--target"])
    print(spark.conf.get("spark.sql.session.timeZone"), spark.conf.get("spark.master"), spark.version)
"""


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_spark_reads_and_writes_objects(aws: Aws, mini: Mini) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"day": ["2017-01-01", "2017-01-02"], "amount": [1, 2]}), buffer)
    source = mini.put("spark/in/rows.parquet", buffer.getvalue())
    mini.glue_job(mini.entry(COPY))
    target = f"s3://{aws.s3.bucket}/not-there-before/deep/out"
    run = mini.glue_ended(mini.glue_run(source=source, target=target, conf="spark.sql.session.timeZone=UTC"), 120)
    job = aws.runtime.jobs[-1]
    assert run["JobRunState"] == "SUCCEEDED", job.text("stderr")
    zone, master, version = job.text("stdout").split()
    assert (zone, master) == ("UTC", "local[2]")
    assert version.startswith("4.1.")
    listed = mini.s3.list_objects_v2(Bucket=aws.s3.bucket, Prefix="not-there-before/")["Contents"]
    keys = [o["Key"] for o in listed]
    assert not [key for key in keys if "crc" in key or "_temporary" in key]
    found = [
        row
        for key in keys
        if key.endswith(".parquet")
        for row in pq.read_table(io.BytesIO(mini.s3.get_object(Bucket=aws.s3.bucket, Key=key)["Body"].read())).to_pylist()
    ]
    assert sorted(found, key=lambda row: row["day"]) == [{"day": "2017-01-01", "twice": 2}, {"day": "2017-01-02", "twice": 4}]


def test_without_a_mount_a_job_is_told_to_do_without_spark(aws: Aws, mini: Mini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws.runtime.image(), "reason", "no FUSE device")
    mini.glue_job(mini.entry("import sys; print(sys.argv[1:][-4:])"))
    run = mini.glue_ended(mini.glue_run(engine="spark", spark="spark"))
    assert run["JobRunState"] == "SUCCEEDED"
    assert aws.runtime.jobs[-1].text("stdout") == "['--engine', 'local', '--spark', 'spark']\n"
    assert "--engine local instead of spark: no FUSE device" in aws.runtime.jobs[-1].text("stderr")


def test_what_is_mounted_is_gone_with_the_aws(aws: Aws) -> None:
    if reason := unavailable():
        pytest.skip(reason)
    from retail_lake_tests.aws.mount import Mount

    mount = Mount(aws.s3, aws.folder / "another")
    mount.open()
    assert (mount.folder / aws.s3.bucket).is_dir()
    mount.close()
    assert str(mount.folder) not in Path("/proc/mounts").read_text()

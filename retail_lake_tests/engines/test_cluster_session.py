"""The session of a service's own Spark: whatever it was started with, SQL means the same in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retail_lake.engines.spark_session import MEANING, cluster_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_it_is_the_session_that_is_there_with_our_meaning(spark: SparkSession) -> None:
    others = {
        "spark.sql.ansi.enabled": "false",
        "spark.sql.session.timeZone": "America/New_York",
        "spark.sql.timestampType": "TIMESTAMP_LTZ",
    }
    for key, value in others.items():
        spark.conf.set(key, value)
    session = cluster_session()
    assert session.sparkContext is spark.sparkContext and session.sparkContext.master == spark.sparkContext.master
    assert {key: session.conf.get(key) for key in MEANING} == dict(MEANING)
    assert session.sql("SELECT try_cast('x' AS INT) AS n, typeof(TIMESTAMP '2017-01-01 00:00:00') AS t").first() == (
        None,
        "timestamp_ntz",
    )

"""This Redshift behaves as Redshift is known to: one transaction, its own SQL and no other, nothing forgiven by COPY."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError

from retail_lake_tests.aws.redshift import RedshiftData
from retail_lake_tests.aws.redshift_runs import SERIALIZATION, Fault
from retail_lake_tests.aws.server import Aws

PLACE = {"WorkgroupName": "retail-lake", "Database": "dev"}
ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/copies'"


class Api:
    """The Data API as a plain client sees it."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self.client = aws, aws.client("redshift-data")

    def batch(self, *sqls: str, **more: Any) -> str:
        return str(self.client.batch_execute_statement(Sqls=list(sqls), **PLACE, **more)["Id"])

    def ended(self, submitted: str) -> dict[str, Any]:
        while (found := self.client.describe_statement(Id=submitted))["Status"] not in ("FINISHED", "FAILED", "ABORTED"):
            time.sleep(0.02)
        return cast(dict[str, Any], found)

    def run(self, *sqls: str, **more: Any) -> dict[str, Any]:
        return self.ended(self.batch(*sqls, **more))

    def one(self, sql: str) -> Any:
        """The only value of a query's answer."""
        found = self.ended(self.client.execute_statement(Sql=sql, **PLACE)["Id"])
        assert found["Status"] == "FINISHED", found.get("Error")
        (record,) = self.client.get_statement_result(Id=found["Id"])["Records"]
        (value,) = record[0].values()
        return value

    def error(self, *sqls: str) -> str:
        found = self.run(*sqls)
        assert found["Status"] == "FAILED"
        return str(found["Error"])

    def refused(self, *sqls: str, **more: Any) -> str:
        with pytest.raises(ClientError) as error:
            self.batch(*sqls, **more)
        assert error.value.response["Error"]["Code"] == "ValidationException"
        return str(error.value)


@pytest.fixture
def redshift(aws: Aws) -> Iterator[RedshiftData]:
    service = cast(RedshiftData, aws.services["redshift-data"])
    service.reset()
    yield service
    service.reset()


@pytest.fixture
def api(aws: Aws, redshift: RedshiftData) -> Api:
    return Api(aws)


@pytest.fixture
def t(api: Api) -> None:
    """A schema with a table of one row."""
    assert api.run("CREATE SCHEMA s", "CREATE TABLE s.t (a bigint)", "INSERT INTO s.t VALUES (1)")["Status"] == "FINISHED"


def test_a_batch_is_one_transaction(api: Api, t: None) -> None:
    failed = api.run("INSERT INTO s.t VALUES (2)", "SELECT 1 / CASE WHEN count(*) = 3 THEN 1 ELSE 0 END FROM s.t", "SELECT 1")
    assert failed["Status"] == "FAILED" and "Divide by zero" in failed["Error"]
    assert [(p["Id"].partition(":")[2], p["Status"]) for p in failed["SubStatements"]] == [
        ("1", "FINISHED"),
        ("2", "FAILED"),
        ("3", "ABORTED"),
    ]
    assert "Error" in failed["SubStatements"][1] and "Error" not in failed["SubStatements"][0]
    assert api.one("SELECT count(*) FROM s.t") == 1


def test_truncate_commits(api: Api, t: None) -> None:
    api.error("CREATE TABLE s.u (a bigint)", "TRUNCATE s.t", "SELECT 1 / (CASE WHEN count(*) = 9 THEN 1 ELSE 0 END) FROM s.t")
    assert api.one("SELECT count(*) FROM s.t") == 0
    assert api.one("SELECT count(*) FROM s.u") == 0


def test_the_leader_and_the_compute_nodes_word_a_division_by_zero_differently(api: Api, t: None) -> None:
    assert "division by zero" in api.error("SELECT 1 / CASE WHEN pg_last_copy_count() = 1 THEN 1 ELSE 0 END")
    assert "code:      1018" in api.error("SELECT 1 / CASE WHEN count(*) = 9 THEN 1 ELSE 0 END FROM s.t")


def test_a_token_makes_a_repeated_request_the_same_one(api: Api, t: None) -> None:
    token = str(uuid.uuid4())
    first, again = (api.batch("INSERT INTO s.t VALUES (2)", ClientToken=token) for _ in range(2))
    assert first == again
    assert "other parameters" in api.refused("INSERT INTO s.t VALUES (3)", ClientToken=token)
    api.ended(first)
    assert api.one("SELECT count(*) FROM s.t") == 2


def test_parameters_are_bound_and_every_one_is_used(api: Api, t: None) -> None:
    a = {"name": "a", "value": "7"}
    assert api.run("SELECT ':a', 1 FROM s.t -- :b\n", "INSERT INTO s.t VALUES (:a)", Parameters=[a])["Status"] == "FINISHED"
    assert api.one("SELECT max(a) FROM s.t") == 7
    assert "unused" in api.refused("SELECT ':a'", Parameters=[a])
    assert "does not contain" in api.refused("SELECT :a, :b", Parameters=[a])
    text = {"name": "a", "value": "'; DROP TABLE s.t; --"}
    assert api.run("SELECT :a", Parameters=[text])["Status"] == "FINISHED"
    assert api.one("SELECT count(*) FROM s.t") == 2


def test_requests_that_redshift_refuses(api: Api) -> None:
    api.refused(*["SELECT 1"] * 41)
    assert "100 KB" in api.refused(f"SELECT '{'x' * 100_000}'")
    with pytest.raises(ClientError, match="doesn't exist in this region"):
        api.client.execute_statement(Sql="SELECT 1", Database="dev", WorkgroupName="another")
    with pytest.raises(ClientError, match="Give Database"):
        api.client.execute_statement(Sql="SELECT 1", Database="dev")


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE s.u (a bigint) DISTSTYLE KEY",
        "CREATE TABLE s.u (a bigint) DISTSTYLE ALL DISTKEY (a)",
        "CREATE TABLE s.u (a bigint) SORTKEY (b)",
        "CREATE TABLE s.u (a super) SORTKEY (a)",
        "CREATE TABLE s.u (a bigint) PARTITION BY (a)",
        "CREATE TABLE s.u (a jsonb)",
        "CREATE TABLE s.u (a bigint[])",
        "CREATE TABLE s.u (a numeric(39,2))",
        "CREATE TABLE s.u (a varchar(65536))",
        "ALTER TABLE s.t ALTER COLUMN a TYPE varchar(10)",
        "ALTER TABLE s.t ADD COLUMN b bigint, ADD COLUMN c bigint",
        "INSERT INTO s.t VALUES (1) ON CONFLICT DO NOTHING",
        "INSERT INTO s.t VALUES (1) RETURNING a",
        "SELECT DISTINCT ON (a) a FROM s.t",
        "SELECT count(*) FILTER (WHERE a > 1) FROM s.t",
        "SELECT pg_last_copy_count() FROM s.t",
        "LOCK TABLE s.t IN EXCLUSIVE MODE",
        "CREATE INDEX i ON s.t (a)",
        "VACUUM s.t",
        "SELECT 1; SELECT 2",
    ],
)
def test_sql_that_redshift_does_not_have_is_refused(api: Api, t: None, sql: str) -> None:
    assert api.error(sql).startswith("Query #1 failed with ERROR: ")
    assert api.one("SELECT count(*) FROM s.t") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE IF NOT EXISTS s.u (a bigint ENCODE AZ64, b varchar(max)) DISTSTYLE KEY DISTKEY (a) COMPOUND SORTKEY (b)",
        "CREATE TEMP TABLE u (a double precision, b super, c timestamp without time zone)",
        'CREATE TABLE s.u ("a" character varying(65535)) DISTSTYLE AUTO SORTKEY AUTO',
        "/* a comment: with a colon */ ALTER TABLE s.t ADD COLUMN b varchar(10)",
        "LOCK s.t",
        "SELECT nvl(max(a), 0), getdate() FROM s.t",
        'SET search_path TO "s", public',
        r"COMMENT ON COLUMN s.t.a IS 'it''s \\ that'",
    ],
)
def test_sql_that_redshift_has_is_taken(api: Api, t: None, sql: str) -> None:
    found = api.run(sql)
    assert found["Status"] == "FINISHED", found.get("Error")


def test_two_writers_of_one_table_meet_error_1023(api: Api, redshift: RedshiftData, t: None) -> None:
    held = redshift.fault(Fault(at=2, hold=True, where=lambda sqls: "3" in sqls[-1]))
    late = api.batch("SELECT count(*) FROM s.t", "UPDATE s.t SET a = 3")
    assert held.reached.wait(10)
    assert api.run("SELECT 1", "UPDATE s.t SET a = 2")["Status"] == "FINISHED"
    held.released.set()
    assert api.ended(late)["SubStatements"][1]["Error"] == SERIALIZATION
    assert api.one("SELECT a FROM s.t") == 2


def test_what_is_cancelled_is_aborted(api: Api, redshift: RedshiftData, t: None) -> None:
    running = api.batch("INSERT INTO s.t VALUES (2)", "SELECT count(*) FROM s.t")
    api.ended(running)
    with pytest.raises(ClientError, match="FINISHED state"):
        api.client.cancel_statement(Id=running)
    held = redshift.fault(Fault(at=2, hold=True))
    running = api.batch("INSERT INTO s.t VALUES (3)", "SELECT count(*) FROM s.t")
    assert held.reached.wait(10)
    assert running in [s["Id"] for s in api.client.list_statements(Status="STARTED")["Statements"]]
    assert api.client.cancel_statement(Id=running)["Status"] is True
    assert api.ended(running)["Status"] == "ABORTED"
    assert api.one("SELECT max(a) FROM s.t") == 2


def test_results_are_read_by_statement(api: Api, t: None) -> None:
    done = api.run("SELECT a AS x, 'y' AS y, NULL AS z FROM s.t", "SELECT 2")
    first = api.client.get_statement_result(Id=f"{done['Id']}:1")
    assert first["Records"] == [[{"longValue": 1}, {"stringValue": "y"}, {"isNull": True}]]
    assert [c["label"] for c in first["ColumnMetadata"]] == ["x", "y", "z"] and first["TotalNumRows"] == 1
    with pytest.raises(ClientError, match="Id of a batch"):
        api.client.get_statement_result(Id=done["Id"])
    with pytest.raises(ClientError, match="does not exist"):
        api.client.get_statement_result(Id=f"{done['Id']}:3")
    with pytest.raises(ClientError, match="does not exist"):
        api.client.describe_statement(Id=str(uuid.uuid4()))


# -- COPY --------------------------------------------------------------------------------------------------------------

ROWS = {"a": pa.array([1, 2], pa.int64()), "b": pa.array(["x", None])}


class Bucket:
    """Files and manifests in a prefix of the test's own."""

    def __init__(self, aws: Aws) -> None:
        self.client, self.bucket, self.prefix = aws.client("s3"), aws.s3.bucket, f"copy-{uuid.uuid4().hex[:8]}"

    def put(self, name: str, body: bytes) -> str:
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}/{name}", Body=body)
        return f"s3://{self.bucket}/{self.prefix}/{name}"

    def parquet(self, rows: Mapping[str, pa.Array]) -> dict[str, Any]:
        """A file, and the entry of a manifest for it."""
        body = io.BytesIO()
        pq.write_table(pa.table(dict(rows)), body)
        url = self.put(f"{uuid.uuid4().hex}.parquet", body.getvalue())
        return {"url": url, "mandatory": True, "meta": {"content_length": len(body.getvalue())}}

    def manifest(self, *entries: dict[str, Any]) -> str:
        return self.put("manifest.json", json.dumps({"entries": list(entries)}).encode())


@pytest.fixture
def bucket(aws: Aws) -> Bucket:
    return Bucket(aws)


def copied(
    api: Api, manifest: str, options: str = f"{ROLE} FORMAT AS PARQUET MANIFEST", columns: str = "a bigint, b varchar(5)"
) -> Any:
    return api.run(
        "CREATE SCHEMA IF NOT EXISTS c", f"CREATE TABLE c.t ({columns})", f"COPY c.t FROM '{manifest}' {options}",
        "SELECT pg_last_copy_count()",
    )  # fmt: skip


def test_copy_loads_the_files_of_a_manifest(api: Api, redshift: RedshiftData, bucket: Bucket) -> None:
    done = copied(api, bucket.manifest(bucket.parquet(ROWS), bucket.parquet(ROWS)))
    assert done["Status"] == "FINISHED", done
    counted = api.client.get_statement_result(Id=f"{done['Id']}:4")["Records"]
    assert counted == [[{"longValue": 4}]] and done["SubStatements"][2]["ResultRows"] == 4
    assert redshift.sql("SELECT a, b FROM c.t ORDER BY a") == [(1, "x"), (1, "x"), (2, None), (2, None)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("FORMAT AS PARQUET MANIFEST", "CREDENTIALS argument is required"),
        (f"{ROLE} FORMAT AS PARQUET MANIFEST REGION 'us-east-1'", "REGION argument is not supported for PARQUET"),
        (f"{ROLE} FORMAT AS PARQUET MANIFEST MAXERROR 10", "MAXERROR argument is not supported"),
        ("IAM_ROLE 'copies' FORMAT AS PARQUET MANIFEST", "IAM_ROLE argument is not supported"),
        (f"{ROLE} MANIFEST", "not known to this Redshift"),
    ],
)
def test_copy_options_that_redshift_refuses(api: Api, bucket: Bucket, options: str, said: str) -> None:
    done = copied(api, bucket.manifest(bucket.parquet(ROWS)), options)
    assert done["Status"] == "FAILED" and said in done["Error"]


def test_copy_believes_a_manifest_to_the_letter(api: Api, bucket: Bucket) -> None:
    entry = bucket.parquet(ROWS)
    gone = {**entry, "url": f"{entry['url']}.gone"}
    wrong = {**entry, "meta": {"content_length": entry["meta"]["content_length"] + 1}}
    for bad, said in ((gone, "Mandatory url"), (wrong, "is not its size"), ({"url": entry["url"]}, "content_length is required")):
        assert said in copied(api, bucket.manifest(entry, bad))["Error"]
    assert "reading manifest" in copied(api, f"{entry['url']}.gone")["Error"]
    assert copied(api, bucket.manifest(entry, {**gone, "mandatory": False}))["Status"] == "FINISHED"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ("a bigint", "Unmatched number of columns"),
        ("b varchar(5), a bigint", "incompatible Parquet schema"),
        ("a integer, b varchar(5)", "incompatible Parquet schema"),
    ],
)
def test_copy_takes_columns_by_place_and_number(api: Api, bucket: Bucket, columns: str, said: str) -> None:
    assert said in copied(api, bucket.manifest(bucket.parquet(ROWS)), columns=columns)["Error"]


def test_copy_counts_bytes_of_texts(api: Api, bucket: Bucket) -> None:
    rows = {"a": pa.array([1], pa.int64()), "b": pa.array(["äöü"])}
    assert "longer than the length" in copied(api, bucket.manifest(bucket.parquet(rows)))["Error"]


def test_nested_values_need_the_word_for_it(api: Api, redshift: RedshiftData, bucket: Bucket) -> None:
    manifest = bucket.manifest(bucket.parquet({"a": pa.array([[1, 2]])}))
    assert "SERIALIZETOJSON" in copied(api, manifest, columns="a super")["Error"]
    copied(api, manifest, f"{ROLE} FORMAT AS PARQUET SERIALIZETOJSON MANIFEST", columns="a super")
    assert redshift.sql("SELECT a FROM c.t") == [([1, 2],)]

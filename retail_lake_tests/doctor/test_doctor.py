"""`retail-lake doctor` against an AWS where all is well, and with one thing wrong at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from retail_lake.aws import client, split_uri
from retail_lake.cli import main
from retail_lake.config import Settings
from retail_lake.deploy import artifact, glue_job
from retail_lake.deploy.buckets import ensure as set_buckets
from retail_lake.deploy.policies import policies
from retail_lake.doctor import buckets
from retail_lake.doctor.check import examine
from retail_lake.lake.lake import Lake
from retail_lake.tables import TABLES
from retail_lake_tests.aws.server import Aws

Doctor = Callable[..., Result]
ROLE = "arn:aws:iam::123456789012:role/retail-lake-job"
TRUST = """{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"""
NOWHERE = '[{"to": "sns:arn:aws:sns:us-east-1:123456789012:nowhere"}]'
APPLICATION = {
    "name": "analytics", "releaseLabel": "emr-spark-8.1.0", "type": "SPARK", "clientToken": "a" * 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def given(aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings of a lake on AWS whose every part is there: what the environment is to say. A doctor changes nothing, so
    that all tests look at the same."""
    aws.reset()
    folder = tmp_path_factory.mktemp("doctor")
    s3 = aws.client("s3")
    for bucket in ("doctor-landing", "doctor-lake", "doctor-artifacts"):
        try:
            s3.create_bucket(Bucket=bucket)
        except s3.exceptions.ClientError as error:
            assert "BucketAlready" in str(error)
    application = aws.client("emr-serverless").create_application(**APPLICATION)["applicationId"]
    aws.client("athena").create_work_group(Name="guarded", Configuration={"BytesScannedCutoffPerQuery": 10_000_000_000})
    told = {
        "PROFILE": "aws",
        "HOME": str(folder),
        "LANDING_URI": "s3://doctor-landing/in",
        "LAKE_URI": "s3://doctor-lake/lake",
        "ARTIFACTS_URI": "s3://doctor-artifacts/retail-lake",
        "S3_ENDPOINT": aws.s3.endpoint,
        "GLUE_ROLE": ROLE,
        "EMR_SERVERLESS_APPLICATION": application,
        "EMR_SERVERLESS_ROLE": ROLE,
        "ENGINE_SMALL": "glue",
        "REDSHIFT_WORKGROUP": "retail-lake",
        "ATHENA_WORKGROUP": "guarded",
    }
    settings = Settings(**{name.lower(): value for name, value in told.items()})  # type: ignore[arg-type]
    iam = aws.client("iam")
    iam.create_role(RoleName="retail-lake-job", AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName="retail-lake-job", PolicyName="job", PolicyDocument=json.dumps(policies(settings)["job"]))
    _deploy(settings, folder)
    Lake(settings).ensure(TABLES["gold.dim_date"])
    return told


def _deploy(settings: Settings, folder: Path) -> None:
    """An artifact of this code's version, whose parts have nothing in them; and the job that runs it."""
    plan = artifact.blueprint(settings)
    parts = folder / "parts"
    parts.mkdir()
    names = [uri.rsplit("/", 1)[1] for uri in (lambda a: (a.entry, a.wheels, a.environment))(artifact.expected(settings, plan))]
    for name in names:
        (parts / name).write_bytes(b"part")
    built = artifact.Built(plan.lane, plan.version, plan.wheels.python, parts, dict.fromkeys(names, 4))
    glue_job.ensure(settings, artifact.publish(settings, built))


@pytest.fixture
def doctor(aws: Aws, given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """Run the command under those settings, some of them changed (None: unset)."""
    aws.faults.clear()
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)

    def run(**changed: str | None) -> Result:
        for name, value in {**given, **changed}.items():
            if value is None:
                monkeypatch.delenv(f"RETAIL_LAKE_{name}", raising=False)
            else:
                monkeypatch.setenv(f"RETAIL_LAKE_{name}", value)
        return CliRunner().invoke(main, ["doctor"])

    return run


def verdicts(result: Result) -> dict[str, tuple[str, str]]:
    """What each check came to, by its name."""
    lines = [
        line for line in result.stdout.splitlines() if ":" in line and line[:9].strip() in ("ok", "warning", "failed", "skipped")
    ]
    return {line[9:].split(":")[0]: (line[:9].strip(), line[9:].partition(": ")[2]) for line in lines}


def bad(result: Result) -> dict[str, str]:
    """The verdicts of the checks that are not all right; S3 here cannot say how its buckets are set."""
    return {name: word for name, (word, _) in verdicts(result).items() if word != "ok" and name != "bucket settings"}


def test_all_is_well_and_nothing_is_left(aws: Aws, doctor: Doctor) -> None:
    s3 = aws.client("s3")
    before = {b: [o["Key"] for o in s3.list_objects_v2(Bucket=b).get("Contents", [])] for b in ("doctor-lake", "doctor-landing")}
    aws.calls.clear()
    result = doctor()
    assert (bad(result), result.exit_code) == ({}, 0), result.stdout
    assert list(verdicts(result)) == [
        "settings", "home", "credentials", "landing bucket", "lake bucket", "lake writable", "artifacts bucket",
        "artifacts writable", "bucket settings", "catalog", "catalog writable", "artifact", "glue", "emr_serverless", "redshift",
        "redshift schema", "athena", "permissions", "role retail-lake-job",
    ]  # fmt: skip
    assert {b: [o["Key"] for o in s3.list_objects_v2(Bucket=b).get("Contents", [])] for b in before} == before
    changes = {c.operation for c in aws.calls if not c.operation.startswith(("Get", "List", "Describe", "Head", "Search"))}
    # A table that is there already cannot be made: asking for it tells whether it may be.
    assert changes <= {"CreateTable", "ExecuteStatement", "SimulatePrincipalPolicy"}


@pytest.mark.parametrize(
    ("changed", "check", "said"),
    [
        (
            {"LAKE_URI": "s3://doctor-nowhere/lake"},
            "lake bucket",
            "LAKE_URI=s3://doctor-nowhere/lake: there is no bucket",
        ),
        ({"GLUE_JOB": "another"}, "glue", "RETAIL_LAKE_GLUE_JOB=another: there is no such job; run `retail-lake deploy`"),
        ({"GLUE_ROLE": "other-role"}, "glue", "another Role than the settings say"),
        ({"LANE": "spark-3.5"}, "artifact", "Nothing is deployed for spark-3.5"),
        ({"LANE": "spark-3.5"}, "emr_serverless", "is emr-spark-8.1.0: set RETAIL_LAKE_LANE=spark-4.1"),
        (
            {"EMR_SERVERLESS_APPLICATION": "00none"},
            "emr_serverless",
            "RETAIL_LAKE_EMR_SERVERLESS_APPLICATION=00none: there is no such application in us-east-1: correct the variable,"
            " RETAIL_LAKE_REGION, or make one of type SPARK and set its id",
        ),
        (
            {"ATHENA_WORKGROUP": "none"},
            "athena",
            "RETAIL_LAKE_ATHENA_WORKGROUP=none: there is no such workgroup; correct the variable or make it",
        ),
        ({"CATALOG_URI": "glue://12"}, "settings", "RETAIL_LAKE_CATALOG_URI: 'glue://12' is no catalog"),
        (
            {"ENGINE_SMALL": "awslambda", "LAMBDA_FUNCTION": "none"},
            "awslambda",
            "RETAIL_LAKE_LAMBDA_FUNCTION=none: there is no such function in us-east-1: correct the variable, RETAIL_LAKE_REGION,"
            " or run `retail-lake deploy`, which makes it",
        ),
        (
            {"ENGINE_TRANSFORM": "emr", "EMR_CLUSTER": "j-2NONE"},
            "emr",
            "RETAIL_LAKE_EMR_CLUSTER=j-2NONE: there is no such cluster in us-east-1: correct the variable, RETAIL_LAKE_REGION, or"
            " start one and set its id (j-…)",
        ),
        (
            {"REDSHIFT_WORKGROUP": "none"},
            "redshift",
            "RETAIL_LAKE_REDSHIFT_WORKGROUP=none, RETAIL_LAKE_REDSHIFT_DATABASE=dev, RETAIL_LAKE_REGION=us-east-1: one of them"
            " names what is not there; correct it, or have it made",
        ),
        (
            {"ARRIVAL_QUEUE": "https://sqs.us-east-1.amazonaws.com/123456789012/none"},
            "arrival queue",
            "RETAIL_LAKE_ARRIVAL_QUEUE=https://sqs.us-east-1.amazonaws.com/123456789012/none: there is no such queue; correct the"
            " variable, or run `retail-lake deploy --arrivals`, which makes it",
        ),
        ({"ALERT_ROUTES": NOWHERE}, "alerts to SNS", "there is no topic arn:aws:sns:us-east-1:123456789012:nowhere"),
        ({"ALERT_ROUTES": '[{"to": "webhook:PAGER"}]'}, "alerts to webhook PAGER", "RETAIL_LAKE_ALERT_WEBHOOK_PAGER is not set"),
        ({"ENGINE_TRANSFORM": "emr", "EMR_CLUSTER": "name=none"}, "emr", "RETAIL_LAKE_EMR_CLUSTER=name=none"),
        ({"LAKE_URI": None}, "settings", "RETAIL_LAKE_LAKE_URI is not set: where the lake is"),
    ],
)
def test_what_is_wrong_is_named_with_its_setting(doctor: Doctor, changed: dict[str, str | None], check: str, said: str) -> None:
    result = doctor(**changed)
    found = verdicts(result)
    assert result.exit_code == 1 and found[check][0] == "failed" and said in found[check][1], result.stdout
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("service", "operation", "check", "permission"),
    [
        ("sts", "GetCallerIdentity", "credentials", "sts:GetCallerIdentity"),
        ("glue", "GetDatabases", "catalog", "glue:GetDatabases"),
        ("glue", "CreateTable", "catalog writable", "glue:CreateTable"),
        ("glue", "GetJob", "glue", "glue:GetJob"),
        ("emr-serverless", "GetApplication", "emr_serverless", "emr-serverless:GetApplication"),
        ("redshift-data", "ExecuteStatement", "redshift", "redshift-data:ExecuteStatement"),
        ("athena", "GetWorkGroup", "athena", "athena:GetWorkGroup"),
    ],
)
def test_a_missing_permission_is_named_and_the_rest_is_looked_at(
    aws: Aws, doctor: Doctor, service: str, operation: str, check: str, permission: str
) -> None:
    aws.faults.order(service, operation, error="AccessDeniedException", message="no", times=99)
    result = doctor()
    word, said = verdicts(result)[check]
    assert (word, result.exit_code) == ("failed", 1) and f"grant {permission} to the caller" in said, result.stdout
    others = {name: w for name, w in bad(result).items() if name != check}
    assert set(others.values()) <= {"skipped"}
    assert (len(others) > 5) == (check == "credentials")


@pytest.mark.parametrize(
    ("variables", "check", "advice"),
    [
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "credentials",
            "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached",
        ),
        ({"AWS_SECRET_ACCESS_KEY": None}, "credentials", "not complete: set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"AWS_PROFILE": "nobody"}, "credentials", "there is no such profile: correct AWS_PROFILE"),
        (
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            "credentials",
            "nothing answers at its address: look at the network, at a proxy (HTTPS_PROXY, AWS_ENDPOINT_URL), and whether"
            " RETAIL_LAKE_REGION has the service",
        ),
        (
            {"RETAIL_LAKE_S3_ENDPOINT": "http://127.0.0.1:9"},
            "lake bucket",
            "nothing answers at its address: correct RETAIL_LAKE_S3_ENDPOINT",
        ),
    ],
)
def test_credentials_and_the_way_to_aws_come_with_advice(
    aws: Aws, given: dict[str, str], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str | None], check: str, advice: str
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0)
    # What clients are made from is kept by boto3 from the first one on.
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    for name, value in {**{f"RETAIL_LAKE_{name}": value for name, value in given.items()}, **variables}.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    result = CliRunner().invoke(main, ["doctor"])
    word, said = verdicts(result)[check]
    assert (word, result.exit_code) == ("failed", 1) and advice in said, result.stdout
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ExpiredTokenException", "have expired: sign in again (`aws sso login`), or set new AWS_ACCESS_KEY_ID"),
        ("UnrecognizedClientException", "AWS does not know these credentials: correct AWS_ACCESS_KEY_ID"),
    ],
)
def test_credentials_that_are_refused_come_with_advice(aws: Aws, doctor: Doctor, code: str, advice: str) -> None:
    aws.faults.order("glue", "GetDatabases", error=code, message="The security token included in the request is so.", times=99)
    word, said = verdicts(doctor())["catalog"]
    assert word == "failed" and advice in said and "The security token" in said


def test_what_works_but_should_be_otherwise_is_a_warning(aws: Aws, given: dict[str, str], doctor: Doctor) -> None:
    result = doctor(ATHENA_WORKGROUP="primary", LAKE_URL="s3://typo")
    found: Any = verdicts(result)
    assert result.exit_code == 0
    assert found["athena"][0] == "warning" and "BytesScannedCutoffPerQuery" in found["athena"][1]
    assert found["settings"][0] == "warning"
    assert "no setting RETAIL_LAKE_LAKE_URL (did you mean RETAIL_LAKE_LAKE_URI?)" in found["settings"][1]


def test_a_local_lake_is_asked_nothing_about_aws(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.reset()
    monkeypatch.setenv("RETAIL_LAKE_HOME", str(tmp_path / "new"))
    monkeypatch.delenv("RETAIL_LAKE_S3_ENDPOINT", raising=False)
    monkeypatch.setenv("RETAIL_LAKE_ENGINE_TRANSFORM", "spark")
    result = CliRunner().invoke(main, ["doctor"])
    assert (result.exit_code, bad(result)) == (0, {}), result.stdout
    assert list(verdicts(result)) == ["settings", "home", "memory", "spark", "catalog", "warehouse"]
    assert not (tmp_path / "new").exists() and aws.calls == []
    monkeypatch.setenv("RETAIL_LAKE_MEMORY_LIMIT", "90TB")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RETAIL_LAKE_HOME", str(tmp_path / "file"))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert bad(result)["home"] == "failed" and bad(result)["memory"] == "warning"


def test_a_cluster_and_a_function_that_fit_are_found(aws: Aws, doctor: Doctor) -> None:
    cluster = aws.client("emr").run_job_flow(
        Name="shared",
        ReleaseLabel="emr-spark-8.1.0",
        Applications=[{"Name": "Spark"}],
        Tags=[{"Key": "for", "Value": "doctor"}],
        Instances={"InstanceCount": 1, "MasterInstanceType": "m5.xlarge", "KeepJobFlowAliveWhenNoSteps": True},
    )["JobFlowId"]
    aws.client("iam").create_role(RoleName="doctor", AssumeRolePolicyDocument=TRUST)
    role, image = "arn:aws:iam::123456789012:role/doctor", "123456789012.dkr.ecr.us-east-1.amazonaws.com/retail-lake:1"
    aws.client("lambda").create_function(
        FunctionName="small", PackageType="Image", Code={"ImageUri": image}, Role=role, MemorySize=512, Timeout=900
    )
    used = {"ENGINE_TRANSFORM": "emr", "EMR_CLUSTER": "for=doctor", "ENGINE_SMALL": "awslambda", "LAMBDA_FUNCTION": "small"}
    found = verdicts(doctor(**used, LAMBDA_IMAGE=image))
    assert found["emr"][0] == "ok" and cluster in found["emr"][1]
    assert found["awslambda"][0] == "warning" and "has 512 MB and 900 s" in found["awslambda"][1]
    assert "not RETAIL_LAKE_LAMBDA_IMAGE" in verdicts(doctor(**used, LAMBDA_IMAGE=f"{image}0"))["awslambda"][1]


def test_buckets_that_are_not_as_they_should_be_are_told(aws: Aws) -> None:
    places = {"landing_uri": "s3://set-landing/in", "lake_uri": "s3://set-lake/lake", "artifacts_uri": "s3://set-artifacts/a"}
    # Moto's S3 knows all that can be set of a bucket.
    settings = Settings(catalog_uri="glue", s3_endpoint=aws.endpoint, kms_key="alias/lake", **places)
    s3 = client("s3", settings)
    for uri in places.values():
        s3.create_bucket(Bucket=split_uri(uri)[0])
    checks = [check for check in buckets.checks(settings, "") if check.name == "bucket settings"]
    (before,) = examine(checks)
    assert before.verdict == "failed" and "RETAIL_LAKE_KMS_KEY=alias/lake" in before.says
    assert "set-landing lacks: closed to the public, encrypted by KMS, versioned" in before.says
    set_buckets(settings)
    (after,) = examine(checks)
    assert after.verdict == "ok", after.says
    s3.put_bucket_versioning(Bucket="set-landing", VersioningConfiguration={"Status": "Suspended"})
    (doubtful,) = examine(checks)
    assert doubtful.verdict == "warning" and "set-landing lacks: versioned" in doubtful.says

"""The Glue job, the Lambda function and the buckets: made once, changed only where they differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from retail_lake.config import Settings
from retail_lake.deploy import buckets, glue_job, lambda_function
from retail_lake.deploy.artifact import Artifact
from retail_lake.failure import ConfigurationFailure
from retail_lake_tests.deploy.control_plane import Recorded

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/retail-lake:1-abc"
AT = "s3://artifacts/retail/artifacts/spark-4.1/1-abc"
ARTIFACT = Artifact("spark-4.1", "1-abc", "3.13", f"{AT}/main.py", f"{AT}/x.gluewheels.zip", f"{AT}/environment.tar.gz")


def steps(plane: Recorded, act: Callable[[], object]) -> tuple[object, list[str]]:
    """What was returned, and the operations that changed something."""
    plane.changes.clear()
    found = act()
    return found, list(plane.changes)


def test_the_glue_job_is_what_the_lane_needs(on_aws: Settings, control_plane: Recorded) -> None:
    assert steps(control_plane, lambda: glue_job.ensure(on_aws, ARTIFACT)) == (["created"], ["CreateJob"])
    job = control_plane.client("glue").get_job(JobName="retail-lake")["Job"]
    assert job["Command"] == {"Name": "glueetl", "ScriptLocation": ARTIFACT.entry, "PythonVersion": "3"}
    assert (job["GlueVersion"], job["WorkerType"], job["Timeout"], job["MaxRetries"]) == ("6.0", "G.1X", 120, 0)
    assert job["ExecutionProperty"]["MaxConcurrentRuns"] >= on_aws.jobs_at_once
    arguments = job["DefaultArguments"]
    assert arguments["--additional-python-modules"] == ARTIFACT.wheels
    assert arguments["--python-modules-installer-option"] == "--no-index"
    assert arguments["--enable-auto-scaling"] == "true"
    arn = f"arn:aws:glue:us-east-1:{control_plane.account}:job/retail-lake"
    tags = control_plane.client("glue").get_tags(ResourceArn=arn)["Tags"]
    assert tags == {"team": "data", "project": "retail-lake"}


def test_the_glue_job_is_left_alone_or_changed_where_it_differs(on_aws: Settings, control_plane: Recorded) -> None:
    glue_job.ensure(on_aws, ARTIFACT)
    assert steps(control_plane, lambda: glue_job.ensure(on_aws, ARTIFACT)) == ([], [])
    older = on_aws.model_copy(update={"lane": "spark-3.5", "job_timeout": 90, "tags": {"team": "data", "cost": "7"}})
    assert steps(control_plane, lambda: glue_job.ensure(older, ARTIFACT, act=False))[1] == []
    changed, calls = steps(control_plane, lambda: glue_job.ensure(older, ARTIFACT))
    assert (changed, calls) == (["GlueVersion", "Timeout", "Tags"], ["UpdateJob", "TagResource"])
    job = control_plane.client("glue").get_job(JobName="retail-lake")["Job"]
    assert (job["GlueVersion"], job["Timeout"]) == ("5.1", 2)
    assert glue_job.ensure(older, ARTIFACT) == []


def test_the_role_of_the_glue_job_may_be_named_either_way(on_aws: Settings, control_plane: Recorded) -> None:
    glue_job.ensure(on_aws, ARTIFACT)
    assert glue_job.ensure(on_aws.model_copy(update={"glue_role": "retail-lake-job"}), ARTIFACT) == []
    assert glue_job.ensure(on_aws.model_copy(update={"glue_role": "another"}), ARTIFACT) == ["Role"]


def test_the_function_without_an_image_says_how_to_make_one(on_aws: Settings) -> None:
    with pytest.raises(ConfigurationFailure, match=r"RETAIL_LAKE_LAMBDA_IMAGE is not set: .*--lambda-context"):
        lambda_function.ensure(on_aws)


def test_the_function_is_made_left_alone_and_changed(on_aws: Settings, control_plane: Recorded) -> None:
    settings = on_aws.model_copy(update={"lambda_image": IMAGE})
    made = (["created"], ["CreateFunction", "PutFunctionEventInvokeConfig"])
    assert steps(control_plane, lambda: lambda_function.ensure(settings)) == made
    service = control_plane.client("lambda")
    found = service.get_function(FunctionName="retail-lake")
    assert found["Code"]["ImageUri"] == IMAGE and found["Configuration"]["PackageType"] == "Image"
    assert found["Configuration"]["Timeout"] == 900 and found["Configuration"]["EphemeralStorage"]["Size"] > 512
    assert service.get_function_event_invoke_config(FunctionName="retail-lake")["MaximumRetryAttempts"] == 0
    assert steps(control_plane, lambda: lambda_function.ensure(settings)) == ([], [])
    service.update_function_configuration(FunctionName="retail-lake", MemorySize=128)
    service.delete_function_event_invoke_config(FunctionName="retail-lake")
    other = settings.model_copy(update={"lambda_image": IMAGE.replace("1-abc", "2-def"), "tags": {"team": "lake"}})
    assert steps(control_plane, lambda: lambda_function.ensure(other, act=False))[1] == []
    changed, calls = steps(control_plane, lambda: lambda_function.ensure(other))
    assert changed == ["ImageUri", "MemorySize", "Tags", "MaximumRetryAttempts"]
    assert calls == ["UpdateFunctionCode", "UpdateFunctionConfiguration", "TagResource", "PutFunctionEventInvokeConfig"]
    assert lambda_function.ensure(other) == []


def test_the_image_context_is_for_a_new_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(ConfigurationFailure, match="is not empty"):
        lambda_function.write_context(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_the_buckets_are_set_once_and_keep_rules_of_others(on_aws: Settings, control_plane: Recorded) -> None:
    s3 = control_plane.client("s3")
    lake, landing, artifacts = (control_plane.named(name) for name in ("lake", "landing", "artifacts"))
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "exports/"}, "Expiration": {"Days": 1}}
    s3.put_bucket_lifecycle_configuration(Bucket=artifacts, LifecycleConfiguration={"Rules": [theirs]})
    looked = steps(control_plane, lambda: buckets.ensure(on_aws, act=False))
    done = buckets.ensure(on_aws)
    assert looked == (done, [])
    every = ["closed to the public", "encrypted by KMS", "lifecycle rules"]
    assert done[lake] == done[artifacts] == every
    assert sorted(done[landing]) == sorted([*every, "versioned"])
    assert buckets.ensure(on_aws) == {artifacts: [], lake: [], landing: []}
    assert s3.get_bucket_versioning(Bucket=landing)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=lake)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": on_aws.kms_key}
    rules = s3.get_bucket_lifecycle_configuration(Bucket=artifacts)["Rules"]
    expiring = {r["Filter"]["Prefix"]: r["Expiration"]["Days"] for r in rules if "Expiration" in r}
    assert expiring == {"exports/": 1, "retail/jobs/": 30, "retail/logs/": 30, "retail/athena/": 7}
    # What the lake and the landing hold never expires.
    for bucket in (lake, landing):
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
        assert [set(r) - {"ID", "Status", "Filter", "Prefix"} for r in rules] == [{"AbortIncompleteMultipartUpload"}]


def test_a_bucket_that_is_not_there_is_named(on_aws: Settings) -> None:
    with pytest.raises(ConfigurationFailure, match="Bucket nowhere"):
        buckets.ensure(on_aws.model_copy(update={"lake_uri": "s3://nowhere/retail"}))


@pytest.mark.parametrize("output", ["{artifacts}/retail", "{lake}/retail", "{landing}"])
def test_no_rule_ever_sweeps_what_must_stay(on_aws: Settings, control_plane: Recorded, output: str) -> None:
    names = {name: f"s3://{control_plane.named(name)}" for name in ("lake", "landing", "artifacts")}
    wrong = on_aws.model_copy(update={"athena_output": output.format(**names)})
    control_plane.changes.clear()
    with pytest.raises(ConfigurationFailure, match=r"is swept after 7 days, and .* is in it"):
        buckets.ensure(wrong)
    assert not any("Lifecycle" in change for change in control_plane.changes)


def test_landing_is_copied_to_a_replica_where_one_is_set(on_aws: Settings, control_plane: Recorded) -> None:
    s3 = control_plane.client("s3")
    landing, lake = control_plane.named("landing"), control_plane.named("lake")
    s3.create_bucket(Bucket="elsewhere")
    role, key = "arn:aws:iam::123456789012:role/replica", "arn:aws:kms:eu-west-1:123456789012:key/1"
    given = {"landing_replica": "s3://elsewhere", "replica_role": role, "replica_kms_key": key}
    settings = on_aws.model_copy(update=given)
    looked = steps(control_plane, lambda: buckets.ensure(settings, act=False))
    done = buckets.ensure(settings)
    assert looked == (done, []) and "copied to elsewhere" in done[landing] and "versioned" in done["elsewhere"]
    assert "copied to elsewhere" not in done[lake]
    (rule,) = s3.get_bucket_replication(Bucket=landing)["ReplicationConfiguration"]["Rules"]
    assert (rule["ID"], rule["Status"], rule["Destination"]["Bucket"]) == (
        "retail-lake-retail",
        "Enabled",
        "arn:aws:s3:::elsewhere",
    )
    (encryption,) = s3.get_bucket_encryption(Bucket="elsewhere")["ServerSideEncryptionConfiguration"]["Rules"]
    assert encryption["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
    assert not any(buckets.ensure(settings).values()), "a second time there is nothing to do"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"landing_replica": "s3://elsewhere"}, "REPLICA_ROLE is not set; RETAIL_LAKE_REPLICA_KMS_KEY is not set"),
        ({"landing_replica": "s3://elsewhere/retail", "replica_role": "r", "replica_kms_key": "k"}, "without a prefix"),
    ],
)
def test_a_replica_that_cannot_be_is_named(on_aws: Settings, given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationFailure, match=said):
        buckets.ensure(on_aws.model_copy(update=given))

"""What `retail-lake doctor` says of the caller's and the jobs' permissions, which IAM judges by the policies they really have."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from retail_lake.config import Settings
from retail_lake.deploy.policies import policies
from retail_lake.doctor import permissions
from retail_lake.doctor.check import examine
from retail_lake_tests.aws.server import Aws

ACCOUNT = "123456789012"
ROLE = "retail-lake-job"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]})
SERVICES = [
    "athena", "elasticmapreduce", "emr-serverless", "glue", "iam", "kms", "lambda", "logs", "redshift-data",
    "redshift-serverless", "s3",
]  # fmt: skip
Document = dict[str, Any]
Findings = dict[str, tuple[str, str]]
Look = Callable[[], Findings]


@pytest.fixture
def settings(aws: Aws) -> Iterator[Settings]:
    """Settings with every engine, of an account that has only the role of the jobs."""
    aws.reset()
    arn = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    made = Settings(
        profile="aws", region="us-east-1", lake_uri="s3://acme-lake/retail", landing_uri="s3://acme-landing/retail",
        artifacts_uri="s3://acme-artifacts/retail", glue_role=arn, emr_serverless_application="00f1r2", emr_serverless_role=arn,
        emr_cluster="team=data", engine_transform="emr", lambda_role=arn, redshift_workgroup="retail", kms_key="alias/lake",
    )  # fmt: skip
    iam = aws.client("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST)
    iam.put_role_policy(RoleName=ROLE, PolicyName="job", PolicyDocument=json.dumps(policies(made)["job"]))
    yield made
    aws.reset()


@pytest.fixture
def launcher(aws: Aws, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[Document], None]:
    """Make this process a user with that policy."""
    iam = aws.client("iam")
    iam.create_user(UserName="dagster")
    key = iam.create_access_key(UserName="dagster")["AccessKey"]

    def become(policy: Document) -> None:
        iam.put_user_policy(UserName="dagster", PolicyName="launcher", PolicyDocument=json.dumps(policy))
        use(monkeypatch, key)

    return become


def use(monkeypatch: pytest.MonkeyPatch, key: dict[str, str]) -> None:
    """Call AWS with these keys from now on."""
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)
    names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY", "SessionToken": "AWS_SESSION_TOKEN"}
    for name, variable in names.items():
        if name in key:
            monkeypatch.setenv(variable, key[name])


def looked(settings: Settings) -> Findings:
    """What each check came to, by its name."""
    return {f.name: (str(f.verdict), f.says) for f in examine(permissions.checks(settings, "credentials"))}


def without(document: Document, action: str) -> Document:
    """A policy without an action."""
    kept = [{**s, "Action": [a for a in s["Action"] if a != action]} for s in document["Statement"]]
    return {**document, "Statement": [s for s in kept if s["Action"]]}


def test_the_printed_policies_are_enough(settings: Settings, launcher: Callable[[Document], None]) -> None:
    launcher(policies(settings)["launcher"])
    found = looked(settings)
    assert {verdict for verdict, _ in found.values()} == {"ok"}, found
    assert [*found] == ["permissions", *(f"may use {service}" for service in SERVICES), f"role {ROLE}"]


@pytest.mark.parametrize(
    ("action", "on"),
    [
        ("glue:StartJobRun", "arn:aws:glue:us-east-1:123456789012:job/retail-lake"),
        ("emr-serverless:StartJobRun", "arn:aws:emr-serverless:us-east-1:123456789012:/applications/00f1r2"),
        ("elasticmapreduce:AddJobFlowSteps", "arn:aws:elasticmapreduce:us-east-1:123456789012:cluster/"),
        ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:retail-lake"),
        ("iam:PassRole", f"arn:aws:iam::123456789012:role/{ROLE}"),
    ],
)
def test_an_action_that_is_not_allowed_is_named_with_what_to_do(
    settings: Settings, launcher: Callable[[Document], None], action: str, on: str
) -> None:
    launcher(without(policies(settings)["launcher"], action))
    found = looked(settings)
    service = f"may use {action.partition(':')[0]}"
    verdict, says = found.pop(service)
    assert verdict == "failed" and f"grant arn:aws:iam::{ACCOUNT}:user/dagster {action} on {on}" in says
    assert "retail-lake deploy --print-policies" in says
    assert {verdict for verdict, _ in found.values()} == {"ok"}, found


def test_a_role_that_may_not_be_passed_to_that_service_is_told(settings: Settings, launcher: Callable[[Document], None]) -> None:
    to_others = json.dumps(policies(settings)["launcher"]).replace("emr-serverless.amazonaws.com", "ecs.amazonaws.com")
    launcher(json.loads(to_others))
    verdict, says = looked(settings)["may use iam"]
    assert verdict == "failed" and "iam:PassRole" in says


def test_what_a_bucket_s_policy_may_allow_is_a_doubt_but_what_is_denied_is_not(
    settings: Settings, launcher: Callable[[Document], None]
) -> None:
    document = without(policies(settings)["launcher"], "s3:DeleteObject")
    launcher(document)
    verdict, says = looked(settings)["may use s3"]
    assert verdict == "warning" and "s3:DeleteObject on arn:aws:s3:::acme-lake/retail/" in says
    deny = {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}
    launcher({**document, "Statement": [*document["Statement"], deny]})
    assert looked(settings)["may use s3"][0] == "failed"


def test_where_iam_may_not_be_asked_that_is_said_with_what_was_not_looked_at(
    aws: Aws, settings: Settings, launcher: Callable[[Document], None]
) -> None:
    launcher(policies(settings)["launcher"])
    aws.faults.order("iam", "SimulatePrincipalPolicy", error="AccessDenied", message="no", status=403, times=99)
    found = looked(settings)
    assert [*found] == ["permissions", f"role {ROLE}"]
    verdict, says = found["permissions"]
    assert verdict == "warning" and "grant iam:SimulatePrincipalPolicy to the caller" in says
    assert f"not looked at: the use of {', '.join(SERVICES)}" in says
    assert found[f"role {ROLE}"][0] == "warning" and "grant iam:SimulatePrincipalPolicy" in found[f"role {ROLE}"][1]


def test_a_caller_that_iam_does_not_simulate_is_said(settings: Settings) -> None:
    verdict, says = looked(settings)["permissions"]
    assert verdict == "ok" and "neither a user nor a role" in says and "not looked at: the use of athena" in says


def test_a_session_is_judged_by_its_role_wherever_that_stands(
    aws: Aws, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam = aws.client("iam")
    role = iam.create_role(RoleName="dagster", Path="/teams/data/", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    document = json.dumps(without(policies(settings)["launcher"], "glue:StartJobRun"))
    iam.put_role_policy(RoleName="dagster", PolicyName="launcher", PolicyDocument=document)
    use(monkeypatch, aws.client("sts").assume_role(RoleArn=role, RoleSessionName="dagster")["Credentials"])
    found = looked(settings)
    assert found["permissions"] == ("ok", f"IAM says of each action what {role} may do")
    assert found["may use glue"][0] == "failed" and found["may use athena"][0] == "ok"


def test_a_job_s_role_that_may_not_write_or_is_not_there_is_told(aws: Aws, settings: Settings) -> None:
    document = policies(settings)["job"]
    deny = {"Effect": "Deny", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::acme-lake/*"]}
    denied = json.dumps({**document, "Statement": [*document["Statement"], deny]})
    aws.client("iam").put_role_policy(RoleName=ROLE, PolicyName="job", PolicyDocument=denied)
    verdict, says = looked(settings)[f"role {ROLE}"]
    assert verdict == "failed" and f"grant RETAIL_LAKE_GLUE_ROLE=arn:aws:iam::{ACCOUNT}:role/{ROLE} s3:PutObject on" in says
    lost = settings.model_copy(update={"glue_role": "nobody"})
    verdict, says = looked(lost)["role nobody"]
    assert verdict == "failed" and "RETAIL_LAKE_GLUE_ROLE=nobody: there is no such role" in says

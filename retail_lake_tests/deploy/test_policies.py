"""The policies, as IAM would judge them: what each role has to do it may, and what is not its business it may not."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import boto3
import pytest
from botocore import xform_name
from moto.iam.access_control import IAMPolicy, PermissionResult

import retail_lake
from retail_lake.config import Settings
from retail_lake.deploy.policies import policies
from retail_lake.failure import ConfigurationFailure

ACCOUNT = "123456789012"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/retail-lake-job"
SETTINGS = {
    "profile": "aws",
    "region": "eu-central-1",
    "lake_uri": "s3://acme-lake/retail",
    "landing_uri": "s3://acme-landing/retail",
    "artifacts_uri": "s3://acme-artifacts/retail",
    "glue_role": ROLE,
    "emr_serverless_application": "00f1r2",
    "emr_serverless_role": ROLE,
    "emr_cluster": "team=data",
    "lambda_role": ROLE,
    "lambda_image": "image",
    "redshift_workgroup": "retail",
    "redshift_secret": f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:redshift-1a2b",
    "alert_routes": ({"to": f"sns:arn:aws:sns:eu-central-1:{ACCOUNT}:retail-alerts"},),
    "arrival_queue": f"https://sqs.eu-central-1.amazonaws.com/{ACCOUNT}/retail-lake-arrivals",
    "kms_key": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/0f1e",
}
DATA = "arn:aws:s3:::acme-lake/retail/silver/sales/data/job-1/rows/part-0.parquet"
METADATA = "arn:aws:s3:::acme-lake/retail/silver/sales/metadata/1.metadata.json"
LANDED = "arn:aws:s3:::acme-landing/retail/tills/till_lines/2017-01-01/a.csv"
REPORT = "arn:aws:s3:::acme-artifacts/retail/jobs/t-1/report.json"
WHEELS = "arn:aws:s3:::acme-artifacts/retail/artifacts/spark-4.1/1-abc/x.gluewheels.zip"
JOB = f"arn:aws:glue:eu-central-1:{ACCOUNT}:job/retail-lake"
TABLE = f"arn:aws:glue:eu-central-1:{ACCOUNT}:table/gold/fact_sales"
KEY = SETTINGS["kms_key"]
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNT}:retail-alerts"
QUEUE = f"arn:aws:sqs:eu-central-1:{ACCOUNT}:retail-lake-arrivals"

MAY = [
    ("job", "s3:GetObject", LANDED), ("job", "s3:GetObject", DATA), ("job", "s3:PutObject", DATA),
    ("job", "s3:DeleteObject", DATA), ("job", "s3:GetObject", WHEELS), ("job", "s3:PutObject", REPORT),
    ("job", "kms:GenerateDataKey", KEY), ("job", "kms:Decrypt", KEY), ("job", "s3:ListBucket", "arn:aws:s3:::acme-lake"),
    ("job", "logs:PutLogEvents", f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/retail-lake:log-stream:x"),
    ("launcher", "s3:PutObject", METADATA), ("launcher", "s3:DeleteObject", DATA), ("launcher", "s3:GetObject", LANDED),
    ("launcher", "glue:StartJobRun", JOB), ("launcher", "glue:BatchStopJobRun", JOB), ("launcher", "glue:UpdateTable", TABLE),
    ("launcher", "emr-serverless:StartJobRun", f"arn:aws:emr-serverless:eu-central-1:{ACCOUNT}:/applications/00f1r2"),
    ("launcher", "emr-serverless:CancelJobRun", f"arn:aws:emr-serverless:eu-central-1:{ACCOUNT}:/applications/00f1r2/jobruns/1"),
    ("launcher", "iam:PassRole", ROLE),
    ("launcher", "lambda:InvokeFunction", f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:retail-lake"),
    ("launcher", "athena:StartQueryExecution", f"arn:aws:athena:eu-central-1:{ACCOUNT}:workgroup/primary"),
    ("launcher", "secretsmanager:GetSecretValue", SETTINGS["redshift_secret"]),
    ("launcher", "sqs:ReceiveMessage", QUEUE), ("launcher", "sqs:DeleteMessage", QUEUE),
    ("launcher", "sqs:GetQueueAttributes", f"{QUEUE}-dead-letters"), ("deployer", "sqs:SetQueueAttributes", QUEUE),
    ("deployer", "s3:PutBucketNotification", "arn:aws:s3:::acme-landing"), ("launcher", "sns:Publish", TOPIC),
    ("deployer", "glue:CreateJob", JOB), ("deployer", "s3:PutObject", WHEELS), ("deployer", "iam:PassRole", ROLE),
    ("deployer", "s3:PutLifecycleConfiguration", "arn:aws:s3:::acme-artifacts"),
    ("redshift", "s3:GetObject", DATA), ("redshift", "s3:GetObject", REPORT), ("demo", "s3:PutObject", LANDED),
]  # fmt: skip
MAY_NOT = [
    ("job", "s3:PutObject", LANDED), ("job", "s3:DeleteObject", LANDED), ("job", "s3:PutObject", METADATA),
    ("job", "s3:PutObject", WHEELS), ("job", "s3:GetObject", "arn:aws:s3:::acme-lake/other-team/x"),
    ("job", "glue:UpdateTable", TABLE), ("job", "glue:StartJobRun", JOB), ("job", "iam:PassRole", ROLE),
    ("launcher", "sqs:DeleteMessage", f"{QUEUE}-dead-letters"), ("launcher", "sqs:SetQueueAttributes", QUEUE),
    ("launcher", "s3:PutBucketNotification", "arn:aws:s3:::acme-landing"),
    ("launcher", "sns:Publish", f"{TOPIC}-of-others"), ("launcher", "s3:PutObject", LANDED), ("launcher", "glue:UpdateJob", JOB),
    ("launcher", "glue:UpdateTable", f"arn:aws:glue:eu-central-1:{ACCOUNT}:table/finance/ledger"),
    ("launcher", "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    ("launcher", "glue:StartJobRun", f"arn:aws:glue:eu-central-1:{ACCOUNT}:job/another"),
    ("deployer", "s3:GetObject", DATA), ("deployer", "iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    ("redshift", "s3:PutObject", DATA), ("redshift", "s3:GetObject", LANDED), ("demo", "s3:DeleteObject", LANDED),
]  # fmt: skip


def settings(folder: Path, **other: str) -> Settings:
    return Settings(home=folder, **{**SETTINGS, **other})  # type: ignore[arg-type]


def permitted(document: object, action: str, resource: str) -> bool:
    """Moto's reading of a policy; it takes every condition as met."""
    return bool(IAMPolicy(json.dumps(document)).is_action_permitted(action, resource) is PermissionResult.PERMITTED)


def test_each_role_may_do_what_it_has_to_and_not_what_is_not_its_business(tmp_path: Path) -> None:
    found = policies(settings(tmp_path))
    judged = {case: permitted(found[case[0]], *case[1:]) for case in (*MAY, *MAY_NOT)}
    assert {case for case, allowed in judged.items() if allowed} == set(MAY)
    assert set(MAY).isdisjoint(MAY_NOT)


def test_each_fits_what_iam_takes_and_uses_no_wildcard_action(tmp_path: Path) -> None:
    for document in policies(settings(tmp_path)).values():
        assert len(json.dumps(document, separators=(",", ":"))) <= 6144
        actions = [action for statement in document["Statement"] for action in [statement["Action"]]]
        assert not any("*" in action for listed in actions for action in ([listed] if isinstance(listed, str) else listed))


def test_listing_is_bound_to_the_prefix(tmp_path: Path) -> None:
    listing = [s for s in policies(settings(tmp_path))["redshift"]["Statement"] if s["Action"] == ["s3:ListBucket"]]
    conditions = {s["Resource"][0].rpartition(":")[2]: s["Condition"]["StringLike"]["s3:prefix"] for s in listing}
    assert conditions == {"acme-lake": ["retail", "retail/*"], "acme-artifacts": ["retail/jobs", "retail/jobs/*"]}


def test_a_key_by_its_alias_is_granted_by_its_alias(tmp_path: Path) -> None:
    by_id = policies(settings(tmp_path, kms_key=KEY_ID))["redshift"]["Statement"][-1]
    assert by_id["Resource"] == [f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/{KEY_ID}"] and "Condition" not in by_id
    found = policies(settings(tmp_path, kms_key="alias/lake"))["redshift"]["Statement"][-1]
    assert found["Resource"] == [f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/*"]
    assert found["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/lake"}}
    assert not any(
        action.startswith("kms:") for s in policies(settings(tmp_path, kms_key=""))["job"]["Statement"] for action in s["Action"]
    )


def test_a_lake_that_is_not_on_s3_has_no_policies(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFailure, match="RETAIL_LAKE_LAKE_URI must be s3://"):
        policies(Settings(home=tmp_path))


def calls(*rooms: str) -> set[tuple[str, str]]:
    """Every operation that modules with a client name, as a method, for a paginator or for a waiter, as IAM calls it."""
    services = ("athena", "emr", "emr-serverless", "glue", "lambda", "logs", "redshift-data", "sns", "sqs")
    models = {service: boto3.client(service, "us-east-1").meta.service_model for service in services}
    known = {service: {xform_name(name): name for name in model.operation_names} for service, model in models.items()}
    waiters = {"function_active_v2": "get_function", "function_updated_v2": "get_function"}
    found = set()
    for path in (path for room in rooms for path in sorted((Path(retail_lake.__file__).parent / room).glob("*.py"))):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        names = (
            texts | {node.attr for node in nodes if isinstance(node, ast.Attribute)} | {waiters.get(text, "") for text in texts}
        )
        if "client" in {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}:
            for service in texts & known.keys():
                found |= {(path.name, _action(service, known[service][name])) for name in names & known[service].keys()}
    return found


def _action(service: str, operation: str) -> str:
    """IAM's name of an operation, which is mostly the same."""
    if (service, operation) == ("lambda", "Invoke"):
        return "lambda:InvokeFunction"
    if service == "sqs":
        operation = operation.removesuffix("Batch")
    prefix = "elasticmapreduce" if service == "emr" else service
    return f"{prefix}:{operation}"


@pytest.mark.parametrize(
    ("who", "rooms", "least"),
    [("launcher", ("engines", "warehouse", "orchestration", "doctor", "arrivals", "alerts"), 15), ("deployer", ("deploy",), 10)],
)
def test_every_call_that_the_code_makes_is_granted(tmp_path: Path, who: str, rooms: tuple[str, ...], least: int) -> None:
    granted = {action for s in policies(settings(tmp_path))[who]["Statement"] for action in s["Action"]}
    made = calls(*rooms)
    assert len(made) >= least
    assert {(module, action) for module, action in made if action not in granted} == set()

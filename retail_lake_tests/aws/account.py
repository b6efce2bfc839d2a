"""An account on this AWS, with what a team has before it deploys: a role, an EMR Serverless application, an EMR cluster.

Belongs here: making that, the settings that name it, and deploying the real artifact into it. Does not: what is deployed
(`retail_lake.deploy`) or how it runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retail_lake.config import PREFIX, Settings
from retail_lake.deploy import artifact, glue_job, lambda_function
from retail_lake.deploy.lanes import LANES
from retail_lake_tests.aws.awslambda import Lambda
from retail_lake_tests.aws.lambda_images import Image
from retail_lake_tests.aws.server import Aws
from retail_lake_tests.aws.service import ACCOUNT, REGION

ROLE = "retail-lake-job"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/retail-lake:test"
_TAGS = {"team": "data"}
_INSTANCES = {
    "MasterInstanceType": "m5.xlarge",
    "SlaveInstanceType": "m5.xlarge",
    "InstanceCount": 2,
    "KeepJobFlowAliveWhenNoSteps": True,
}


@dataclass(frozen=True)
class Account:
    """The settings of the `aws` profile for what is there, and the same as variables for another process."""

    settings: Settings
    environment: Mapping[str, str]


def prepare(aws: Aws, home: Path, name: str, **more: str) -> Account:
    """Make what must be there. `name` is the prefix of its lake in the bucket; `more` are further settings."""
    lane = LANES[more.get("lane", "spark-4.1")]
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam = aws.client("iam")
    if ROLE not in [role["RoleName"] for role in iam.list_roles()["Roles"]]:
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=document)
    role = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    application = aws.client("emr-serverless").create_application(name=name, releaseLabel=lane.emr_release, type="SPARK")
    cluster = aws.client("emr").run_job_flow(
        Name=name,
        ReleaseLabel=lane.emr_release,
        LogUri=f"s3://{aws.s3.bucket}/{name}/emr-logs/",
        Instances=_INSTANCES,
        Tags=[{"Key": "lake", "Value": name}],
        StepConcurrencyLevel=4,
    )
    at = f"s3://{aws.s3.bucket}/{name}"
    variables = {
        "profile": "aws",
        "home": str(home),
        "region": REGION,
        "s3_endpoint": aws.s3_endpoint,
        "lake_uri": f"{at}/lake",
        "landing_uri": f"{at}/landing",
        # One for all accounts of a session: building and uploading an artifact takes half a minute.
        "artifacts_uri": f"s3://{aws.s3.bucket}/deployed",
        "glue_role": role,
        "emr_serverless_application": application["applicationId"],
        "emr_serverless_role": role,
        "emr_cluster": cluster["JobFlowId"],
        "lambda_role": role,
        "lambda_image": IMAGE,
        "redshift_workgroup": "retail-lake",
        **more,
    }
    settings = Settings(**variables, tags=_TAGS)
    variables["tags"] = json.dumps(_TAGS)
    return Account(settings, {f"{PREFIX}{key.upper()}": value for key, value in variables.items()})


def deploy(aws: Aws, account: Account, built: artifact.Built) -> artifact.Artifact:
    """Bring the real artifact there, as `retail-lake deploy` does: uploaded if it is not there, then the Glue job and the
    function."""
    settings = account.settings
    made = artifact.publish(settings, built)
    glue_job.ensure(settings, made)
    service: Any = aws.services["lambda"]
    assert isinstance(service, Lambda)
    # What the image holds is what the artifact holds: both are the same pins.
    variables = {"RETAIL_LAKE_HOME": "/tmp/retail_lake"}
    service.push(IMAGE, Image(lambda_function.HANDLER, wheels=[made.wheels], environment=variables))
    lambda_function.ensure(settings)
    return made

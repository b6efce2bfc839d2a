"""IAM policies with what is needed and no more, for the roles that the settings name and for who launches and deploys.

Belongs here: which action on which resource. Does not: making roles: that is for whoever owns the account.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from retail_lake.aws import split_uri
from retail_lake.config import PREFIX, Settings
from retail_lake.deploy.notifications import queue_name
from retail_lake.deploy.tags import account
from retail_lake.failure import ConfigurationFailure

Statement = dict[str, Any]
_ARN: Final = re.compile(r"arn:([a-z-]+):[a-z0-9-]+:[a-z0-9-]*:(\d{12}):.*")
_READ: Final = ("s3:GetObject",)
_WRITE: Final = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
_BUCKET_PARTS: Final = ("BucketPublicAccessBlock", "EncryptionConfiguration", "BucketVersioning", "LifecycleConfiguration")
_QUEUE: Final = ("GetQueueAttributes", "GetQueueUrl")
_NAMESPACES: Final = ("bronze", "silver", "gold", "quarantine", "ops")
# Who may take the job role: the services that run jobs, EMR's by way of the cluster's machines.
_RUN_JOBS: Final = ("glue.amazonaws.com", "emr-serverless.amazonaws.com", "lambda.amazonaws.com", "ec2.amazonaws.com")


def policies(settings: Settings) -> dict[str, dict[str, Any]]:
    """Policy documents by who needs them: `job` (with `job_trust`) for the roles of Glue, EMR and Lambda, `launcher` for what
    runs Dagster and the commands, `deployer` for `retail-lake deploy`, `redshift` for the role that COPY reads with, `recovery`
    for who follows a runbook, besides `launcher`, `replica` for the role that S3 copies landing with, `demo` for who lands the
    demo's files. Raises `ConfigurationFailure` for a location that is not on S3."""
    for name in ("lake_uri", "landing_uri", "artifacts_uri"):
        if not getattr(settings, name).startswith("s3://"):
            raise ConfigurationFailure(f"{PREFIX}{name.upper()} must be s3://bucket/prefix for its policies to be written")
    at = _Account(settings, *_where(settings))
    trust = {"Effect": "Allow", "Principal": {"Service": list(_RUN_JOBS)}, "Action": "sts:AssumeRole"}
    documents = {
        "job": _job(settings, at),
        "launcher": [
            *_launcher_data(settings, at),
            *_launcher_arrivals(settings, at),
            *_launcher_alerts(settings),
            *_launcher_jobs(settings, at),
            *_launcher_warehouse(settings, at),
            # `retail-lake doctor` asks what the caller, whose role no setting names, and the jobs' roles may do.
            _allow(("iam:GetRole",), at.role("*")),
            _allow(("iam:SimulatePrincipalPolicy",), at.role("*"), at.user("*")),
        ],
        "deployer": _deployer(settings, at),
        "redshift": [
            *at.files(_READ, settings.lake_uri, f"{settings.artifacts_uri}/jobs"),
            *at.key("kms:Decrypt"),
        ],
        "recovery": _recovery(settings, at),
        "demo": [*at.files(("s3:PutObject",), settings.landing_uri), *at.key("kms:GenerateDataKey", "kms:Decrypt")],
    }
    if settings.landing_replica:
        documents["replica"] = _replica(settings, at)
    return {
        "job_trust": {"Version": "2012-10-17", "Statement": [trust]},
        **{name: {"Version": "2012-10-17", "Statement": found} for name, found in documents.items()},
    }


@dataclass(frozen=True)
class _Account:
    """ARNs of things in one account and region."""

    settings: Settings
    partition: str
    number: str

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self.partition}:{service}:{self.settings.region}:{self.number}:{resource}"

    def role(self, given: str) -> str:
        """A role by name or ARN, as ARN."""
        return given if given.startswith("arn:") else f"arn:{self.partition}:iam::{self.number}:role/{given}"

    def user(self, name: str) -> str:
        """A user, as ARN."""
        return f"arn:{self.partition}:iam::{self.number}:user/{name}"

    def files(self, actions: Iterable[str], *uris: str) -> list[Statement]:
        """Actions on all objects below those locations, and listing them: without that, what is missing looks forbidden."""
        statements = [_allow(actions, *(f"{self.s3(uri)}/*" for uri in uris))]
        prefixes: dict[str, list[str]] = {}
        for uri in uris:
            bucket, prefix = split_uri(uri)
            prefixes.setdefault(self.s3(bucket), []).extend((prefix, f"{prefix}/*") if prefix else ("*",))
        statements.append(_allow(("s3:GetBucketLocation",), *prefixes))
        for bucket, found in prefixes.items():
            listing = _allow(("s3:ListBucket",), bucket)
            statements.append(listing if "*" in found else {**listing, "Condition": {"StringLike": {"s3:prefix": found}}})
        return statements

    def s3(self, uri: str) -> str:
        """A bucket or a location in it."""
        return f"arn:{self.partition}:s3:::{uri.removeprefix('s3://')}"

    def queue(self, kind: str = "") -> str:
        """The queue that announces arrivals, or the one of its dead letters."""
        return self.arn("sqs", f"{queue_name(self.settings)}{kind}")

    def buckets(self) -> list[str]:
        """The buckets of the settings."""
        settings = self.settings
        uris = (settings.lake_uri, settings.landing_uri, settings.artifacts_uri, settings.athena_output)
        return sorted({self.s3(split_uri(uri)[0]) for uri in uris})

    def key(self, *actions: str) -> list[Statement]:
        """Use of the settings' KMS key, by its ARN, id or alias; the account's own key for S3 needs no grant."""
        key = self.settings.kms_key
        if not key:
            return []
        if "alias/" not in key:
            return [_allow(actions, key if key.startswith("arn:") else self.arn("kms", f"key/{key}"))]
        alias = key.rpartition(":")[2]
        named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
        return [{**_allow(actions, self.arn("kms", "key/*")), "Condition": named}]


def _job(settings: Settings, at: _Account) -> list[Statement]:
    """Read what was pinned, stage data files, leave a report. No catalog, no metadata, no control plane."""
    return [
        *at.files(_READ, settings.landing_uri, settings.lake_uri, settings.artifacts_uri),
        _allow(_WRITE, f"{at.s3(settings.lake_uri)}/*/data/*", f"{at.s3(settings.artifacts_uri)}/jobs/*"),
        # EMR Serverless writes its logs as the job.
        _allow(("s3:PutObject",), f"{at.s3(settings.artifacts_uri)}/logs/*"),
        *at.key("kms:Decrypt", "kms:GenerateDataKey"),
        _allow(
            ("logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"),
            *_log_groups(settings, at),
        ),
        {**_allow(("cloudwatch:PutMetricData",), "*"), "Condition": {"StringEquals": {"cloudwatch:namespace": "Glue"}}},
    ]


def _launcher_data(settings: Settings, at: _Account) -> list[Statement]:
    tables = [f"table/{name}/*" for name in _NAMESPACES]
    databases = [f"database/{name}" for name in _NAMESPACES]
    return [
        # `retail-lake doctor` looks how the buckets are set.
        _allow((f"s3:Get{part}" for part in _BUCKET_PARTS), *at.buckets()),
        *at.files(_READ, settings.landing_uri),
        *at.files(_WRITE, settings.lake_uri, settings.artifacts_uri, settings.athena_output.rstrip("/")),
        *at.key("kms:Decrypt", "kms:GenerateDataKey"),
        _allow(
            (
                *("glue:CreateDatabase", "glue:GetDatabase", "glue:GetDatabases"),
                *("glue:CreateTable", "glue:GetTable", "glue:GetTables", "glue:UpdateTable"),
            ),
            *(at.arn("glue", resource) for resource in ("catalog", *databases, *tables)),
        ),
    ]


def _launcher_arrivals(settings: Settings, at: _Account) -> list[Statement]:
    """Empty the queue that announces arrivals, and look how many dead letters it has and whether the bucket tells it."""
    if not settings.arrival_queue:
        return []
    calls = ("ReceiveMessage", "DeleteMessage", *_QUEUE)
    return [
        _allow((f"sqs:{call}" for call in calls), at.queue()),
        _allow((f"sqs:{call}" for call in _QUEUE), at.queue("-dead-letters")),
        _allow(("s3:GetBucketNotification",), at.s3(split_uri(settings.landing_uri)[0])),
    ]


def _launcher_alerts(settings: Settings) -> list[Statement]:
    """Publish alerts, and look whether their topics are there."""
    topics = [route.to.removeprefix("sns:") for route in settings.alert_routes if route.to.startswith("sns:")]
    return [_allow(("sns:Publish", "sns:GetTopicAttributes"), *topics)] if topics else []


def _launcher_jobs(settings: Settings, at: _Account) -> list[Statement]:
    """Start, watch and stop remote jobs, of the engines that are set up."""
    found = [_allow(("logs:GetLogEvents", "logs:FilterLogEvents"), *_log_groups(settings, at))]
    if settings.glue_role:
        runs = ("glue:StartJobRun", "glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun", "glue:GetJob", "glue:GetTags")
        found.append(_allow(runs, at.arn("glue", f"job/{settings.glue_job}")))
    if settings.emr_serverless_application:
        application = f"/applications/{settings.emr_serverless_application}"
        calls = ("StartJobRun", "GetApplication", "StartApplication", "ListJobRuns", "GetJobRun", "CancelJobRun", "TagResource")
        resources = (at.arn("emr-serverless", application), at.arn("emr-serverless", f"{application}/jobruns/*"))
        found.append(_allow((f"emr-serverless:{call}" for call in calls), *resources))
        found.append(_pass(at.role(settings.emr_serverless_role), "emr-serverless.amazonaws.com"))
    if settings.emr_cluster:
        steps = ("AddJobFlowSteps", "CancelSteps", "DescribeCluster", "DescribeStep", "ListInstances", "ListSteps")
        by_id = settings.emr_cluster.startswith("j-")
        cluster = _allow(
            (f"elasticmapreduce:{call}" for call in steps),
            at.arn("elasticmapreduce", f"cluster/{settings.emr_cluster if by_id else '*'}"),
        )
        if not by_id:
            key, _, value = settings.emr_cluster.partition("=")
            cluster["Condition"] = {"StringEquals": {f"elasticmapreduce:ResourceTag/{key}": value}}
            # Which cluster has the tag is found by looking at all of them.
            found.append(_allow(("elasticmapreduce:ListClusters", "elasticmapreduce:DescribeCluster"), "*"))
        found.append(cluster)
    if settings.lambda_role or settings.lambda_image:
        use = ("InvokeFunction", "GetFunction", "GetFunctionConfiguration")
        found.append(_allow((f"lambda:{call}" for call in use), at.arn("lambda", f"function:{settings.lambda_function}")))
    return found


def _launcher_warehouse(settings: Settings, at: _Account) -> list[Statement]:
    calls = ("StartQueryExecution", "GetQueryExecution", "GetQueryResults", "StopQueryExecution", "GetWorkGroup")
    found = [_allow((f"athena:{call}" for call in calls), at.arn("athena", f"workgroup/{settings.athena_workgroup}"))]
    if settings.warehouse != "redshift":
        return found
    submit = ("redshift-data:ExecuteStatement", "redshift-data:BatchExecuteStatement")
    if settings.redshift_workgroup:
        # A workgroup's ARN has an id that its name does not tell; the statements themselves are bound to the secret or identity.
        workgroup = at.arn("redshift-serverless", "workgroup/*")
        found += [_allow(submit, workgroup), _allow(("redshift-serverless:GetCredentials",), workgroup)]
    else:
        cluster = at.arn("redshift", f"cluster:{settings.redshift_cluster}")
        name = at.arn("redshift", f"dbname:{settings.redshift_cluster}/{settings.redshift_database}")
        found += [_allow(submit, cluster), _allow(("redshift:GetClusterCredentialsWithIAM",), name)]
    own = {"StringEquals": {"redshift-data:statement-owner-iam-userid": "${aws:userid}"}}
    watch = ("DescribeStatement", "GetStatementResult", "CancelStatement")
    found.append({**_allow((f"redshift-data:{call}" for call in watch), "*"), "Condition": own})
    if settings.redshift_secret:
        found.append(_allow(("secretsmanager:GetSecretValue",), settings.redshift_secret))
    return found


def _deployer(settings: Settings, at: _Account) -> list[Statement]:
    """Upload the artifact, make the Glue job and the function, set the buckets."""
    found = [
        *at.files(_WRITE, f"{settings.artifacts_uri}/artifacts"),
        *at.key("kms:Decrypt", "kms:GenerateDataKey"),
        _allow((f"s3:{verb}{part}" for part in _BUCKET_PARTS for verb in ("Get", "Put")), *at.buckets()),
    ]
    if settings.landing_uri.startswith("s3://"):
        calls = ("CreateQueue", "SetQueueAttributes", "TagQueue", *_QUEUE)
        found.append(_allow((f"sqs:{call}" for call in calls), at.queue(), at.queue("-dead-letters")))
        told = ("s3:GetBucketNotification", "s3:PutBucketNotification")
        found.append(_allow(told, at.s3(split_uri(settings.landing_uri)[0])))
    if settings.landing_replica:
        copying = ("s3:GetReplicationConfiguration", "s3:PutReplicationConfiguration")
        found.append(_allow(copying, at.s3(split_uri(settings.landing_uri)[0])))
        found.append(
            _allow((f"s3:{verb}{part}" for part in _BUCKET_PARTS for verb in ("Get", "Put")), at.s3(settings.landing_replica))
        )
        found.append(_pass(at.role(settings.replica_role), "s3.amazonaws.com"))
    if settings.glue_role:
        calls = ("CreateJob", "GetJob", "UpdateJob", "GetTags", "TagResource")
        found.append(_allow((f"glue:{call}" for call in calls), at.arn("glue", f"job/{settings.glue_job}")))
        found.append(_pass(at.role(settings.glue_role), "glue.amazonaws.com"))
    if settings.lambda_role:
        make = (
            *("CreateFunction", "GetFunction", "GetFunctionConfiguration", "UpdateFunctionCode", "UpdateFunctionConfiguration"),
            *("GetFunctionEventInvokeConfig", "PutFunctionEventInvokeConfig", "TagResource"),
        )
        found.append(_allow((f"lambda:{call}" for call in make), at.arn("lambda", f"function:{settings.lambda_function}")))
        found.append(_pass(at.role(settings.lambda_role), "lambda.amazonaws.com"))
    return found


def _recovery(settings: Settings, at: _Account) -> list[Statement]:
    """Bring landed objects back from their versions, and replace what the catalog says of a table."""
    bucket = at.s3(split_uri(settings.landing_uri)[0])
    versions = ("s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObjectVersion", "s3:PutObject")
    databases = ("catalog", *(f"database/{name}" for name in _NAMESPACES), *(f"table/{name}/*" for name in _NAMESPACES))
    return [
        _allow(("s3:ListBucketVersions", "s3:GetBucketVersioning"), bucket),
        _allow(versions, f"{at.s3(settings.landing_uri)}/*"),
        *at.key("kms:Decrypt", "kms:GenerateDataKey"),
        _allow(("glue:DeleteTable",), *(at.arn("glue", resource) for resource in databases)),
    ]


def _replica(settings: Settings, at: _Account) -> list[Statement]:
    """Read versions of landing, and write them to the replica under its own key."""
    bucket = at.s3(split_uri(settings.landing_uri)[0])
    read = ("GetObjectVersionForReplication", "GetObjectVersionAcl", "GetObjectVersionTagging")
    return [
        _allow(("s3:GetReplicationConfiguration", "s3:ListBucket"), bucket),
        _allow((f"s3:{call}" for call in read), f"{at.s3(settings.landing_uri)}/*"),
        _allow(("s3:ReplicateObject", "s3:ReplicateTags"), f"{at.s3(settings.landing_replica)}/*"),
        *at.key("kms:Decrypt"),
        _allow(("kms:Encrypt",), settings.replica_kms_key),
    ]


def _allow(actions: Iterable[str], *resources: str) -> Statement:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(dict.fromkeys(resources))}


def _pass(role: str, service: str) -> Statement:
    """A role handed to that service and to no other."""
    return {**_allow(("iam:PassRole",), role), "Condition": {"StringEquals": {"iam:PassedToService": service}}}


def _log_groups(settings: Settings, at: _Account) -> Mapping[str, None]:
    groups = ("/aws-glue/*", f"/aws/lambda/{settings.lambda_function}", f"/aws/lambda/{settings.lambda_function}:*")
    return dict.fromkeys(at.arn("logs", f"log-group:{group}") for group in groups)


def _where(settings: Settings) -> tuple[str, str]:
    """Partition and account: of a role or key that the settings name, or of the caller."""
    named = (settings.glue_role, settings.emr_serverless_role, settings.lambda_role, settings.kms_key, settings.redshift_secret)
    for name in named:
        if found := _ARN.fullmatch(name):
            return found[1], found[2]
    return account(settings)

"""What the lake expects of its buckets: encrypted by default, closed to the public, landed bytes kept, leftovers swept.

Belongs here: setting that, where it is not so. Does not: making buckets, or anyone's access (`policies.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from retail_lake.aws import client, code_of, refusals, split_uri
from retail_lake.config import Settings
from retail_lake.deploy import replication
from retail_lake.failure import ConfigurationFailure

ENCRYPTED: Final = "encrypted by KMS"
_JOB_DAYS: Final = 30
_RESULT_DAYS: Final = 7
_RULE: Final = "retail-lake"
_CLOSED: Final = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_UNSET: Final = frozenset(
    {
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)


def ensure(settings: Settings, *, act: bool = True) -> dict[str, list[str]]:
    """Set each bucket of the settings as it should be; returns, by bucket, what was other. Unless `act`, only looks.

    Raises a `Failure`.
    """
    return {bucket: _ensure(settings, bucket, act) for bucket in _buckets(settings)}


def lifecycle(settings: Settings, bucket: str) -> list[dict[str, Any]]:
    """The rules of that bucket: descriptions, reports, messages and logs of jobs go, and so do Athena's results and what is
    left of broken uploads. Raises `ConfigurationFailure` rather than make a rule that would sweep the lake, the landing or an
    artifact."""
    sweep = {
        f"{settings.artifacts_uri}/jobs/": _JOB_DAYS,
        f"{settings.artifacts_uri}/logs/": _JOB_DAYS,
        f"{settings.athena_output.rstrip('/')}/": _RESULT_DAYS,
    }
    rules: list[dict[str, Any]] = [
        {
            "ID": f"{_RULE}-broken-uploads",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _RESULT_DAYS},
        }
    ]
    for uri, days in sweep.items():
        at, prefix = split_uri(uri)
        kept = (settings.lake_uri, settings.landing_uri, f"{settings.artifacts_uri}/artifacts")
        if at and (swept := [other for other in kept if f"{other}/".startswith(uri)]):
            raise ConfigurationFailure(f"{uri} is swept after {days} days, and {', '.join(swept)} is in it: set another location")
        if at == bucket:
            rules.append(
                {
                    "ID": f"{_RULE}-{prefix.rstrip('/').replace('/', '-')}",
                    "Status": "Enabled",
                    "Filter": {"Prefix": prefix},
                    "Expiration": {"Days": days},
                }
            )
    return rules


def _buckets(settings: Settings) -> list[str]:
    uris = (settings.lake_uri, settings.landing_uri, settings.artifacts_uri, settings.athena_output)
    ours = sorted({split_uri(uri)[0] for uri in uris if uri.startswith("s3://")})
    # The replica first: only to a bucket that keeps versions can be copied.
    copy = replication.replica(settings)
    return [copy, *ours] if copy else ours


def _ensure(settings: Settings, bucket: str, act: bool) -> list[str]:
    s3 = client("s3", settings)
    with refusals(f"Bucket {bucket}"):
        needed = dict(_puts(s3, settings, bucket))
        for put in needed.values() if act else ():
            put()
    return list(needed)


def _puts(s3: Any, settings: Settings, bucket: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is not as it should be, with the call that makes it so."""
    if _read(s3.get_public_access_block, bucket, "PublicAccessBlockConfiguration") != _CLOSED:
        yield "closed to the public", partial(s3.put_public_access_block, Bucket=bucket, PublicAccessBlockConfiguration=_CLOSED)
    copy = replication.replica(settings)
    encryption = _encryption(settings.replica_kms_key if bucket == copy else settings.kms_key)
    found = _read(s3.get_bucket_encryption, bucket, "ServerSideEncryptionConfiguration") or {}
    if [{name: rule.get(name) for name in encryption} for rule in found.get("Rules", [])] != [encryption]:
        yield (
            ENCRYPTED,
            partial(s3.put_bucket_encryption, Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [encryption]}),
        )
    kept = (split_uri(settings.landing_uri)[0], copy)
    if bucket in kept and s3.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        yield "versioned", partial(s3.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield from replication.puts(s3, settings, bucket)
    rules = _read(s3.get_bucket_lifecycle_configuration, bucket, "Rules") or []
    # Rules that somebody else made stay.
    wanted = [*(r for r in rules if not r.get("ID", "").startswith(_RULE)), *lifecycle(settings, bucket)]
    if _by_id(rules) != _by_id(wanted):
        yield (
            "lifecycle rules",
            partial(s3.put_bucket_lifecycle_configuration, Bucket=bucket, LifecycleConfiguration={"Rules": wanted}),
        )


def _encryption(key: str) -> dict[str, Any]:
    """Encryption by the settings' KMS key, or by the account's own for S3 where none is given."""
    applied = {"SSEAlgorithm": "aws:kms", **({"KMSMasterKeyID": key} if key else {})}
    return {"ApplyServerSideEncryptionByDefault": applied, "BucketKeyEnabled": True}


def _read(call: Any, bucket: str, part: str) -> Any:
    """That part of a bucket's configuration; None where it was never set."""
    from botocore.exceptions import ClientError

    try:
        return call(Bucket=bucket)[part]
    except ClientError as error:
        if code_of(error) in _UNSET:
            return None
        raise


def _by_id(rules: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {rule.get("ID", ""): rule for rule in rules}

"""Landing copied to a second bucket as it arrives: the one thing that cannot be built again is then in two places.

Belongs here: how S3 is told, and what has to be set for it. Does not: the buckets' other settings (`buckets.py`), or who may
(`policies.py`). Deletions are not copied, so that what is deleted by mistake is still there. S3 copies what arrives from then
on; what is there already is copied once by S3 Batch Replication.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from retail_lake.aws import code_of, split_uri
from retail_lake.config import PREFIX, Settings
from retail_lake.failure import ConfigurationFailure

_RULE: Final = "retail-lake"
_UNSET: Final = "ReplicationConfigurationNotFoundError"


def replica(settings: Settings) -> str:
    """The bucket that landing is copied to; empty if none is wanted. Raises `ConfigurationFailure` naming what is not set."""
    if not settings.landing_replica:
        return ""
    bucket, prefix = split_uri(settings.landing_replica)
    landing, _ = split_uri(settings.landing_uri) if settings.landing_uri.startswith("s3://") else ("", "")
    wrong = []
    if not settings.landing_replica.startswith("s3://") or prefix or bucket == landing:
        wrong.append(
            f"{PREFIX}LANDING_REPLICA must be s3://bucket without a prefix (keys stay as they are), another bucket than landing's"
        )
    wrong += [f"{PREFIX}{name.upper()} is not set" for name in ("replica_role", "replica_kms_key") if not getattr(settings, name)]
    if wrong:
        raise ConfigurationFailure(f"Landing cannot be copied to {settings.landing_replica}: {'; '.join(wrong)}")
    return bucket


def puts(s3: Any, settings: Settings, bucket: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """What is not as it should be of that bucket's replication, with the call that makes it so. Rules of others stay."""
    from botocore.exceptions import ClientError

    target = replica(settings)
    if not target or bucket != split_uri(settings.landing_uri)[0]:
        return
    try:
        found = s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    except ClientError as error:
        if code_of(error) != _UNSET:
            raise
        found = {"Role": "", "Rules": []}
    others = [rule for rule in found["Rules"] if not rule.get("ID", "").startswith(_RULE)]
    ours = [rule for rule in found["Rules"] if rule not in others]
    wanted = _rule(settings, target, max((rule.get("Priority", 0) for rule in others), default=0) + 1)
    if found["Role"] != settings.replica_role or [_told(rule) for rule in ours] != [_told(wanted)]:
        configuration = {"Role": settings.replica_role, "Rules": [*others, wanted]}
        call = partial(s3.put_bucket_replication, Bucket=bucket, ReplicationConfiguration=configuration)
        yield f"copied to {target}", call


def _told(rule: dict[str, Any]) -> tuple[str, str, str]:
    """What a rule is known by: the prefix is in its id."""
    return rule["ID"], rule["Status"], rule["Destination"]["Bucket"]


def _rule(settings: Settings, target: str, priority: int) -> dict[str, Any]:
    _, prefix = split_uri(settings.landing_uri)
    return {
        "ID": f"{_RULE}-{prefix.replace('/', '-') or 'landing'}",
        "Priority": priority,
        "Status": "Enabled",
        "Filter": {"Prefix": f"{prefix}/" if prefix else ""},
        "SourceSelectionCriteria": {"SseKmsEncryptedObjects": {"Status": "Enabled"}},
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {
            "Bucket": f"arn:aws:s3:::{target}",
            "EncryptionConfiguration": {"ReplicaKmsKeyID": settings.replica_kms_key},
        },
    }

"""Landed objects brought back from a bucket's versions, after somebody deleted or overwrote them.

Belongs here: which version of which object was there at a moment. Does not: keeping versions (`deploy/buckets.py`), or what
landed means (`landing.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retail_lake.aws import client, refusals, split_uri
from retail_lake.config import PREFIX, Settings
from retail_lake.failure import ConfigurationFailure


@dataclass(frozen=True)
class Restored:
    """One object and what had happened to it: `deleted`, or `overwritten` since."""

    key: str
    happened: str
    size: int


@dataclass(frozen=True)
class _Version:
    """One version of an object, or the mark of its deletion."""

    version_id: str
    written_at: datetime
    size: int | None

    @property
    def deleted(self) -> bool:
        return self.size is None


def restore(settings: Settings, before: datetime, *, act: bool = True) -> list[Restored]:
    """Bring every landed object back that was there at that moment and is not there as it was any more.

    A deleted one comes back as the version it was, its time included; an overwritten one as a copy of what it was. What
    landed since stays. Unless `act`, only looks. Raises `ConfigurationFailure` where no versions are kept.
    """
    if not settings.landing_uri.startswith("s3://"):
        raise ConfigurationFailure(
            f"{PREFIX}LANDING_URI {settings.landing_uri} is a folder, which keeps no versions: use a backup"
        )
    bucket, prefix = split_uri(settings.landing_uri)
    s3 = client("s3", settings)
    with refusals(f"Bucket {bucket}"):
        if s3.get_bucket_versioning(Bucket=bucket).get("Status") not in ("Enabled", "Suspended"):
            raise ConfigurationFailure(f"Bucket {bucket} never kept versions: `retail-lake deploy --buckets` would have let it")
        found = list(_lost(s3, bucket, f"{prefix.rstrip('/')}/" if prefix else "", before))
        for restored, was, since in found if act else ():
            _bring_back(s3, bucket, restored.key, was, since)
    return [restored for restored, _, _ in found]


def _lost(s3: Any, bucket: str, prefix: str, before: datetime) -> Iterator[tuple[Restored, _Version, list[_Version]]]:
    """The objects that are not as they were, each with the version it was and those that came since."""
    moment = before.replace(microsecond=0)  # S3 tells whole seconds
    for key, versions in _versions(s3, bucket, prefix):
        newest_first = sorted(versions, key=lambda v: v.written_at, reverse=True)
        then = [v for v in newest_first if v.written_at < moment]
        since = newest_first[: len(newest_first) - len(then)]
        if since and then and not then[0].deleted:
            yield Restored(key, "deleted" if since[0].deleted else "overwritten", then[0].size or 0), then[0], since


def _versions(s3: Any, bucket: str, prefix: str) -> Iterator[tuple[str, list[_Version]]]:
    """Every object below a prefix with all of its versions; the service tells them in the order of their keys."""
    last, kept = "", defaultdict[str, list[_Version]](list)
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for told in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            kept[told["Key"]].append(_Version(told["VersionId"], told["LastModified"], told.get("Size")))
        last = max((*kept, last))
        for key in sorted(kept):
            if key < last:
                yield key, kept.pop(key)
    yield from kept.items()


def _bring_back(s3: Any, bucket: str, key: str, was: _Version, since: list[_Version]) -> None:
    if all(version.deleted for version in since):
        for mark in since:
            s3.delete_object(Bucket=bucket, Key=key, VersionId=mark.version_id)
    else:
        s3.copy_object(Bucket=bucket, Key=key, CopySource={"Bucket": bucket, "Key": key, "VersionId": was.version_id})

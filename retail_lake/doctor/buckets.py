"""Buckets: there, in the region, readable, writable where the project writes, and set as the lake expects.

Belongs here: what is asked of S3. Does not: how a bucket should be set, which `deploy/buckets.py` says. The landing is not
written to: the project only reads it, and an object there would be taken for an arrival.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import partial
from typing import Final

from retail_lake.aws import client, code_of, split_uri
from retail_lake.config import PREFIX, Settings
from retail_lake.doctor.check import Check, Doubt
from retail_lake.failure import ConfigurationFailure, Failure

_PROBE: Final = "_doctor"


def checks(settings: Settings, after: str) -> Iterator[Check]:
    """What there is to look at of each bucket."""
    places = {"landing": settings.landing_uri, "lake": settings.lake_uri, "artifacts": settings.artifacts_uri}
    found = {place: uri for place, uri in places.items() if uri.startswith("s3://")}
    for place, uri in found.items():
        name = f"{place} bucket"
        yield Check(name, partial(_reached, settings, place, uri), "s3", after)
        if place != "landing":
            yield Check(f"{place} writable", partial(_written, settings, uri), "s3", name)
    if found:
        yield Check("bucket settings", partial(_set, settings), "s3", after)


def _reached(settings: Settings, place: str, uri: str) -> str:
    s3, (bucket, prefix) = client("s3", settings), split_uri(uri)
    variable = f"{PREFIX}{place.upper()}_URI={uri}"
    try:
        region = s3.head_bucket(Bucket=bucket).get("BucketRegion")
    except s3.exceptions.ClientError as error:
        if code_of(error) in ("404", "NoSuchBucket"):
            raise ConfigurationFailure(f"{variable}: there is no bucket {bucket}; make it or set another") from None
        raise
    if region and region != settings.region:
        raise ConfigurationFailure(f"{variable}: the bucket is in {region}; set {PREFIX}REGION={region} or use another bucket")
    some = s3.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/" if prefix else "", MaxKeys=1).get("Contents", [])
    if some and some[0]["Size"]:
        s3.get_object(Bucket=bucket, Key=some[0]["Key"], Range="bytes=0-0")
    return f"{uri} is there and readable" + ("" if some else ", and empty")


def _written(settings: Settings, uri: str) -> str:
    s3, (bucket, prefix) = client("s3", settings), split_uri(uri)
    key = f"{prefix}/{_PROBE}/{uuid.uuid4().hex}".lstrip("/")
    s3.put_object(Bucket=bucket, Key=key, Body=b"retail-lake doctor")
    try:
        read = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    finally:
        # Where versions are kept this leaves an old one of a few bytes: removing it takes a right that nobody else needs.
        s3.delete_object(Bucket=bucket, Key=key)
    if read != b"retail-lake doctor":
        raise ConfigurationFailure(f"{uri}: an object came back other than it was written; look at what stands before the bucket")
    return f"{uri} can be written, read and deleted from"


def _set(settings: Settings) -> str:
    from retail_lake.deploy.buckets import ENCRYPTED, ensure

    try:
        other = {bucket: parts for bucket, parts in ensure(settings, act=False).items() if parts}
    except Failure as failure:
        if failure.__cause__ is not None and code_of(failure.__cause__) == "NotImplemented":
            raise Doubt(f"this S3 server cannot say how its buckets are set ({failure})") from None
        raise
    if not other:
        return "encrypted by KMS, closed to the public, landing versioned, leftovers swept"
    told = "; ".join(f"{bucket} lacks: {', '.join(parts)}" for bucket, parts in other.items())
    advice = f"{told}. Run `retail-lake deploy --buckets`, or have the buckets' owner set it"
    if settings.kms_key and any(ENCRYPTED in parts for parts in other.values()):
        raise ConfigurationFailure(f"{PREFIX}KMS_KEY={settings.kms_key}: {advice}")
    raise Doubt(advice)

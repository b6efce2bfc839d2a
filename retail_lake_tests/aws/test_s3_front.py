"""Faults of S3: errors that pass, uploads that break off, answers that are lost; and nothing else changed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from retail_lake.config import load_settings
from retail_lake.failure import ConfigurationFailure
from retail_lake.storage import read_bytes, write_bytes
from retail_lake_tests.aws import s3_front
from retail_lake_tests.aws.server import Aws


@pytest.fixture
def front(aws: Aws) -> Iterator[str]:
    """S3 through the front."""
    with s3_front.serve(aws) as address:
        yield address


def test_what_goes_through_arrives_as_it_is(aws: Aws, front: str) -> None:
    settings, data = load_settings(), os.urandom(300_000)
    assert settings.s3_endpoint == front
    write_bytes("s3://lake/front/some key+ü", data, settings)
    assert aws.client("s3").get_object(Bucket="lake", Key="front/some key+ü")["Body"].read() == data
    assert read_bytes("s3://lake/front/some key+ü", settings) == data
    assert {"CompleteMultipartUpload", "GetObject"} <= {c.operation for c in aws.calls if c.service == "s3"}


def test_a_passing_error_is_tried_again(aws: Aws, front: str) -> None:
    order = aws.faults.order("s3", "UploadPart", error="SlowDown", status=503, times=2)
    write_bytes("s3://lake/front/slow", b"1", load_settings())
    assert order.happened == 2
    assert read_bytes("s3://lake/front/slow", load_settings()) == b"1"


def test_a_half_finished_upload_leaves_no_object(aws: Aws, front: str) -> None:
    import boto3
    from botocore.config import Config

    once = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    s3 = boto3.client("s3", endpoint_url=front, config=once)
    aws.faults.order("s3", "PutObject", cut_upload=True, where=lambda p: p["Key"] == "front/half")
    with pytest.raises(HTTPClientError):
        s3.put_object(Bucket="lake", Key="front/half", Body=os.urandom(1_000_000))
    with pytest.raises(ClientError, match="404"):
        aws.client("s3").head_object(Bucket="lake", Key="front/half")


def test_a_lost_answer_is_of_an_upload_that_is_there(aws: Aws, front: str) -> None:
    order = aws.faults.order("s3", "UploadPart", lost_answer=True)
    write_bytes("s3://lake/front/lost", b"2", load_settings())
    assert order.happened == 1
    assert len([c for c in aws.calls if c.operation == "UploadPart"]) == 2
    assert read_bytes("s3://lake/front/lost", load_settings()) == b"2"


def test_a_refusal_is_not_tried_again(aws: Aws, front: str) -> None:
    order = aws.faults.order("s3", "*Object", error="AccessDenied", status=403, times=9)
    with pytest.raises(ConfigurationFailure):
        read_bytes("s3://lake/front/lost", load_settings())
    assert order.happened == 1

"""What an answer of AWS means: which is worth another try, and which is somebody's to set right."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from retail_lake.aws import refusals
from retail_lake.failure import ConfigurationFailure, Failure, TransientFailure


def answered(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetTable")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered("ThrottlingException", 400), TransientFailure),
        (answered("ConcurrentRunsExceededException", 400), TransientFailure),
        (answered("InternalFailure", 500), TransientFailure),
        (answered("500", 500), TransientFailure),  # of a load balancer, in HTML
        (answered("502", 502), TransientFailure),
        (answered("AccessDeniedException", 400), ConfigurationFailure),
        (answered("EntityNotFoundException", 400), ConfigurationFailure),
        (answered("KMSAccessDeniedException", 502), ConfigurationFailure),  # as Lambda has it
        (answered("404", 404), ConfigurationFailure),
        (ClientError({}, "GetTable"), ConfigurationFailure),
        (EndpointConnectionError(endpoint_url="https://glue"), TransientFailure),
        (ReadTimeoutError(endpoint_url="https://glue"), TransientFailure),
        (NoCredentialsError(), ConfigurationFailure),
    ],
)
def test_what_an_error_of_aws_is_a_matter_of(error: Exception, kind: type[Failure]) -> None:
    with pytest.raises(kind, match=r"^looking: ") as caught, refusals("looking"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.__cause__ is error

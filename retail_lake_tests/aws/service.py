"""What a service of this AWS is: operations that are carried out here instead of being recorded by moto.

Belongs here: the base class, the request that an operation sees and the error it answers with. Does not: any service.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from botocore import xform_name

if TYPE_CHECKING:
    from retail_lake_tests.aws.server import Aws

ACCOUNT = "123456789012"
REGION = "us-east-1"


class AwsError(Exception):
    """An answer that refuses: the error's code as the service words it, a message and the HTTP status."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(message or code)
        self.code, self.message, self.status = code, message or code, status


@dataclass(frozen=True)
class Call:
    """One request that came in, parsed: botocore's name of the service, the operation and its parameters."""

    service: str
    operation: str
    params: dict[str, Any]
    region: str = REGION
    user_agent: str = ""
    access_key: str = ""
    """Who calls. Any key will do; a service that keeps state per caller can tell them apart."""


class Service:
    """Operations of one service that run here; those that a subclass does not have are moto's.

    `name` is botocore's name of the service (`glue`, `emr-serverless`, `redshift-data`). Operation `StartJobRun` is the
    method `start_job_run(params, call)`. `params` are parsed and validated against botocore's model (timestamps are
    naive UTC datetimes, blobs bytes); the answer is a dict in the shape of the operation's output, members that are None
    or absent are left out; `AwsError` refuses. Methods run in the server's threads, several at once: lock what they share.
    Start what is expensive on first use, not in `__init__`.

        class RedshiftData(Service):
            name = "redshift-data"

            def execute_statement(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
                if ...:
                    raise AwsError("ActiveStatementsExceededException", "…")
                return {"Id": "…", "CreatedAt": datetime.now(UTC)}

    To have moto carry out the operation and then change or look at its answer, call `self.aws.moto(call)`.
    """

    name: ClassVar[str]
    aws: Aws
    """The AWS it is part of: `aws.s3`, `aws.faults`, `aws.client(...)`, `aws.folder` (scratch space). Set before use."""

    def operation(self, name: str) -> Callable[[dict[str, Any], Call], dict[str, Any] | None] | None:
        """The method that carries out that operation, or None where moto does."""
        method = getattr(self, xform_name(name), None)
        return method if callable(method) else None

    def reset(self) -> None:
        """Forget everything, for the next test; what runs is stopped."""

    def close(self) -> None:
        """Stop everything that was started; called once, at the end."""

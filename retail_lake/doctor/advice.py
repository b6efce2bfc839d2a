"""What to do when AWS does not answer a check: the same advice whatever was asked.

Belongs here: credentials and the way to AWS. Does not: a missing permission or thing, which each check names (`check.py`).
"""

from __future__ import annotations

from typing import Final

from retail_lake.aws import code_of
from retail_lake.config import PREFIX

_KEYS: Final = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_NONE: Final = f"AWS is asked without credentials: set AWS_PROFILE, or {_KEYS}, or run where a role is attached"
_PARTIAL: Final = f"the credentials are not complete: set both {_KEYS}, or unset both and set AWS_PROFILE"
_EXPIRED: Final = f"the credentials have expired: sign in again (`aws sso login`), or set new {_KEYS} with AWS_SESSION_TOKEN"
_UNKNOWN: Final = (
    f"AWS does not know these credentials: correct {_KEYS}, and AWS_SESSION_TOKEN if they are temporary; "
    f"or {PREFIX}REGION is a region that the account has not enabled"
)
_PROFILE: Final = "there is no such profile: correct AWS_PROFILE, or add it by `aws configure --profile`"
_UNREACHED: Final = (
    "nothing answers at its address: look at the network, at a proxy (HTTPS_PROXY, AWS_ENDPOINT_URL), and whether "
    f"{PREFIX}REGION has the service"
)
_S3_UNREACHED: Final = f"nothing answers at its address: correct {PREFIX}S3_ENDPOINT, or look at the network and {PREFIX}REGION"
_CODES: Final = {
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"), _EXPIRED),
    **dict.fromkeys(
        (
            *("InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
            *("InvalidSignatureException", "InvalidToken", "AuthFailure", "OptInRequired"),
        ),
        _UNKNOWN,
    ),
}


def advice(error: BaseException, service: str) -> str:
    """What to do about an error of botocore's or AWS's; empty where it takes knowing what was asked for."""
    from botocore import exceptions

    if found := _CODES.get(code_of(error)):
        return found
    by_kind: dict[type[Exception] | tuple[type[Exception], ...], str] = {
        exceptions.NoCredentialsError: _NONE,
        exceptions.PartialCredentialsError: _PARTIAL,
        exceptions.ProfileNotFound: _PROFILE,
        (exceptions.SSOError, exceptions.TokenRetrievalError, exceptions.CredentialRetrievalError): _EXPIRED,
        (exceptions.ConnectionError, exceptions.HTTPClientError): _S3_UNREACHED if service == "s3" else _UNREACHED,
    }
    return next((said for kind, said in by_kind.items() if isinstance(error, kind)), "")

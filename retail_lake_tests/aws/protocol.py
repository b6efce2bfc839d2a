"""Requests as botocore's own service models describe them: which operation, its parameters, whether they are right, the answer.

Belongs here: reading and validating a request, writing an answer or an error in the service's protocol. Does not: what is
answered. moto's parsers and serializers do the reading and writing; the rules checked are those of the models.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from xml.sax.saxutils import escape

from botocore.validate import ParamValidator
from moto.core.model import OperationModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.serialize import SerializationContext, get_serializer_class
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from retail_lake_tests.aws.service import AwsError, Call

SIGNING_NAMES = {"elasticmapreduce": "emr", "monitoring": "cloudwatch", "tagging": "resourcegroupstaggingapi"}
"""Services whose requests are signed with another name than botocore knows them by."""
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request")
_REFUSED = {"athena": "InvalidRequestException", "logs": "InvalidParameterException"}
"""Error codes of services that do not answer a wrong parameter with ValidationException."""


def read(request: Request) -> tuple[Call, OperationModel]:
    """The operation that a signed request asks for. Raises `AwsError` for one that no service has or with wrong parameters."""
    signed = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    if signed is None:
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    key, region, signing_name = signed.groups()
    service = SIGNING_NAMES.get(signing_name, signing_name)
    try:
        operation, uri_params = get_service_router(service).match(request)
    except NotFound:
        raise AwsError("UnknownOperationException", f"{service} has no such operation: {request.path}", 404) from None
    # The parsers turn nonsense into Python's own errors.
    try:
        params = _parsed(operation, request, uri_params)
    except (ValueError, TypeError, AttributeError) as error:
        raise AwsError("SerializationException", str(error)) from None
    # A list in the query string that was not sent reads as an empty one.
    params = {
        name: value for name, value in params.items() if value is not None and (value != [] or not _in_query(operation, name))
    }
    if wrong := problems(operation, params):
        number = len(wrong)
        message = f"{number} validation error{'s' if number > 1 else ''} detected: {'; '.join(wrong)}"
        raise AwsError(_REFUSED.get(service, "ValidationException"), message)
    return Call(service, operation.name, params, region, request.headers.get("User-Agent", ""), key), operation


def _parsed(operation: OperationModel, request: Request, uri_params: dict[str, Any]) -> dict[str, Any]:
    protocol = determine_request_protocol(operation.service_model, request.content_type)
    body = request.get_data(cache=True)
    if protocol in ("json", "rest-json") and operation.input_shape is not None:
        _refuse_unknown(operation, body)
    parser = PROTOCOL_PARSERS[protocol](operation)
    parsed: dict[str, Any] = parser.parse(
        {
            "body": body,
            "headers": request.headers,
            "method": request.method,
            "url_params": uri_params,
            "url_path": request.path,
            "values": request.values,
        }
    )
    return parsed


def _in_query(operation: OperationModel, member: str) -> bool:
    return operation.input_shape.members[member].serialization.get("location") == "querystring"


def _refuse_unknown(operation: OperationModel, body: bytes) -> None:
    """Refuse a JSON body with members that the operation does not have: a newer botocore's, or a typing error."""
    shape = operation.input_shape
    if payload := shape.serialization.get("payload"):
        shape = shape.members[payload]
        if shape.type_name == "blob":
            return
    sent = json.loads(body or b"{}")
    if unknown := list(_unknown(shape, sent, "")):
        raise AwsError("SerializationException", f"{operation.name} has no parameter {', '.join(unknown)}")


def _unknown(shape: Any, value: Any, path: str) -> list[str]:
    if shape.type_name == "structure" and isinstance(value, dict) and not shape.is_document_type:
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        found = [f"{path}.{name}".lstrip(".") for name in value if name not in members]
        return found + [u for name, v in value.items() if name in members for u in _unknown(members[name], v, f"{path}.{name}")]
    if shape.type_name == "list" and isinstance(value, list):
        return [u for i, v in enumerate(value) for u in _unknown(shape.member, v, f"{path}[{i}]")]
    if shape.type_name == "map" and isinstance(value, dict):
        return [u for k, v in value.items() for u in _unknown(shape.value, v, f"{path}.{k}")]
    return []


def problems(operation: OperationModel, params: dict[str, Any]) -> list[str]:
    """What is wrong with the parameters, by the model: what botocore itself checks before it sends (required members and
    types), and what only the service checks (length, range, pattern, allowed words)."""
    if operation.input_shape is None:
        return []
    report = ParamValidator().validate(params, operation.input_shape)
    if report.has_errors():
        return [report.generate_report()]
    return _broken(operation.input_shape, params, "")


def _broken(shape: Any, value: Any, path: str) -> list[str]:
    """The constraints of a shape that a value does not satisfy, worded as the services word them."""
    kind, where, found = shape.type_name, path.lstrip("."), []
    if kind == "structure" and isinstance(value, dict) and not shape.is_document_type:
        return [b for name, v in value.items() if v is not None for b in _broken(shape.members[name], v, f"{path}.{name}")]
    if kind == "list":
        found += [b for i, v in enumerate(value) for b in _broken(shape.member, v, f"{path}.{i + 1}.member")]
    if kind == "map":
        found += [b for k, v in value.items() for b in _broken(shape.value, v, f"{path}.{k}.member")]
        found += [b for k in value for b in _broken(shape.key, k, f"{path}.key")]
    size = value if isinstance(value, (int, float)) else len(value) if hasattr(value, "__len__") else None
    measure = "have value" if isinstance(value, (int, float)) else "have length"
    limits, rules = shape.metadata, []
    if size is not None and not isinstance(value, bool):
        if "max" in limits and size > limits["max"]:
            rules.append(f"Member must {measure} less than or equal to {limits['max']}")
        if "min" in limits and size < limits["min"]:
            rules.append(f"Member must {measure} greater than or equal to {limits['min']}")
    if isinstance(value, str):
        pattern = _pattern(limits.get("pattern", ""))
        if pattern is not None and not pattern.fullmatch(value):
            rules.append(f"Member must satisfy regular expression pattern: {limits['pattern']}")
        if (words := getattr(shape, "enum", None)) and value not in words:
            rules.append(f"Member must satisfy enum value set: [{', '.join(words)}]")
    secret = shape.metadata.get("sensitive")
    shown = "***" if secret else f"{value!s:.200}"
    return found + [f"Value '{shown}' at '{where}' failed to satisfy constraint: {rule}" for rule in rules]


@cache
def _pattern(text: str) -> re.Pattern[str] | None:
    """A model's pattern; None where it says nothing or is in a dialect that Python does not read."""
    # Surrogate pairs are UTF-16's way to write what Python writes as one character.
    text = text.replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
    try:
        return re.compile(text) if text else None
    except re.error:
        return None


def answer(operation: OperationModel, result: dict[str, Any] | None, request_id: str) -> Response:
    """The answer of an operation in its protocol."""
    return _response(_serializer(operation, request_id).serialize(result or {}))


def refusal(operation: OperationModel | None, error: AwsError, request_id: str) -> Response:
    """An error in the operation's protocol; JSON where it is not known which operation was meant."""
    status, model = error.status, operation.service_model if operation else None
    # The status is that of the model, where the model knows the error.
    for shape in model.error_shapes if model else ():
        if error.code in (shape.name, shape.error_code):
            status = shape.metadata.get("error", {}).get("httpStatusCode", status)
    headers = {"x-amzn-RequestId": request_id}
    if model is not None and model.protocol in ("query", "ec2", "rest-xml"):
        code, message = escape(error.code), escape(error.message)
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        body = (
            f"<Response><Errors>{body}</Errors></Response>"
            if model.protocol == "ec2"
            else f"<ErrorResponse>{body}</ErrorResponse>"
        )
        return Response(body, status, headers, content_type="text/xml")
    body = json.dumps({"__type": error.code, "message": error.message})
    return Response(body, status, {"X-Amzn-Errortype": error.code, **headers}, content_type="application/x-amz-json-1.1")


def _serializer(operation: OperationModel, request_id: str) -> Any:
    made = get_serializer_class(operation.service_model.service_name, operation.service_model.protocol)
    return made(operation, context=SerializationContext(request_id))


def _response(serialized: Any) -> Response:
    response = Response(serialized["body"], serialized["status_code"])
    for name, value in serialized["headers"].items():
        response.headers[name] = value
    return response

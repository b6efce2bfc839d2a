"""The Lambda function that runs small jobs, from a container image that was made with `retail-lake deploy --lambda-context`.

Belongs here: the function's definition and the folder its image is built from. Does not: an invocation (`engines/awslambda.py`)
or what the function does (`engines/handler.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from retail_lake.aws import client, code_of, refusals
from retail_lake.config import PREFIX, Settings
from retail_lake.deploy.lanes import LAMBDA_PYTHON
from retail_lake.deploy.requirements import pins
from retail_lake.deploy.tags import missing_tags, tags_of
from retail_lake.deploy.wheels import Wheels, package_version
from retail_lake.failure import ConfigurationFailure

MEMORY: Final = 3008
"""Megabytes; more has to be asked of AWS on a new account. Lambda gives processor by memory: this is 1.7 of one."""
DISK: Final = 4096
"""Megabytes of /tmp, where DuckDB spills."""
TIMEOUT: Final = 900
"""Seconds; the most Lambda gives."""
HANDLER: Final = "retail_lake.engines.handler.handler"
_DOCKERFILE: Final = f"""# Made by `retail-lake deploy --lambda-context`. Nothing is fetched but the base image.
FROM public.ecr.aws/lambda/python:{LAMBDA_PYTHON}
COPY wheels /tmp/wheels
RUN pip install --no-cache-dir --no-index --find-links /tmp/wheels -r /tmp/wheels/requirements.txt \\
    && rm -rf /tmp/wheels
# Lambda's file system is read-only but for /tmp.
ENV RETAIL_LAKE_HOME=/tmp/retail_lake
CMD ["{HANDLER}"]
"""


NO_IMAGE: Final = (
    f"build its image from what `retail-lake deploy --lambda-context DIR` writes, push it to ECR, set {PREFIX}LAMBDA_IMAGE"
)
"""What to do where there is no image yet: images cannot be built by the command itself."""


def definition(settings: Settings) -> dict[str, Any]:
    """The function's configuration, as both CreateFunction and UpdateFunctionConfiguration have it."""
    return {
        "Description": "Runs small jobs of retail_lake.",
        "Role": settings.lambda_role,
        "MemorySize": MEMORY,
        "Timeout": TIMEOUT,
        "EphemeralStorage": {"Size": DISK},
    }


def ensure(settings: Settings, *, act: bool = True) -> list[str]:
    """Make the function be as defined and run the settings' image; returns what was other. Unless `act`, only looks.

    Raises `ConfigurationFailure` when the settings name no image or role, a `Failure` for what AWS refuses.
    """
    if not settings.lambda_image:
        raise ConfigurationFailure(f"{PREFIX}LAMBDA_IMAGE is not set: {NO_IMAGE}")
    if not settings.lambda_role:
        raise ConfigurationFailure(f"{PREFIX}LAMBDA_ROLE is not set: `retail-lake deploy --print-policies` says what it may do")
    service, name = client("lambda", settings), settings.lambda_function
    with refusals(f"Lambda function {name}"):
        found = _function(service, name)
        if found is not None:
            return _update(service, found, settings, act)
        if act:
            service.create_function(
                FunctionName=name,
                PackageType="Image",
                Code={"ImageUri": settings.lambda_image},
                Architectures=["x86_64"],
                Tags=tags_of(settings),
                **definition(settings),
            )
            service.get_waiter("function_active_v2").wait(FunctionName=name)
            service.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
        return ["created"]


def write_context(folder: Path, progress: Callable[[str], None] = lambda _: None) -> str:
    """Fill a new or empty folder with what `docker build` makes the image from; returns the version to tag it with."""
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationFailure(f"{folder} is not empty: give a new folder")
    wheels = Wheels(LAMBDA_PYTHON, pins(LAMBDA_PYTHON))
    wheels.write(folder / "wheels", progress)
    (folder / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
    return f"{package_version()}-{wheels.digest}"


def _function(service: Any, name: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = service.get_function(FunctionName=name)
    except service.exceptions.ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return None
        raise
    return found


def _update(service: Any, found: dict[str, Any], settings: Settings, act: bool) -> list[str]:
    """Each part only if it is other; Lambda takes one update at a time."""
    configuration, name = found["Configuration"], settings.lambda_function
    changed = []
    if found["Code"].get("ImageUri") != settings.lambda_image:
        changed.append("ImageUri")
        if act:
            service.update_function_code(FunctionName=name, ImageUri=settings.lambda_image)
            service.get_waiter("function_updated_v2").wait(FunctionName=name)
    if other := {field: value for field, value in definition(settings).items() if configuration.get(field) != value}:
        changed += other
        if act:
            service.update_function_configuration(FunctionName=name, **other)
            service.get_waiter("function_updated_v2").wait(FunctionName=name)
    if missing := missing_tags(settings, found.get("Tags", {})):
        changed.append("Tags")
        if act:
            service.tag_resource(Resource=configuration["FunctionArn"], Tags=missing)
    if _retries(service, name):
        changed.append("MaximumRetryAttempts")
        if act:
            service.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    return changed


def _retries(service: Any, name: str) -> bool:
    """Whether Lambda would run a failed asynchronous invocation again by itself, as it does unless told."""
    try:
        found = service.get_function_event_invoke_config(FunctionName=name)
    except service.exceptions.ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
        return True
    return bool(found.get("MaximumRetryAttempts") != 0)

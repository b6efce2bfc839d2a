"""Whether the caller may do what a launcher does, and the jobs' roles what a job does, action by action.

Belongs here: who is asked about, and what to do about what they lack. Does not: which permissions are needed, which
`deploy/policies.py` says. The role of an EMR cluster's machines is in no setting, and so is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from retail_lake.aws import client, code_of
from retail_lake.config import PREFIX, Settings
from retail_lake.doctor.check import Check, Doubt
from retail_lake.doctor.simulation import Lack, lacks
from retail_lake.failure import ConfigurationFailure

_ROLES: Final = {
    "glue": "glue_role",
    "emr_serverless": "emr_serverless_role",
    "awslambda": "lambda_role",
}
_DATA: Final = ("s3", "kms")
"""The services that a job cannot do without; its logs and metrics are the service's own matter."""
_ASKING: Final = frozenset({"iam:GetRole", "iam:SimulatePrincipalPolicy"})
"""What only this asking itself takes."""
_UNSEEN: Final = "whether it is allowed shows when it is done"


def checks(settings: Settings, after: str) -> Iterator[Check]:
    """Who the caller is to IAM, and if that can be told, what it may do, a service at a time; then the roles of jobs."""
    if not after or not all(u.startswith("s3://") for u in (settings.lake_uri, settings.landing_uri, settings.artifacts_uri)):
        return
    caller = _Caller(settings)
    yield Check("permissions", caller.ask, "iam", after)
    # Checks are made one at a time, so that by now there is an answer.
    for service in caller.services:
        yield Check(f"may use {service}", partial(caller.told, service), "iam", "permissions")
    engines = {settings.engine_ingest, settings.engine_transform, settings.engine_analytics, settings.engine_small}
    roles: dict[str, str] = {}
    for engine, name in _ROLES.items():
        role = getattr(settings, name)
        if engine in engines and role:
            roles.setdefault(role.rpartition("/")[2], name)
    for role, name in roles.items():
        yield Check(f"role {role}", partial(_job_role, settings, name), "iam", after)


class _Caller:
    """What the caller may do. `services` are those that IAM was asked about, by the prefix of their permissions."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.services: tuple[str, ...] = ()
        self._arn = ""
        self._lacks: tuple[Lack, ...] = ()

    def ask(self) -> str:
        """Look who the caller is, and have IAM simulate all that a launcher does."""
        statements = [s for s in _statements(self.settings, "launcher") if not _ASKING.issuperset(s["Action"])]
        services = tuple(sorted({_service(action) for statement in statements for action in statement["Action"]}))
        arn = client("sts", self.settings).get_caller_identity()["Arn"]
        _, _, service, _, _, who = arn.split(":", 5)
        kind, _, name = who.partition("/")
        if who == "root":
            return f"{arn} is the account itself, which may do everything"
        unseen = f"not looked at: the use of {', '.join(services)}; {_UNSEEN}"
        if (service, kind) not in (("iam", "user"), ("sts", "assumed-role")):
            return f"{arn} is neither a user nor a role, which are all that IAM simulates; {unseen}"
        iam = client("iam", self.settings)
        try:
            # A session does not tell the path of its role.
            self._arn = iam.get_role(RoleName=name.split("/")[0])["Role"]["Arn"] if kind == "assumed-role" else arn
            self._lacks = tuple(lacks(iam, self._arn, statements))
        except iam.exceptions.ClientError as error:
            raise Doubt(f"IAM does not say what {arn} may do ({_asked(error)}); {unseen}") from None
        self.services = services
        return f"IAM says of each action what {self._arn} may do"

    def told(self, service: str) -> str:
        """What of that service the caller lacks."""
        _refuse(self._arn, [lack for lack in self._lacks if lack.service == service], "launcher")
        return "everything that a launcher does is allowed"


def _job_role(settings: Settings, name: str) -> str:
    role, variable = getattr(settings, name), f"{PREFIX}{name.upper()}"
    iam = client("iam", settings)
    try:
        arn = role if role.startswith("arn:") else iam.get_role(RoleName=role)["Role"]["Arn"]
        data = [s for s in _statements(settings, "job") if _service(s["Action"][0]) in _DATA]
        found = [*lacks(iam, arn, data)]
    except iam.exceptions.ClientError as error:
        if code_of(error) in ("NoSuchEntity", "NoSuchEntityException"):
            raise ConfigurationFailure(f"{variable}={role}: there is no such role; make it or set another") from None
        raise Doubt(
            f"IAM does not say what {variable}={role} may do ({_asked(error)}); not looked at: s3, kms; {_UNSEEN}"
        ) from None
    _refuse(f"{variable}={role}", found, "job")
    return "everything that a job does with files is allowed"


def _statements(settings: Settings, who: str) -> Sequence[Mapping[str, Any]]:
    from retail_lake.deploy.policies import policies

    found: Sequence[Mapping[str, Any]] = policies(settings)[who]["Statement"]
    return found


def _service(action: str) -> str:
    return action.partition(":")[0]


def _asked(error: Exception) -> str:
    """What IAM answered, and the permission to be asked that is missing, if that is why."""
    operation = getattr(error, "operation_name", "")
    return f"grant iam:{operation} to the caller" if "AccessDenied" in code_of(error) else str(error)


def _refuse(who: str, found: Sequence[Lack], policy: str) -> None:
    """Raise if anything is lacking; a doubt if all of it may be allowed by what IAM was not shown."""
    if not found:
        return
    by_action: dict[str, list[str]] = {}
    for lack in found:
        by_action.setdefault(lack.action, []).append(lack.resource)
    told = "; ".join(f"{action} on {', '.join(dict.fromkeys(where))}" for action, where in by_action.items())
    advice = f"not allowed: grant {who} {told} (`retail-lake deploy --print-policies` prints it as `{policy}`)"
    if any(lack.sure for lack in found):
        raise ConfigurationFailure(advice)
    raise Doubt(f"{advice}, unless it is by a policy of what is used or by a condition, which IAM was not shown")

"""IAM: what a user or a role is allowed, judged by the policies that moto has of it.

Belongs here: the simulator: allow, deny, wildcards and the conditions that policies here use. Does not: groups, boundaries, or
refusing anybody anything: whoever calls this AWS may do everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retail_lake_tests.aws.service import AwsError, Call, Service

Context = Mapping[str, Sequence[str]]


class Iam(Service):
    """The simulator; users, roles and policies are moto's."""

    name = "iam"

    def simulate_principal_policy(self, params: dict[str, Any], call: Call) -> dict[str, Any]:
        """A decision for each action on each resource."""
        statements = [*self._statements(params["PolicySourceArn"])]
        context = {entry["ContextKeyName"]: entry["ContextKeyValues"] for entry in params.get("ContextEntries", [])}
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": _decision(statements, action, resource, context),
            }
            for action in params["ActionNames"]
            for resource in params.get("ResourceArns") or ["*"]
        ]
        return {"EvaluationResults": results, "IsTruncated": False}

    def _statements(self, arn: str) -> Iterator[dict[str, Any]]:
        kind, _, name = arn.split(":", 5)[5].partition("/")
        if kind not in ("user", "role"):
            raise AwsError("InvalidInput", f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
        iam, of = self.aws.client("iam"), {f"{kind.title()}Name": name.rpartition("/")[2]}
        try:
            inline = getattr(iam, f"list_{kind}_policies")(**of)["PolicyNames"]
        except iam.exceptions.NoSuchEntityException:
            raise AwsError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404) from None
        for policy in inline:
            yield from _listed(getattr(iam, f"get_{kind}_policy")(**of, PolicyName=policy)["PolicyDocument"]["Statement"])
        for policy in getattr(iam, f"list_attached_{kind}_policies")(**of)["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=policy["PolicyArn"])["Policy"]["DefaultVersionId"]
            found = iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId=version)["PolicyVersion"]["Document"]
            yield from _listed((found if isinstance(found, dict) else json.loads(found))["Statement"])


def _decision(statements: Sequence[Mapping[str, Any]], action: str, resource: str, context: Context) -> str:
    effects = {s["Effect"] for s in statements if _concerns(s, action, resource, context)}
    return "explicitDeny" if "Deny" in effects else "allowed" if "Allow" in effects else "implicitDeny"


def _concerns(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    # The names of actions know no case.
    named = any(_like(pattern.lower(), action.lower()) for pattern in _listed(statement["Action"]))
    return (
        named
        and any(_like(_filled(pattern, context), resource) for pattern in _listed(statement["Resource"]))
        and all(_met(operator, wanted, context) for operator, wanted in statement.get("Condition", {}).items())
    )


def _met(operator: str, wanted: Mapping[str, Any], context: Context) -> bool:
    kind = operator.removeprefix("ForAnyValue:")
    if kind not in ("StringEquals", "StringLike"):
        raise AwsError("PolicyEvaluation", f"The condition {operator} is not known here", 500)
    like = _like if kind == "StringLike" else str.__eq__
    return all(
        any(like(_filled(pattern, context), value) for pattern in _listed(patterns) for value in context.get(key, ()))
        for key, patterns in wanted.items()
    )


def _filled(pattern: str, context: Context) -> str:
    """A pattern with its variables (`${aws:userid}`) replaced by what the request has."""
    return re.sub(r"\$\{([^}]+)\}", lambda found: next(iter(context.get(found[1], ())), found[0]), pattern)


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

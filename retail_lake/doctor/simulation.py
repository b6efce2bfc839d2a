"""Which of a policy's permissions somebody lacks, as IAM's simulator tells it: nothing is done to find out.

Belongs here: asking the simulator and reading what it says. Does not: who is asked about, or which policy (`permissions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_SAMPLE: Final = "retail-lake-doctor"
# Whoever holds one of these may have let somebody in by its own policy, which the simulator is not shown.
_OWN_POLICIES: Final = frozenset({"s3", "kms", "sqs", "sns"})
# Their statements name a thing and what is in it; an action concerns the one or the other.
_EITHER: Final = frozenset({"emr-serverless", "logs"})


@dataclass(frozen=True)
class Lack:
    """An action that is not allowed. `sure` unless something that the simulator does not know of may allow it."""

    action: str
    resource: str
    sure: bool

    @property
    def service(self) -> str:
        """The prefix of the action."""
        return self.action.partition(":")[0]


def lacks(iam: Any, principal: str, statements: Iterable[Mapping[str, Any]]) -> Iterator[Lack]:
    """What the user or role of that ARN is not allowed of the statements, each on a resource that the statement means."""
    pages = iam.get_paginator("simulate_principal_policy")
    for statement in statements:
        resources = [resource if resource == "*" else resource.replace("*", _SAMPLE) for resource in statement["Resource"]]
        answers = pages.paginate(
            PolicySourceArn=principal,
            ActionNames=statement["Action"],
            ResourceArns=resources,
            ContextEntries=[*_context(statement.get("Condition", {}))],
        )
        found = [lack for page in answers for result in page["EvaluationResults"] for lack in _lacks(result)]
        for action in statement["Action"]:
            ours = [lack for lack in found if lack.action == action]
            if action.partition(":")[0] not in _EITHER or len({lack.resource for lack in ours}) == len(resources):
                yield from ours


def _lacks(result: Mapping[str, Any]) -> Iterator[Lack]:
    """Of one action, by resource where the simulator tells them apart."""
    action = result["EvalActionName"]
    whole = {**result, "EvalResourceDecision": result["EvalDecision"]}
    for part in result.get("ResourceSpecificResults") or [whole]:
        decision = part["EvalResourceDecision"]
        if decision != "allowed":
            unknown = action.partition(":")[0] in _OWN_POLICIES or part.get("MissingContextValues")
            resource = part.get("EvalResourceName") or "*"
            yield Lack(action, resource, decision == "explicitDeny" or not unknown)


def _context(conditions: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A request that meets the conditions."""
    for operator, wanted in conditions.items():
        for key, given in wanted.items():
            value = given if isinstance(given, str) else given[0]
            kind = "stringList" if operator.startswith("ForAnyValue") else "string"
            yield {"ContextKeyName": key, "ContextKeyValues": [value.replace("*", _SAMPLE)], "ContextKeyType": kind}
            if value.startswith("${"):
                yield {"ContextKeyName": value[2:-1], "ContextKeyValues": [value], "ContextKeyType": "string"}

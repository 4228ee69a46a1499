"""Asking IAM whether the current identity may do what the app needs. Source: IAM API: SimulatePrincipalPolicy."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from eventflow.errors import AdapterError
from eventflow.ports import Inspection
from eventflow_aws.faults import translated
from eventflow_aws.management.inspection_rules import PERMISSION
from eventflow_aws.names import Arn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.ports import Statement
    from eventflow_aws.environment import Environment

ALLOWED: Final = "allowed"
SIMULATE: Final = "iam:SimulatePrincipalPolicy"

_log = logging.getLogger(__name__)


async def denied_actions(env: Environment, statements: Sequence[Statement]) -> list[Inspection]:
    """What these statements ask for and the identity's own policies do not allow.

    Policies of resources and of the organisation are not looked at. Who may not ask is told nothing: the answer is
    known when the app runs.
    """
    try:
        principal = await _principal(env)
        if principal is None:
            return []
        return [inspection for statement in statements for inspection in await _denied(env, principal, statement)]
    except AdapterError as exc:
        _log.info("permissions cannot be checked: %s", exc)
        return []


async def _denied(env: Environment, principal: str, statement: Statement) -> list[Inspection]:
    resources = [resource for resource in statement.resources if "*" not in resource]
    if not resources:
        return []
    iam = await env.clients.iam()
    with translated("iam:simulation", SIMULATE):
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=principal, ActionNames=list(statement.actions), ResourceArns=resources
        )
        results: list[Any] = [result async for page in pages for result in page["EvaluationResults"]]
    return [
        Inspection(
            rule=PERMISSION,
            resource=result["EvalResourceName"],
            message=f"{principal} may not {result['EvalActionName']} ({result['EvalDecision']})",
            mend="`eventflow export iam` writes the policy that it needs",
        )
        for result in results
        if result["EvalDecision"] != ALLOWED
    ]


async def _principal(env: Environment) -> str | None:
    """The user or role of these credentials; ``None`` for the account itself and for whoever has no policies to ask."""
    with translated("sts:identity", "sts:GetCallerIdentity"):
        caller = (await (await env.clients.sts()).get_caller_identity())["Arn"]
    arn = Arn.parse(caller)
    if arn is None:
        return None
    kind, _, rest = arn.resource.partition("/")
    if kind == "assumed-role":
        return str(arn._replace(service="iam", resource=f"role/{rest.partition('/')[0]}"))
    return caller if kind in ("user", "role") else None

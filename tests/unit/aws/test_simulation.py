from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from eventflow.ports import Statement
from eventflow_aws.management.simulation import denied_actions

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"
STATEMENT = Statement(
    sid="ReadQueues",
    actions=("sqs:ReceiveMessage", "sqs:DeleteMessage"),
    resources=(QUEUE, "arn:aws:sqs:eu-west-1:*:somewhere"),
    wildcard="not known",
)


class Account:
    """The three calls of an account in which only receiving is allowed. Real servers simulate nothing, or fail."""

    def __init__(self, caller: str, *, may_ask: bool = True) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self._caller = caller
        self._may_ask = may_ask

    @property
    def clients(self) -> Account:
        return self

    async def sts(self) -> Account:
        return self

    async def iam(self) -> Account:
        return self

    async def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": self._caller}

    def get_paginator(self, name: str) -> Account:
        assert name == "simulate_principal_policy"
        return self

    async def paginate(self, *, PolicySourceArn: str, ActionNames: list[str], ResourceArns: list[str]) -> Any:
        if not self._may_ask:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "SimulatePrincipalPolicy")
        for action in ActionNames:
            self.asked += [(PolicySourceArn, action, resource) for resource in ResourceArns]
            decision = "allowed" if action == "sqs:ReceiveMessage" else "implicitDeny"
            result = {"EvalActionName": action, "EvalResourceName": ResourceArns[0], "EvalDecision": decision}
            yield {"EvaluationResults": [result]}


async def simulate(account: Account) -> list[str]:
    environment: Any = account
    return [f"{found.resource}: {found.message}" for found in await denied_actions(environment, [STATEMENT])]


async def test_an_action_that_is_not_allowed_is_found() -> None:
    user = "arn:aws:iam::123456789012:user/ci"
    assert await simulate(Account(user)) == [f"{QUEUE}: {user} may not sqs:DeleteMessage (implicitDeny)"]


async def test_a_session_is_asked_about_as_its_role() -> None:
    account = Account("arn:aws:sts::123456789012:assumed-role/shop/i-1")
    await simulate(account)
    assert {principal for principal, _, _ in account.asked} == {"arn:aws:iam::123456789012:role/shop"}


async def test_only_resources_without_wildcards_are_asked_about() -> None:
    account = Account("arn:aws:iam::123456789012:user/ci")
    await simulate(account)
    assert {resource for _, _, resource in account.asked} == {QUEUE}


@pytest.mark.parametrize(
    "account",
    [
        Account("arn:aws:iam::123456789012:root"),
        Account("arn:aws:sts::123456789012:federated-user/x"),
        Account("arn:aws:iam::123456789012:user/ci", may_ask=False),
    ],
    ids=["root", "federated", "denied"],
)
async def test_who_cannot_be_asked_about_has_no_findings(account: Account) -> None:
    assert await simulate(account) == []

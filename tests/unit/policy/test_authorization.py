from __future__ import annotations

from typing import Any

import pytest

from eventflow.model.authorizers import HTTP_REQUEST, REST_REQUEST
from eventflow.policy.authorization import (
    Effect,
    IdentitySource,
    MalformedAnswerError,
    claim_problem,
    claims_as_text,
    policy_verdict,
    scopes_of,
)

ARN = "arn:aws:execute-api:us-east-1:000000000000:local/$default/GET/a/b"
CLAIMS = {"iss": "https://i", "aud": "shop", "exp": 200, "nbf": 100, "iat": 100}


def statement(effect: str = "Allow", resource: Any = "*", action: Any = "execute-api:Invoke") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


def effect(*statements: Any) -> Effect:
    answer = {"principalId": "me", "policyDocument": {"Statement": list(statements)}}
    return policy_verdict(answer, flat_context=False).effect(ARN)


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([statement()], Effect.ALLOW),
        ([statement(resource=[f"{ARN}x", ARN])], Effect.ALLOW),
        ([statement(resource="arn:aws:execute-api:*:*:local/*/GET/a/?")], Effect.ALLOW),
        ([statement(resource="arn:aws:execute-api:*:*:local/*/GET/a")], Effect.NOTHING),
        ([statement(), statement("Deny", "*/GET/*")], Effect.DENY),
        ([statement("Deny", "*/POST/*")], Effect.NOTHING),
        ([statement(action="*")], Effect.ALLOW),
        ([statement(action=["execute-api:*"])], Effect.ALLOW),
        ([statement(action="EXECUTE-API:invoke")], Effect.ALLOW),
        ([statement(action="s3:GetObject")], Effect.NOTHING),
        ([statement(resource="[a]+*")], Effect.NOTHING),
    ],
)
def test_a_policy_says_what_iam_would_make_of_it(statements: list[Any], expected: Effect) -> None:
    assert effect(*statements) is expected


@pytest.mark.parametrize(
    "wrong",
    [
        {}, statement("allow"), statement(resource=1), statement(resource=[]), {**statement(), "Condition": {}},
        {**statement(), "NotResource": "*"}, statement(resource="x" * 513), "text",
    ],
    ids=repr,
)  # fmt: skip
def test_a_statement_that_cannot_be_evaluated_decides_nothing(wrong: Any) -> None:
    with pytest.raises(MalformedAnswerError):
        effect(statement(), wrong)


@pytest.mark.parametrize(
    "answer",
    [None, {}, {"principalId": 1}, {"principalId": "a"}, {"principalId": "a", "policyDocument": {"Statement": []}}],
    ids=repr,
)
def test_an_answer_without_a_policy_decides_nothing(answer: Any) -> None:
    with pytest.raises(MalformedAnswerError):
        policy_verdict(answer, flat_context=True)


@pytest.mark.parametrize(
    ("text", "rest", "source"),
    [
        ("$request.header.X-Key", False, ("header", "x-key")),
        ("$request.querystring.Key", False, ("querystring", "Key")),
        ("$context.identity.sourceIp", False, ("context", "identity.sourceIp")),
        ("method.request.header.Auth", True, ("header", "auth")),
        ("context.path", True, ("context", "path")),
    ],
)
def test_identity_sources(text: str, rest: bool, source: tuple[str, str]) -> None:
    assert IdentitySource.parse(text, request=REST_REQUEST if rest else HTTP_REQUEST) == source
    with pytest.raises(ValueError, match="is no identity source"):
        IdentitySource.parse(text, request=HTTP_REQUEST if rest else REST_REQUEST)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({}, None),
        ({"aud": ["other", "shop"]}, None),
        ({"aud": [{}, None]}, "another audience"),
        ({"aud": None, "client_id": "shop"}, "another audience"),
        ({"iss": "https://i/"}, "another issuer"),
        ({"aud": "other"}, "another audience"),
        ({"exp": 150}, "expired"),
        ({"exp": "200"}, "is no time"),
        ({"exp": True}, "is no time"),
        ({"nbf": 151}, "not valid yet"),
        ({"iat": 151}, "not valid yet"),
    ],
)
def test_claims_are_checked_by_the_clock(changed: dict[str, Any], problem: str | None) -> None:
    found = claim_problem({**CLAIMS, **changed}, issuer="https://i", audience=["shop"], now=150.0)
    assert (found is None) if problem is None else problem in (found or "")


def test_a_token_needs_an_end_and_may_name_a_client_instead_of_an_audience() -> None:
    endless = {name: value for name, value in CLAIMS.items() if name != "exp"}
    assert claim_problem(endless, issuer="https://i", audience=["shop"], now=150.0) == "the token has expired"
    client = {"iss": "https://i", "client_id": "shop", "exp": 200}
    assert claim_problem(client, issuer="https://i", audience=["shop"], now=150.0) is None
    assert claim_problem({"iss": "https://i", "exp": 200}, issuer="https://i", audience=["shop"], now=1.0) is not None


def test_scopes_and_claims_are_read_as_api_gateway_does() -> None:
    assert scopes_of({"scope": "a b"}) == ["a", "b"]
    assert scopes_of({"scp": ["a", 1]}) == ["a"]
    assert scopes_of({}) == []
    assert claims_as_text({"a": 1, "b": ["x", "y"], "c": True}) == {"a": "1", "b": "[x y]", "c": "true"}

"""What authorizers decide: reading identities, policies and answers. Source: API Gateway guide:
http-api-lambda-authorizer, api-gateway-lambda-authorizer-output, apigateway-use-lambda-authorizer."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from eventflow.model.authorizers import HTTP_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

INVOKE: Final = "execute-api:Invoke"
MAXIMUM_RESOURCE: Final = 512

_SOURCE: Final = re.compile(
    r"(?:\$request|method\.request|route\.request)\.(header|querystring)\.([A-Za-z0-9!#$%&'*+.^_`|~-]+)"
)
_CONTEXT: Final = re.compile(r"\$?context\.([A-Za-z.]+)")
CONTEXT_VALUES: Final = ("httpMethod", "identity.sourceIp", "path", "routeKey", "stage")


class MalformedAnswerError(ValueError):
    """An authorizer answered with something that decides nothing."""


class Effect(Enum):
    """What a policy says of one request."""

    ALLOW = "allow"
    DENY = "deny"
    NOTHING = "nothing"


class IdentitySource(NamedTuple):
    """Where part of an identity is in a request: a header, a query parameter or a value of the context."""

    place: str
    name: str

    @classmethod
    def parse(cls, text: str, *, request: str = HTTP_REQUEST) -> IdentitySource:
        """Raises ValueError saying what would be right."""
        found = _SOURCE.fullmatch(text) if text.startswith(f"{request}.") else None
        if found is not None:
            return cls(found[1], found[2].lower() if found[1] == "header" else found[2])
        dollar = "$" if request == HTTP_REQUEST else ""
        context = _CONTEXT.fullmatch(text)
        if context is not None and context[1] in CONTEXT_VALUES and text.startswith(f"{dollar}context."):
            return cls("context", context[1])
        raise ValueError(
            f"{text!r} is no identity source; use {request}.header.NAME, {request}.querystring.NAME "
            f"or one of {', '.join(f'{dollar}context.{name}' for name in CONTEXT_VALUES)}"
        )


class Statement(NamedTuple):
    """One statement of a policy, with what it is about as expressions."""

    allows: bool
    resources: tuple[re.Pattern[str], ...]


class Verdict(NamedTuple):
    """An authorizer's answer, for every request with the same identity."""

    statements: tuple[Statement, ...]
    principal_id: str | None
    context: Any

    def effect(self, arn: str) -> Effect:
        """What it says of one request: a denial anywhere wins."""
        found = {item.allows for item in self.statements if any(one.fullmatch(arn) for one in item.resources)}
        if not found:
            return Effect.NOTHING
        return Effect.DENY if False in found else Effect.ALLOW


_EVERYTHING: Final = (re.compile(".*", re.DOTALL),)


def simple_verdict(answer: Any) -> Verdict:
    """From ``{"isAuthorized": bool, "context": any JSON}``. Raises MalformedAnswerError."""
    if not isinstance(answer, dict) or not isinstance(answer.get("isAuthorized"), bool):
        raise MalformedAnswerError("an answer has isAuthorized, which is true or false")
    return Verdict((Statement(answer["isAuthorized"], _EVERYTHING),), None, answer.get("context"))


def policy_verdict(answer: Any, *, flat_context: bool) -> Verdict:
    """From ``{"principalId", "policyDocument", "context"}``. With ``flat_context``, the context has plain values only,
    which become text. Raises MalformedAnswerError."""
    if not isinstance(answer, dict) or not isinstance(answer.get("principalId"), str):
        raise MalformedAnswerError("an answer has a principalId, which is text")
    document = answer.get("policyDocument")
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise MalformedAnswerError("an answer has a policyDocument with a list of statements")
    context = answer.get("context")
    if context is not None and not isinstance(context, dict):
        raise MalformedAnswerError("the context is an object")
    if flat_context:
        context = {name: _flat(name, value) for name, value in (context or {}).items()}
    return Verdict(tuple(_statements(statements)), answer["principalId"], context)


def _statements(statements: Iterable[Any]) -> Iterable[Statement]:
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise MalformedAnswerError("a statement has an Effect, which is Allow or Deny")
        if statement.keys() - {"Sid", "Effect", "Action", "Resource"}:
            raise MalformedAnswerError("a statement has Effect, Action and Resource; nothing else is evaluated here")
        actions, resources = _texts(statement, "Action"), _texts(statement, "Resource")
        if any(len(resource) > MAXIMUM_RESOURCE for resource in resources):
            raise MalformedAnswerError(f"a resource has at most {MAXIMUM_RESOURCE} characters")
        if any(_pattern(action.lower()).fullmatch(INVOKE.lower()) for action in actions):
            yield Statement(statement["Effect"] == "Allow", tuple(map(_pattern, resources)))


def _texts(statement: Mapping[str, Any], key: str) -> list[str]:
    value = statement.get(key)
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(item, str) for item in values):
        raise MalformedAnswerError(f"a statement has {key}, which is text or a list of texts")
    return values


def _pattern(text: str) -> re.Pattern[str]:
    """``*`` and ``?``. A piece between two stars that was found is not looked for again, so no text takes long."""
    first, *others = ("".join("." if one == "?" else re.escape(one) for one in piece) for piece in text.split("*"))
    if not others:
        return re.compile(first, re.DOTALL)
    *middle, last = others
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in middle if piece) + ".*" + last, re.DOTALL)


def _flat(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedAnswerError(f"the context's {name!r} is neither text nor a number nor a boolean")


def scopes_of(claims: Mapping[str, Any]) -> list[str]:
    """The scopes of a token: ``scope``, or else ``scp``, as text with spaces or as a list."""
    value = claims.get("scope", claims.get("scp"))
    if isinstance(value, str):
        return value.split()
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def claim_problem(claims: Mapping[str, Any], *, issuer: str, audience: Iterable[str], now: float) -> str | None:
    """What is wrong with the claims of a token whose signature is right; ``None`` if nothing is."""
    if claims.get("iss") != issuer:
        return "the token is of another issuer"
    meant = claims.get("aud", claims.get("client_id"))
    accepted = list(audience)
    if not any(item in accepted for item in (meant if isinstance(meant, list) else [meant])):
        return "the token is for another audience"
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            return f"the token's {name} is no time"
    if "exp" not in claims or claims["exp"] <= now:
        return "the token has expired"
    if claims.get("nbf", now) > now or claims.get("iat", now) > now:
        return "the token is not valid yet"
    return None


def claims_as_text(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as API Gateway writes them into events: all of them text, lists in brackets."""
    return {name: _claim(value) for name, value in claims.items()}


def _claim(value: Any) -> str:
    if isinstance(value, list):
        return f"[{' '.join(map(_claim, value))}]"
    return "true" if value is True else "false" if value is False else str(value)

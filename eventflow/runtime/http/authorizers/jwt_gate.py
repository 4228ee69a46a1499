"""Checking tokens for an HTTP API. Source: API Gateway guide: http-api-jwt-authorizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.plan.rest_request import HttpV1Request
from eventflow.policy.authorization import claims_as_text, scopes_of
from eventflow.runtime.http.authorizers.identity import Identity
from eventflow.runtime.http.authorizers.jwt_keys import InvalidTokenError, claims_of
from eventflow.runtime.http.authorizers.refusals import FORBIDDEN, UNAUTHORIZED
from eventflow.runtime.http.authorizers.route_gate import RouteGate

if TYPE_CHECKING:
    from eventflow.model.authorizers import JwtAuthorizer
    from eventflow.plan.http_request import HttpRequest
    from eventflow.ports import Clock
    from eventflow.runtime.http.answers import Answer
    from eventflow.runtime.http.authorizers.jwt_keys import Keys


class JwtGate(RouteGate):
    """Checks tokens for an HTTP API."""

    def __init__(self, authorizer: JwtAuthorizer, scopes: tuple[str, ...], keys: Keys, clock: Clock) -> None:
        self._identity = Identity([authorizer.identity_source])
        self._authorizer = authorizer
        self._scopes = scopes
        self._keys = keys
        self._clock = clock

    async def admit(self, request: HttpRequest) -> Answer | None:
        identity = self._identity.of(request)
        if identity is None:
            return _challenge(UNAUTHORIZED, "Bearer")
        scheme, _, rest = identity[0].partition(" ")
        token = rest.strip() if scheme.lower() == "bearer" else identity[0]
        try:
            claims = await claims_of(token, self._authorizer, self._keys, now=self._clock.time())
        except InvalidTokenError as exc:
            return self._refused(UNAUTHORIZED, "invalid_token", str(exc))
        scopes = scopes_of(claims)
        if self._scopes and not set(self._scopes) & set(scopes):
            return self._refused(FORBIDDEN, "insufficient_scope", "the token has none of the scopes")
        granted = scopes if self._scopes else None
        found = {"claims": claims_as_text(claims), "scopes": granted}
        request.authorizer = found if isinstance(request, HttpV1Request) else {"jwt": found}
        return None

    def _refused(self, answer: Answer, error: str, description: str) -> Answer:
        scope = " ".join(self._scopes)
        return _challenge(answer, f'Bearer scope="{scope}" error="{error}" error_description="{description}"')


def _challenge(answer: Answer, value: str) -> Answer:
    return answer._replace(headers=(*answer.headers, (b"www-authenticate", value.encode("latin-1", "replace"))))

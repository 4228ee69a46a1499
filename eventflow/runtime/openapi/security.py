"""Authorizers as security schemes. Source: OpenAPI 3.1: Security Scheme Object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from eventflow.model.authorizers import HTTP_REQUEST, REST_REQUEST, JwtAuthorizer, RestAuthorizer
from eventflow.model.http import HttpApiRoute
from eventflow.policy.authorization import IdentitySource

if TYPE_CHECKING:
    from eventflow.plan.plan import AuthorizerPlan, RoutePlan

_PLACES: Final = {"header": "header", "querystring": "query"}


def _key(place: str, source: str) -> dict[str, Any]:
    """The scheme of an identity source; its name is spelled as it is there."""
    return {"type": "apiKey", "in": _PLACES[place], "name": source.split(f".{place}.", 1)[1]}


class SecuritySchemes:
    """Collects the schemes that routes need."""

    def __init__(self) -> None:
        self.components: dict[str, dict[str, Any]] = {}

    def requirements(self, route: RoutePlan) -> list[dict[str, list[str]]]:
        """What a request needs, as alternatives; nothing if the route has no authorizer, or one that looks at nothing
        a client sends."""
        authorizer = route.authorizer
        if authorizer is None:
            return []
        if isinstance(authorizer, JwtAuthorizer):
            name = self._token(authorizer)
            scopes = route.source.scopes if isinstance(route.source, HttpApiRoute) else ()
            return [{name: [scope]} for scope in scopes] or [{name: []}]  # one of the scopes is enough
        needed = self._function(authorizer)
        return [{name: [] for name in needed}] if needed else []

    def _token(self, authorizer: JwtAuthorizer) -> str:
        discovery = f"{authorizer.issuer.rstrip('/')}/.well-known/openid-configuration"
        audience = f"A token of {authorizer.issuer} for {' or '.join(authorizer.audience)}."
        source = IdentitySource.parse(authorizer.identity_source)
        if source == ("header", "authorization"):
            scheme = {"type": "openIdConnect", "openIdConnectUrl": discovery}
        else:
            scheme = _key(source.place, authorizer.identity_source)
        return self._add("token", {**scheme, "description": audience})

    def _function(self, authorizer: AuthorizerPlan) -> list[str]:
        name, settings = authorizer.endpoint.function.name, authorizer.settings
        request = REST_REQUEST if isinstance(settings, RestAuthorizer) else HTTP_REQUEST
        places = [(IdentitySource.parse(source, request=request).place, source) for source in settings.identity_sources]
        keys = [_key(place, source) for place, source in places if place in _PLACES]
        return [
            self._add(
                name if len(keys) == 1 else f"{name}-{key['name']}",
                {**key, "description": f"The function {name} decides."},
            )
            for key in keys
        ]

    def _add(self, name: str, scheme: dict[str, Any]) -> str:
        """The name of a scheme, which is ``name`` unless another one has it."""
        candidate, number = name, 1
        while self.components.setdefault(candidate, scheme) != scheme:
            number += 1
            candidate = f"{name}{number}"
        return candidate

"""What API Gateway answers in place of a function that an authorizer did not let a request reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eventflow.model.authorizers import JwtAuthorizer, RestAuthorizer
from eventflow.model.http import HttpApiRoute
from eventflow.policy.authorization import Effect
from eventflow.runtime.http.answers import Answer, message
from eventflow.runtime.http.flavours import HttpApi, gateway_response

if TYPE_CHECKING:
    from eventflow.plan.plan import RoutePlan

UNAUTHORIZED: Final = message(401, "Unauthorized")
FORBIDDEN: Final = message(403, "Forbidden")

REST_UNAUTHORIZED: Final = gateway_response(401, "Unauthorized", "UnauthorizedException")
REST_FAILURE: Final = gateway_response(500, "Internal server error", "AuthorizerConfigurationException")
REST_ARN_TOO_LONG: Final = gateway_response(414, "Request URI too long", "RequestUriTooLongException")
_NOT_AUTHORIZED: Final = "User is not authorized to access this resource"
REST_DENIED: Final = {
    Effect.DENY: gateway_response(403, f"{_NOT_AUTHORIZED} with an explicit deny", "AccessDeniedException"),
    Effect.NOTHING: gateway_response(403, _NOT_AUTHORIZED, "AccessDeniedException"),
}


def refusals(route: RoutePlan) -> tuple[Answer, ...]:
    """Everything that the gate of a route may answer; nothing if it has none."""
    if route.authorizer is None:
        return ()
    if isinstance(route.authorizer, JwtAuthorizer):
        has_scopes = isinstance(route.source, HttpApiRoute) and route.source.scopes
        return (UNAUTHORIZED, FORBIDDEN) if has_scopes else (UNAUTHORIZED,)
    if isinstance(route.authorizer.settings, RestAuthorizer):
        return (REST_UNAUTHORIZED, REST_FAILURE, REST_ARN_TOO_LONG, *REST_DENIED.values())
    return (UNAUTHORIZED, FORBIDDEN, HttpApi.function_error)

"""Who decides whether a request may reach its function. Source: API Gateway guide: http-api-lambda-authorizer,
http-api-jwt-authorizer, apigateway-use-lambda-authorizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from eventflow.model.payload_formats import PayloadFormatVersion

RestAuthorizerType: TypeAlias = Literal["TOKEN", "REQUEST"]
REST_AUTHORIZER_TYPES: Final = ("TOKEN", "REQUEST")

HTTP_REQUEST: Final = "$request"
REST_REQUEST: Final = "method.request"
WEBSOCKET_REQUEST: Final = "route.request"
"""How the identity sources of each kind of API call a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAuthorizer:
    """How an HTTP API asks a function. Answers are kept for ``result_ttl_seconds`` per value of the sources."""

    payload_format_version: PayloadFormatVersion = "2.0"
    enable_simple_responses: bool = True
    identity_sources: tuple[str, ...] = ("$request.header.Authorization",)
    result_ttl_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestAuthorizer:
    """How a REST API asks a function. A token that ``identity_validation_expression`` does not match is refused
    without asking."""

    type: RestAuthorizerType = "TOKEN"
    identity_sources: tuple[str, ...] = ("method.request.header.Authorization",)
    identity_validation_expression: str | None = None
    result_ttl_seconds: int = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketAuthorizer:
    """How a WebSocket API asks a function about a connection. No answer is kept: API Gateway keeps none either."""

    result_ttl_seconds: ClassVar[int] = 0

    identity_sources: tuple[str, ...] = ("route.request.header.Authorization",)


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtAuthorizer:
    """Tokens of one issuer, which are checked here. Made by :func:`eventflow.jwt_authorizer`."""

    issuer: str
    audience: tuple[str, ...]
    identity_source: str = "$request.header.Authorization"

    @property
    def __name__(self) -> str:
        return f"jwt_authorizer({self.issuer})"


LambdaAuthorizer: TypeAlias = HttpAuthorizer | RestAuthorizer | WebSocketAuthorizer

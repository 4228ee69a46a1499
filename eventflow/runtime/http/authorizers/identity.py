"""What an authorizer knows a request by. Source: API Gateway guide: http-api-lambda-authorizer, identity sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.model.authorizers import HTTP_REQUEST
from eventflow.plan.rest_request import HttpV1Request
from eventflow.policy.authorization import IdentitySource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eventflow.plan.http_request import HttpRequest


class Identity:
    """Reads the identity sources of an authorizer."""

    def __init__(self, sources: Sequence[str], *, request: str = HTTP_REQUEST) -> None:
        self._sources = [IdentitySource.parse(source, request=request) for source in sources]

    def of(self, request: HttpRequest) -> tuple[str, ...] | None:
        """The values, in order; ``None`` if one is missing or empty."""
        values = [_value(source, request) for source in self._sources]
        return tuple(value for value in values if value) if all(values) else None


def _value(source: IdentitySource, request: HttpRequest) -> str | None:
    if source.place == "header":
        name = source.name.encode()
        return ",".join(value.decode("latin-1") for key, value in request.headers if key == name)
    if source.place == "querystring":
        values = (HttpV1Request.of(request).wire())["queryStringParameters"]
        return values.get(source.name) if values else None
    context = {
        "httpMethod": request.method,
        "identity.sourceIp": request.source_ip,
        "path": request.path,
        "routeKey": request.route_key,
        "stage": request.stage,
    }
    return context[source.name]

"""HTTP requests in payload format 1.0: REST APIs, and HTTP APIs that ask for it.

Source: API Gateway guide: set-up-lambda-proxy-integrations, http-api-develop-integrations-lambda.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from eventflow.events._camel import CamelModel
from eventflow.events._requests import (
    RequestCodec,
    RequestModel,
    StringMap,
    StringsMap,
    find_header,
    request_context,
)
from eventflow.events._wire import is_authorizer
from eventflow.events.http import ClientCertificate
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._base import EventModel
    from eventflow.model.json import JsonObject


class RestIdentity(CamelModel):
    """Who called: the address always, the rest with IAM authorization, an API key or mutual TLS."""

    access_key: str | None = None
    account_id: str | None = None
    api_key: str | None = None
    api_key_id: str | None = None
    caller: str | None = None
    client_cert: ClientCertificate | None = None
    cognito_authentication_provider: str | None = None
    cognito_authentication_type: str | None = None
    cognito_identity_id: str | None = None
    cognito_identity_pool_id: str | None = None
    principal_org_id: str | None = None
    source_ip: str | None = None
    user: str | None = None
    user_agent: str | None = None
    user_arn: str | None = None


class RestRequestContext(CamelModel):
    """What API Gateway knows of a request. ``path`` includes the stage, ``request_time_epoch`` is in milliseconds.

    ``authorizer`` has ``principalId`` and the context of a Lambda authorizer, or ``claims`` of a token.
    """

    account_id: str | None = None
    api_id: str | None = None
    authorizer: dict[str, Any] | None = None
    deployment_id: str | None = None
    domain_name: str | None = None
    domain_prefix: str | None = None
    extended_request_id: str | None = None
    http_method: str | None = None
    identity: RestIdentity
    is_canary_request: bool | None = None
    operation_name: str | None = None
    path: str | None = None
    protocol: str | None = None
    request_id: str | None = None
    request_time: str | None = None
    request_time_epoch: int | None = None
    resource_id: str | None = None
    resource_path: str | None = None
    stage: str | None = None


class RestEvent(RequestModel):
    """One HTTP request, payload format 1.0. ``path`` is as requested, not decoded, without the stage.

    The maps without ``multi_value`` have the last value of a name. ``version`` is ``"1.0"`` from an HTTP API, and
    ``None`` from a REST API.
    """

    version: str | None = None
    resource: str
    path: str
    http_method: str
    headers: StringMap = Field(default_factory=dict)
    multi_value_headers: StringsMap = Field(default_factory=dict)
    query_string_parameters: StringMap = Field(default_factory=dict)
    multi_value_query_string_parameters: StringsMap = Field(default_factory=dict)
    path_parameters: StringMap = Field(default_factory=dict)
    stage_variables: StringMap = Field(default_factory=dict)
    request_context: RestRequestContext

    @property
    def method(self) -> str:
        return self.http_method

    @property
    def query(self) -> dict[str, list[str]]:
        """The query string decoded, every value of a name in order, blank ones included."""
        return {name: list(values) for name, values in self.multi_value_query_string_parameters.items()}

    @property
    def source_ip(self) -> str | None:
        return self.request_context.identity.source_ip

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of ``name``; repeated headers are joined with commas."""
        return find_header(name, self.headers, self.multi_value_headers)


def _is_version_1(wire: JsonObject) -> bool:
    named = "httpMethod" in wire and "resource" in wire and "identity" in request_context(wire)
    return named and not is_authorizer(wire)


class RestCodec(RequestCodec):
    service: ClassVar[Service] = Service.REST
    event_model: ClassVar[type[EventModel]] = RestEvent

    def recognises(self, wire: JsonObject) -> bool:
        return _is_version_1(wire) and wire.get("version") != "1.0"


class HttpV1Codec(RequestCodec):
    service: ClassVar[Service] = Service.HTTP_V1
    event_model: ClassVar[type[EventModel]] = RestEvent

    def recognises(self, wire: JsonObject) -> bool:
        return _is_version_1(wire) and wire.get("version") == "1.0"


REST = RestCodec()
HTTP_V1 = HttpV1Codec()

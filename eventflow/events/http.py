"""HTTP requests in payload format 2.0: HTTP APIs and function URLs.

Source: API Gateway guide: http-api-develop-integrations-lambda.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

from pydantic import Field

from eventflow.events._base import EventModel
from eventflow.events._camel import CamelModel
from eventflow.events._requests import RequestCodec, RequestModel, StringMap, request_context
from eventflow.events._wire import is_authorizer
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.model.json import JsonObject


class CertificateValidity(CamelModel):
    not_before: str
    not_after: str


class ClientCertificate(CamelModel):
    """The client's certificate, with mutual TLS."""

    client_cert_pem: str | None = None
    subject_dn: str | None = Field(default=None, alias="subjectDN")
    issuer_dn: str | None = Field(default=None, alias="issuerDN")
    serial_number: str | None = None
    validity: CertificateValidity | None = None


class HttpAuthentication(CamelModel):
    client_cert: ClientCertificate | None = None


class JwtAuthorizer(EventModel):
    """The claims and scopes of a token that a JWT authorizer let pass."""

    claims: dict[str, Any] = Field(default_factory=dict)
    scopes: list[str] | None = None


class CognitoIdentity(CamelModel):
    amr: list[str] | None = None
    identity_id: str | None = None
    identity_pool_id: str | None = None


class IamAuthorizer(CamelModel):
    """Who signed the request, with IAM authorization."""

    access_key: str | None = None
    account_id: str | None = None
    caller_id: str | None = None
    cognito_identity: CognitoIdentity | None = None
    principal_org_id: str | None = None
    user_arn: str | None = None
    user_id: str | None = None


class HttpAuthorizer(EventModel):
    """Exactly one of them is set. ``lambda_`` is the context that a Lambda authorizer returned."""

    jwt: JwtAuthorizer | None = None
    lambda_: Any = Field(default=None, alias="lambda")
    iam: IamAuthorizer | None = None


class HttpDescription(CamelModel):
    """The request line and where it came from. ``path`` includes the stage, as ``raw_path`` does."""

    method: str
    path: str
    protocol: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None


class HttpRequestContext(CamelModel):
    """What API Gateway knows of a request. ``time_epoch`` is in milliseconds."""

    http: HttpDescription
    stage: str
    route_key: str | None = None
    account_id: str | None = None
    api_id: str | None = None
    domain_name: str | None = None
    domain_prefix: str | None = None
    request_id: str | None = None
    time: str | None = None
    time_epoch: int | None = None
    authentication: HttpAuthentication | None = None
    authorizer: HttpAuthorizer | None = None


class HttpEvent(RequestModel):
    """One HTTP request, payload format 2.0. Header names are lower-case.

    ``query_string_parameters`` joins the values of a repeated name with commas; ``query`` keeps them apart.
    """

    version: str
    route_key: str
    raw_path: str
    raw_query_string: str = ""
    cookies: list[str] | None = None
    headers: dict[str, str]
    query_string_parameters: StringMap = Field(default_factory=dict)
    path_parameters: StringMap = Field(default_factory=dict)
    stage_variables: StringMap = Field(default_factory=dict)
    request_context: HttpRequestContext

    @property
    def method(self) -> str:
        return self.request_context.http.method

    @property
    def path(self) -> str:
        """The path as requested, not decoded, without the stage that a named stage puts in front."""
        stage = self.request_context.stage
        prefix = f"/{stage}"
        if stage != "$default" and (self.raw_path == prefix or self.raw_path.startswith(f"{prefix}/")):
            return self.raw_path[len(prefix) :] or "/"
        return self.raw_path

    @property
    def query(self) -> dict[str, list[str]]:
        """The query string decoded, every value of a name in order, blank ones included."""
        return parse_qs(self.raw_query_string, keep_blank_values=True)

    @property
    def source_ip(self) -> str | None:
        return self.request_context.http.source_ip

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of ``name``; repeated headers are joined with commas."""
        return self.headers.get(name.lower())


def _is_version_2(wire: JsonObject) -> bool:
    return wire.get("version") == "2.0" and "http" in request_context(wire) and not is_authorizer(wire)


def _is_function_url(wire: JsonObject) -> bool:
    domain = request_context(wire).get("domainName")
    return isinstance(domain, str) and ".lambda-url." in domain


class HttpCodec(RequestCodec):
    service: ClassVar[Service] = Service.HTTP
    event_model: ClassVar[type[EventModel]] = HttpEvent

    def recognises(self, wire: JsonObject) -> bool:
        return _is_version_2(wire) and not _is_function_url(wire)


class FunctionUrlCodec(RequestCodec):
    service: ClassVar[Service] = Service.FUNCTION_URL
    event_model: ClassVar[type[EventModel]] = HttpEvent

    def recognises(self, wire: JsonObject) -> bool:
        return _is_version_2(wire) and _is_function_url(wire)


HTTP = HttpCodec()
FUNCTION_URL = FunctionUrlCodec()

"""What is said once about the stack's HTTP and REST API: authorizers, CORS, binary types.

Source: AWS SAM specification: Globals, HttpApiAuth, ApiAuth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eventflow.model.authorizers import HTTP_REQUEST, REST_REQUEST, HttpAuthorizer, JwtAuthorizer, RestAuthorizer
from eventflow.policy.authorization import IdentitySource
from eventflow_aws.management.template.values import get_att

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventflow.model.authorizers import LambdaAuthorizer
    from eventflow.model.cors import Cors
    from eventflow.model.deployment import Deployment
    from eventflow.model.function import FunctionDefinition
    from eventflow.model.handler import Handler
    from eventflow_aws.management.template.resources import Resources

    Properties = dict[str, Any]

_PLACES = {"header": "Headers", "querystring": "QueryStrings", "context": "Context"}


class Apis:
    """The HTTP API and the REST API that SAM makes of the routes of all functions."""

    def __init__(self, deployment: Deployment, resources: Resources) -> None:
        self._deployment = deployment
        self._resources = resources
        self._http_authorizers: dict[str, Properties] = {}
        self._rest_authorizers: dict[str, Properties] = {}
        self._binary_media_types: dict[str, None] = {}
        self._has_http = False

    def http_authorizer(self, authorizer: Handler | JwtAuthorizer) -> str:
        """The name of an authorizer of the HTTP API."""
        if isinstance(authorizer, JwtAuthorizer):
            name = self._resources.logical_id(f"{authorizer.issuer} {authorizer.audience}", "Tokens")
            self._http_authorizers[name] = {
                "IdentitySource": authorizer.identity_source,
                "JwtConfiguration": {"issuer": authorizer.issuer, "audience": list(authorizer.audience)},
            }
            return name
        definition, settings = self.asked(authorizer)
        name = self._resources.logical_id(definition.name, "Authorizer")
        self._http_authorizers[name] = {
            **_http_settings(settings),
            "FunctionArn": get_att(self._resources.function(definition.name), "Arn"),
            "EnableFunctionDefaultPermissions": True,
        }
        return name

    def rest_authorizer(self, authorizer: Handler) -> str:
        """The name of an authorizer of the REST API."""
        definition, settings = self.asked(authorizer)
        name = self._resources.logical_id(definition.name, "Authorizer")
        self._rest_authorizers[name] = {
            **_rest_settings(settings),
            "FunctionArn": get_att(self._resources.function(definition.name), "Arn"),
        }
        return name

    def use_http(self) -> None:
        """There is an HTTP API."""
        self._has_http = True

    def decode(self, media_types: Iterable[str]) -> None:
        """Types of the REST API whose bodies are bytes."""
        self._binary_media_types.update(dict.fromkeys(media_types))

    def asked(self, handler: Handler) -> tuple[FunctionDefinition, Any]:
        """The function of an authorizer, and how it is asked: its trigger says so."""
        found = [
            (definition, getattr(trigger, "authorizer", None))
            for definition in self._deployment.functions
            if definition.handler is handler
            for trigger in definition.triggers
        ]
        return next((definition, settings) for definition, settings in found if settings is not None)

    def globals(self) -> dict[str, Properties]:
        """What the template says of both."""
        http: Properties = {}
        cors = self._deployment.cors
        if self._has_http and cors is not None:
            http["CorsConfiguration"] = cors_properties(cors, credentials="AllowCredentials")
        if self._http_authorizers:
            http["Auth"] = {"Authorizers": self._http_authorizers}
        rest: Properties = {}
        if self._binary_media_types:
            rest["BinaryMediaTypes"] = [media_type.replace("/", "~1") for media_type in self._binary_media_types]
        if self._rest_authorizers:
            rest["Auth"] = {"Authorizers": self._rest_authorizers}
        return {name: found for name, found in (("HttpApi", http), ("Api", rest)) if found}


def cors_properties(cors: Cors, *, credentials: str) -> Properties:
    """CORS as APIs and function URLs have it alike."""
    found: Properties = {
        "AllowOrigins": list(cors.allow_origins),
        "AllowMethods": list(cors.allow_methods),
        "AllowHeaders": list(cors.allow_headers),
        "ExposeHeaders": list(cors.expose_headers),
        "MaxAge": cors.max_age_seconds,
        credentials: cors.allow_credentials,
    }
    return {name: value for name, value in found.items() if value not in ([], None, False)}


def _http_settings(settings: HttpAuthorizer) -> Properties:
    return {
        "AuthorizerPayloadFormatVersion": settings.payload_format_version,
        "EnableSimpleResponses": settings.enable_simple_responses,
        "Identity": _identity(settings, rest=False),
    }


def _rest_settings(settings: RestAuthorizer) -> Properties:
    if settings.type == "REQUEST":
        return {"FunctionPayloadType": "REQUEST", "Identity": _identity(settings, rest=True)}
    [source] = settings.identity_sources
    identity: Properties = {"Header": source.rpartition(".")[2], "ReauthorizeEvery": settings.result_ttl_seconds}
    if settings.identity_validation_expression is not None:
        identity["ValidationExpression"] = settings.identity_validation_expression
    return {"FunctionPayloadType": "TOKEN", "Identity": identity}


def _identity(settings: LambdaAuthorizer, *, rest: bool) -> Properties:
    found: Properties = {}
    request = REST_REQUEST if rest else HTTP_REQUEST
    for text in settings.identity_sources:
        source = IdentitySource.parse(text, request=request)
        name = text.rpartition(".")[2] if source.place == "header" else source.name
        found.setdefault(_PLACES[source.place], []).append(name)
    return {**found, "ReauthorizeEvery": settings.result_ttl_seconds}

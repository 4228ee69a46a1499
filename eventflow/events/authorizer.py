"""Requests that API Gateway asks an authorizer about. Source: API Gateway guide: Lambda authorizers."""

from __future__ import annotations

from typing import Any

from eventflow.events._camel import CamelModel


class AuthorizerEvent(CamelModel):
    """May this request pass? ``type`` is TOKEN, with ``authorization_token``, or REQUEST, with the request itself:
    ``method_arn`` in format 1.0, ``route_arn`` in format 2.0."""

    type: str
    version: str | None = None
    method_arn: str | None = None
    route_arn: str | None = None
    authorization_token: str | None = None
    identity_source: str | list[str] | None = None
    resource: str | None = None
    path: str | None = None
    http_method: str | None = None
    route_key: str | None = None
    raw_path: str | None = None
    raw_query_string: str | None = None
    headers: dict[str, str] | None = None
    query_string_parameters: dict[str, str] | None = None
    path_parameters: dict[str, str] | None = None
    stage_variables: dict[str, str] | None = None
    request_context: dict[str, Any] | None = None

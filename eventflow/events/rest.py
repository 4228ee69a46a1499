"""HTTP requests in payload format 1.0: REST APIs, and HTTP APIs that ask for it.

Source: API Gateway guide: set-up-lambda-proxy-integrations.
"""

from __future__ import annotations

from typing import Any

from eventflow.events._camel import CamelModel


class RestRequestContext(CamelModel):
    """``path`` includes the stage. ``request_time_epoch`` is in milliseconds."""

    account_id: str | None = None
    api_id: str | None = None
    deployment_id: str | None = None
    domain_name: str | None = None
    domain_prefix: str | None = None
    extended_request_id: str | None = None
    http_method: str | None = None
    identity: dict[str, Any]
    authorizer: dict[str, Any] | None = None
    path: str | None = None
    protocol: str | None = None
    request_id: str | None = None
    request_time: str | None = None
    request_time_epoch: int | None = None
    resource_id: str | None = None
    resource_path: str | None = None
    stage: str | None = None


class RestEvent(CamelModel):
    """One request. Absent parts are null; the path is not decoded, the query is."""

    version: str | None = None
    resource: str
    path: str
    http_method: str
    headers: dict[str, str] | None = None
    multi_value_headers: dict[str, list[str]] | None = None
    query_string_parameters: dict[str, str] | None = None
    multi_value_query_string_parameters: dict[str, list[str]] | None = None
    path_parameters: dict[str, str] | None = None
    stage_variables: dict[str, str] | None = None
    request_context: RestRequestContext
    body: str | None = None
    is_base64_encoded: bool = False

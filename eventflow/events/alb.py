"""Requests that an Application Load Balancer hands on. Source: Elastic Load Balancing guide: lambda-functions."""

from __future__ import annotations

from eventflow.events._camel import CamelModel


class AlbTarget(CamelModel):
    target_group_arn: str


class AlbRequestContext(CamelModel):
    elb: AlbTarget


class AlbEvent(CamelModel):
    """One request: with single values, or with the target group's multi-value headers, never both. The query is not
    decoded."""

    request_context: AlbRequestContext
    http_method: str
    path: str
    query_string_parameters: dict[str, str] | None = None
    multi_value_query_string_parameters: dict[str, list[str]] | None = None
    headers: dict[str, str] | None = None
    multi_value_headers: dict[str, list[str]] | None = None
    body: str | None = None
    is_base64_encoded: bool = False

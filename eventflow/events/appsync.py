"""Resolvers and authorizers of AppSync. Source: AppSync guide: direct Lambda resolvers, Lambda authorization."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from eventflow.events._camel import CamelModel


class AppSyncInfo(CamelModel):
    field_name: str
    parent_type_name: str
    variables: dict[str, Any] | None = None
    selection_set_list: list[str] | None = None
    selection_set_graphql: str | None = Field(default=None, alias="selectionSetGraphQL")


class AppSyncRequest(CamelModel):
    headers: dict[str, str] | None = None
    domain_name: str | None = None


class AppSyncResolverEvent(CamelModel):
    """A field is to be resolved. A batch resolver gets a list of these."""

    arguments: dict[str, Any]
    identity: dict[str, Any] | None = None
    source: dict[str, Any] | None = None
    request: AppSyncRequest | None = None
    prev: dict[str, Any] | None = None
    info: AppSyncInfo
    stash: dict[str, Any] | None = None


class AppSyncRequestContext(CamelModel):
    api_id: str
    account_id: str | None = None
    request_id: str | None = None
    query_string: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] | None = None


class AppSyncAuthorizerEvent(CamelModel):
    """May this request pass? Answer ``{"isAuthorized": ..., "resolverContext"?, "deniedFields"?, "ttlOverride"?}``."""

    authorization_token: str = Field(repr=False)
    request_context: AppSyncRequestContext
    request_headers: dict[str, str] | None = None

"""HTTP requests from an Application Load Balancer. Source: ELB guide: lambda-functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote_plus

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
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._base import EventModel
    from eventflow.model.json import JsonObject


class TargetGroup(CamelModel):
    target_group_arn: str


class AlbRequestContext(CamelModel):
    elb: TargetGroup


class AlbEvent(RequestModel):
    """One HTTP request. Header names are lower-case, queries are as the client encoded them.

    A target group with multi-value headers fills the maps called ``multi_value`` instead of the others, which have the
    last value of a name.
    """

    request_context: AlbRequestContext
    http_method: str
    path: str
    headers: StringMap = Field(default_factory=dict)
    multi_value_headers: StringsMap = Field(default_factory=dict)
    query_string_parameters: StringMap = Field(default_factory=dict)
    multi_value_query_string_parameters: StringsMap = Field(default_factory=dict)

    @property
    def method(self) -> str:
        return self.http_method

    @property
    def query(self) -> dict[str, list[str]]:
        """The query string decoded, which a load balancer does not do."""
        several = self.multi_value_query_string_parameters
        lists = several or {name: [value] for name, value in self.query_string_parameters.items()}
        return {unquote_plus(name): [unquote_plus(value) for value in values] for name, values in lists.items()}

    @property
    def source_ip(self) -> str | None:
        """The client's address: the last one in ``x-forwarded-for``, which the load balancer itself saw."""
        forwarded = self.header("x-forwarded-for")
        return forwarded.rpartition(",")[2].strip() if forwarded else None

    def header(self, name: str) -> str | None:
        """A header's value, whatever the case of ``name``; repeated headers are joined with commas."""
        return find_header(name, self.headers, self.multi_value_headers)


class AlbCodec(RequestCodec):
    service: ClassVar[Service] = Service.ALB
    event_model: ClassVar[type[EventModel]] = AlbEvent

    def recognises(self, wire: JsonObject) -> bool:
        return "elb" in request_context(wire)


ALB = AlbCodec()

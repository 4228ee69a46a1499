"""Requests of VPC Lattice. Source: VPC Lattice guide: Lambda functions as targets."""

from __future__ import annotations

from typing import Any

from eventflow.events._base import EventModel
from eventflow.events._camel import CamelModel


class VpcLatticeRequestContext(CamelModel):
    """``time_epoch`` is text, in microseconds."""

    service_network_arn: str
    service_arn: str | None = None
    target_group_arn: str | None = None
    identity: dict[str, Any] | None = None
    region: str | None = None
    time_epoch: str | None = None


class VpcLatticeEvent(CamelModel):
    """One request, version 2.0 of the event."""

    version: str | None = None
    path: str
    method: str
    headers: dict[str, list[str] | str] | None = None
    query_string_parameters: dict[str, list[str] | str] | None = None
    body: str | None = None
    is_base64_encoded: bool | None = None
    request_context: VpcLatticeRequestContext


class VpcLatticeV1Event(EventModel):
    """One request, version 1.0 of the event, whose names are in snake_case."""

    raw_path: str
    method: str
    headers: dict[str, str] | None = None
    query_string_parameters: dict[str, str]
    body: str | None = None
    is_base64_encoded: bool | None = None

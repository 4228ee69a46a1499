"""Flows of Amazon Connect. Source: Connect guide: connect-lambda-functions."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_pascal

from eventflow.events._base import EventModel


class ConnectContactData(EventModel):
    model_config = ConfigDict(alias_generator=to_pascal)

    attributes: dict[str, str] | None = None
    channel: str | None = None
    contact_id: str
    customer_endpoint: dict[str, Any] | None = None
    initial_contact_id: str | None = None
    initiation_method: str | None = None
    instance_arn: str | None = Field(default=None, alias="InstanceARN")
    previous_contact_id: str | None = None
    queue: dict[str, Any] | None = None
    system_endpoint: dict[str, Any] | None = None
    media_streams: dict[str, Any] | None = None


class ConnectDetails(EventModel):
    model_config = ConfigDict(alias_generator=to_pascal)

    contact_data: ConnectContactData
    parameters: dict[str, str] | None = None


class ConnectEvent(EventModel):
    """A contact has reached the function's block of a flow. Answer with a flat map of text, within 8 seconds."""

    model_config = ConfigDict(alias_generator=to_pascal)

    name: str
    details: ConnectDetails

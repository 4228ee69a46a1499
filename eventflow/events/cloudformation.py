"""Custom resources of CloudFormation. Source: CloudFormation guide: custom resource reference.

A request arrives alone, or as the message of an SNS topic. The answer does not go back to the caller: it is put to
the request's ``ResponseURL``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal
from pydantic_core import from_json

from eventflow.errors import EventValidationError
from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import EventCodec
from eventflow.events._wire import first_record
from eventflow.model.destinations import Service

if TYPE_CHECKING:
    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class CloudFormationEvent(PayloadModel[PayloadT], Generic[PayloadT]):
    """One request: ``Create``, ``Update`` or ``Delete``.

    ``stack_id`` and ``request_id`` together identify it; it may come more than once. Scalars among the properties are
    text, whatever the template says: ``"true"``, ``"5"``. ``physical_resource_id`` is absent when creating.
    The payload is the resource's properties.
    """

    model_config = ConfigDict(alias_generator=to_pascal)

    request_type: str
    request_id: str
    response_url: str = Field(alias="ResponseURL", repr=False)  # whoever has it may answer
    stack_id: str
    resource_type: str
    logical_resource_id: str
    physical_resource_id: str | None = None
    service_token: str | None = None
    service_timeout: str | int | None = None
    resource_properties: dict[str, Any] = Field(default_factory=dict)
    old_resource_properties: dict[str, Any] | None = None

    def _user_data(self) -> UserData:
        return _properties(self.resource_properties)


class CustomResource(EventModel):
    """What a handler may return: the resource as it is now.

    ``physical_resource_id`` names it, up to 1 KB: another one than before, after an update, has CloudFormation delete
    the old resource. Without one it keeps its own, and gets one made of the stack and the logical id when it is
    created. ``data`` is for ``Fn::GetAtt``, and masked with ``no_echo``.
    """

    model_config = ConfigDict(alias_generator=to_pascal)

    physical_resource_id: str | None = None
    data: dict[str, Any] | None = None
    no_echo: bool = False


class CloudFormationCodec(EventCodec):
    service: ClassVar[Service] = Service.CLOUDFORMATION
    event_model: ClassVar[type[EventModel]] = CloudFormationEvent
    payload_name: ClassVar[str | None] = "the resource's properties"

    def recognises(self, wire: JsonObject) -> bool:
        return "RequestType" in wire and "ResponseURL" in wire and "StackId" in wire

    def payload(self, wire: JsonObject) -> UserData:
        return _properties(wire.get("ResourceProperties") or {})

    def opened(self, wire: JsonObject) -> JsonObject:
        """The request; a topic that is the resource's ``ServiceToken`` sends it as the text of a message.

        Raises EventValidationError if the message is none.
        """
        message = first_record(wire).get("Sns")
        if message is None:
            return wire
        try:
            request: Any = from_json(message["Message"])
        except (ValueError, KeyError, TypeError):
            request = None
        if not isinstance(request, dict) or not self.recognises(request):
            raise EventValidationError("the SNS message", [("", "it is no request for a custom resource")])
        return request

    def completed(self, wire: JsonObject, result: Any) -> Any:
        """The fields of a CustomResource: a mapping or another model is its data, nothing leaves all to us.

        Raises TypeError for anything else.
        """
        match result:
            case None:
                return {}
            case CustomResource():
                return result.to_wire()
            case BaseModel():
                return {"Data": result.model_dump(mode="json", by_alias=True)}
            case Mapping():
                return {"Data": dict(result)}
        kind = type(result).__name__
        raise TypeError(f"the handler of a custom resource returned {kind}, not a CustomResource, a dict or nothing")


def _properties(properties: JsonObject) -> JsonObject:
    """Without what is CloudFormation's own: the handler's model need not know of it."""
    return {name: value for name, value in properties.items() if name not in ("ServiceToken", "ServiceTimeout")}


CLOUDFORMATION = CloudFormationCodec()

"""SNS notifications. Source: Lambda guide: with-sns."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_pascal

from eventflow.events._base import EventModel, PayloadModel, PayloadT
from eventflow.events._codec import EventCodec
from eventflow.events._wire import decode_base64, encode_base64, first_record
from eventflow.model.destinations import NO_ATTRIBUTES, Service
from eventflow.model.invocation import iso_milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eventflow.events._payload import UserData
    from eventflow.model.json import JsonObject


class SnsMessageAttribute(EventModel):
    """``type`` is String, String.Array, Number or Binary; a binary ``value`` is base64."""

    model_config = ConfigDict(alias_generator=to_pascal)

    type: str
    value: str

    @property
    def value_bytes(self) -> bytes:
        """The value; decoded if it is binary."""
        return decode_base64(self.value) if self.type == "Binary" else self.value.encode()


class SnsMessage(EventModel):
    """The notification. ``message`` is always text; ``message_id`` is the same on every delivery."""

    model_config = ConfigDict(alias_generator=to_pascal)

    type: str
    message_id: str
    topic_arn: str
    subject: str | None = None
    message: str
    timestamp: str
    signature_version: str | None = None
    signature: str | None = None
    signing_cert_url: str | None = None
    unsubscribe_url: str | None = None
    message_attributes: dict[str, SnsMessageAttribute] = Field(default_factory=dict)


class SnsRecord(PayloadModel[PayloadT], Generic[PayloadT]):
    model_config = ConfigDict(alias_generator=to_pascal)

    event_source: str
    event_version: str
    event_subscription_arn: str
    sns: SnsMessage

    def _user_data(self) -> UserData:
        return self.sns.message


class SnsEvent(PayloadModel[PayloadT], Generic[PayloadT]):
    """A notification of a topic. SNS always sends exactly one record, whose payload is the event's."""

    records: list[SnsRecord[PayloadT]] = Field(alias="Records", min_length=1)

    @property
    def message(self) -> str:
        return self.records[0].sns.message

    @property
    def subject(self) -> str | None:
        return self.records[0].sns.subject

    def _user_data(self) -> UserData:
        return self.message


class SnsCodec(EventCodec):
    service: ClassVar[Service] = Service.SNS
    event_model: ClassVar[type[EventModel]] = SnsEvent
    payload_name: ClassVar[str | None] = "the SNS message"

    def recognises(self, wire: JsonObject) -> bool:
        return first_record(wire).get("EventSource") == "aws:sns"

    def origin(self, wire: JsonObject) -> str:
        """The name of the topic that an event is from; empty if it does not say."""
        return str((first_record(wire).get("Sns") or {}).get("TopicArn", "")).rpartition(":")[2]

    def payload(self, wire: JsonObject) -> UserData:
        message: str = wire["Records"][0]["Sns"]["Message"]
        return message


SNS = SnsCodec()


def sns_wire_event(
    *,
    topic_arn: str,
    message_id: str,
    message: str,
    subject: str | None = None,
    attributes: Mapping[str, str | int | bytes] = NO_ATTRIBUTES,
    timestamp: float,
    subscription_arn: str,
) -> JsonObject:
    """The event of one published message, as SNS hands it to Lambda. ``timestamp`` is in epoch seconds."""
    host = f"https://sns.{topic_arn.split(':')[3]}.amazonaws.com"
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "EventSubscriptionArn": subscription_arn,
                "Sns": {
                    "Type": "Notification",
                    "MessageId": message_id,
                    "TopicArn": topic_arn,
                    "Subject": subject,
                    "Message": message,
                    "Timestamp": iso_milliseconds(timestamp),
                    "SignatureVersion": "1",
                    "Signature": "EXAMPLE",
                    "SigningCertUrl": f"{host}/SimpleNotificationService-0000.pem",
                    "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}",
                    "MessageAttributes": {name: _wire_attribute(value) for name, value in attributes.items()},
                },
            }
        ]
    }


def _wire_attribute(value: str | int | bytes) -> JsonObject:
    if isinstance(value, bytes):
        return {"Type": "Binary", "Value": encode_base64(value)}
    return {"Type": "String" if isinstance(value, str) else "Number", "Value": str(value)}

"""Events to call handlers with: one factory per kind, each making what the source would send.

The same arguments make the same event: nothing here reads a clock or rolls a die. User data may be text, bytes,
or anything that pydantic turns into JSON. Where a factory takes ``payload_type``, the event is of that type:
``sqs_event(order, payload_type=Order)`` is an ``SqsEvent[Order]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.client import responses
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlencode

from pydantic_core import from_json, to_json

from eventflow.events._wire import encode_base64, iso_seconds
from eventflow.events.activemq import ACTIVEMQ, ActiveMQEvent, message_headers
from eventflow.events.alexa import AlexaEvent
from eventflow.events.attribute_values import serialise_item
from eventflow.events.cloudformation import CloudFormationEvent
from eventflow.events.cloudfront import CloudFrontEvent
from eventflow.events.cognito import EVENT_MODELS, CognitoEvent
from eventflow.events.documentdb import DOCUMENTDB, DocumentDBEvent
from eventflow.events.documentdb import change_record as document_change
from eventflow.events.dynamodb import DYNAMODB, DynamoDBStreamEvent, change_record
from eventflow.events.eventbridge import EventBridgeEvent, eventbridge_wire_event
from eventflow.events.http import HttpEvent
from eventflow.events.kafka import KAFKA, KafkaEvent
from eventflow.events.kinesis import KINESIS, KinesisStreamEvent
from eventflow.events.lex import LexEvent
from eventflow.events.rabbitmq import QUEUE, RABBITMQ, RabbitMQEvent, basic_properties
from eventflow.events.s3 import S3Event, s3_wire_event
from eventflow.events.schedule import ScheduledEvent, scheduled_wire_event
from eventflow.events.sns import SnsEvent, sns_wire_event
from eventflow.events.sqs import SQS, SqsEvent
from eventflow.model.callers import CognitoTriggerName, trigger_name
from eventflow.model.destinations import NO_ATTRIBUTES
from eventflow.model.mapping import StreamViewType
from eventflow.model.message_queues import DEFAULT_VIRTUAL_HOST, QueueAddress
from eventflow.model.partitions import partition_of
from eventflow.model.records import QueueRecord, SourceIdentity, StreamRecord
from eventflow.testing.http_events import ACCOUNT_ID as ACCOUNT_ID
from eventflow.testing.http_events import HTTP_EVENT_FACTORIES
from eventflow.testing.http_events import alb_event as alb_event
from eventflow.testing.http_events import function_url_event as function_url_event
from eventflow.testing.http_events import http_authorizer_event as http_authorizer_event
from eventflow.testing.http_events import rest_authorizer_event as rest_authorizer_event
from eventflow.testing.http_events import rest_event as rest_event
from eventflow.testing.http_events import token_authorizer_event as token_authorizer_event
from eventflow.testing.http_events import websocket_authorizer_event as websocket_authorizer_event
from eventflow.testing.http_events import websocket_event as websocket_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eventflow.events._base import EventModel, PayloadT
    from eventflow.model.json import JsonObject

TIME: Final = 1_767_225_600.0
"""2026-01-01T00:00:00Z, when everything happens unless said otherwise."""
REGION: Final = "us-east-1"
MESSAGE: Final = "Hello"
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_ID: Final = "00000000-0000-4000-8000-{:012d}"
_SHARD: Final = "shardId-000000000000"
_SEQUENCE_NUMBER: Final = 49590338271490256608559692538361571095921575989136588898

Model = TypeVar("Model", bound="EventModel")


def http_event(
    method: str = "GET",
    path: str = "/",
    *,
    body: object = None,
    query: Mapping[str, str | Sequence[str]] = NOTHING,
    headers: Mapping[str, str] = NOTHING,
    cookies: Sequence[str] = (),
    route_key: str = "$default",
    path_parameters: Mapping[str, str] = NOTHING,
    authorizer: JsonObject | None = None,
    stage: str = "$default",
    source_ip: str = "192.0.2.1",
    time: float = TIME,
) -> HttpEvent:
    """A request. A body that is neither text nor bytes is sent as JSON; bytes arrive in base64.

    ``cookies`` are ``name=value``. ``authorizer`` is what an authorizer adds: ``{"jwt": {"claims": {...}}}``.
    """
    raw_path = path if stage == "$default" else f"/{stage}{path}"
    is_json = not isinstance(body, str | bytes | None)
    defaults = {"host": "api.example.com", **({"content-type": "application/json"} if is_json else {})}
    values = {name: value if isinstance(value, str) else ",".join(value) for name, value in query.items()}
    optional = {
        "cookies": list(cookies),
        "queryStringParameters": values,
        "pathParameters": dict(path_parameters),
        "body": encode_base64(body) if isinstance(body, bytes) else _text(body) if body is not None else None,
    }
    context = _request_context(route_key, stage, time)
    context["http"] = _http_description(method, raw_path, source_ip)
    wire = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": raw_path,
        "rawQueryString": urlencode(query, doseq=True),
        "headers": defaults | {name.lower(): value for name, value in headers.items()},
        "requestContext": context | ({"authorizer": authorizer} if authorizer else {}),
        "isBase64Encoded": isinstance(body, bytes),
    }
    return HttpEvent.model_validate(wire | {name: value for name, value in optional.items() if value})


def _request_context(route_key: str, stage: str, time: float) -> JsonObject:
    return {
        "accountId": ACCOUNT_ID,
        "apiId": "example",
        "domainName": "api.example.com",
        "domainPrefix": "api",
        "requestId": "example-request-1",
        "routeKey": route_key,
        "stage": stage,
        "time": f"{datetime.fromtimestamp(time, tz=UTC):%d/%b/%Y:%H:%M:%S +0000}",
        "timeEpoch": round(time * 1000),
    }


def _http_description(method: str, path: str, source_ip: str) -> JsonObject:
    return {
        "method": method,
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": source_ip,
        "userAgent": "eventflow",
    }


def s3_event(
    bucket: str = "example-bucket",
    key: str = "example.csv",
    *,
    event_name: str = "ObjectCreated:Put",
    size: int = 1024,
    etag: str = "d41d8cd98f00b204e9800998ecf8427e",
    sequencer: str = "0055AED6DCD90281E5",
    version_id: str | None = None,
    configuration_id: str = "example",
    region: str = REGION,
    time: float = TIME,
) -> S3Event:
    """A change of one object. ``key`` is plain, ``event_name`` has no ``s3:``; a removal has no size."""
    wire = s3_wire_event(
        bucket=bucket,
        key=key,
        event_name=event_name,
        event_time=time,
        size=size,
        etag=etag,
        sequencer=sequencer,
        version_id=version_id,
        region=region,
        account_id=ACCOUNT_ID,
        configuration_id=configuration_id,
    )
    return S3Event.model_validate(wire)


def sns_event(
    message: object = MESSAGE,
    *,
    topic: str = "example-topic",
    subject: str | None = None,
    attributes: Mapping[str, str | int | bytes] = NO_ATTRIBUTES,
    message_id: str = _ID.format(1),
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> SnsEvent[PayloadT]:
    """A message published to ``topic``."""
    topic_arn = _arn("sns", topic, region)
    wire = sns_wire_event(
        topic_arn=topic_arn,
        message_id=message_id,
        message=_text(message),
        subject=subject,
        attributes=attributes,
        timestamp=time,
        subscription_arn=f"{topic_arn}:{_ID.format(0)}",
    )
    return _typed(SnsEvent, payload_type).model_validate(wire)


def eventbridge_event(
    detail: object = "{}",
    *,
    detail_type: str = "Example",
    source: str = "example",
    resources: Sequence[str] = (),
    event_id: str = _ID.format(1),
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> EventBridgeEvent[PayloadT]:
    """An event of a bus. ``detail`` is a JSON object: a mapping, a model, or its text."""
    wire = eventbridge_wire_event(
        event_id=event_id,
        detail_type=detail_type,
        source=source,
        account_id=ACCOUNT_ID,
        time=time,
        region=region,
        resources=resources,
        detail=from_json(_bytes(detail)),
    )
    return _typed(EventBridgeEvent, payload_type).model_validate(wire)


def scheduled_event(
    rule: str = "example-rule", *, event_id: str = _ID.format(1), region: str = REGION, time: float = TIME
) -> ScheduledEvent:
    """The event of a rule with a schedule, whose time has come at ``time``."""
    wire = scheduled_wire_event(
        event_id=event_id,
        rule_arn=_arn("events", f"rule/{rule}", region),
        account_id=ACCOUNT_ID,
        time=time,
        region=region,
    )
    return ScheduledEvent.model_validate(wire)


def sqs_event(
    *bodies: object,
    queue: str = "example-queue",
    group_id: str | None = None,
    receive_count: int = 1,
    message_attributes: Mapping[str, JsonObject] = NOTHING,
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> SqsEvent[PayloadT]:
    """A batch of one message per body; without any, of one. With ``group_id``, as a FIFO queue sends it.

    ``message_attributes`` are in the wire form: ``{"name": {"dataType": "String", "stringValue": "v"}}``.
    """
    records = [
        QueueRecord(
            message_id=_ID.format(number),
            receipt_handle=f"receipt-{number}",
            body=_text(body),
            receive_count=receive_count,
            group_id=group_id,
            attributes=_system_attributes(number, receive_count, group_id, round(time * 1000)),
            message_attributes=message_attributes,
        )
        for number, body in enumerate(bodies or (MESSAGE,), start=1)
    ]
    identity = SourceIdentity(arn=_arn("sqs", queue, region), region=region, extras={})
    return _typed(SqsEvent, payload_type).model_validate(SQS.wire_event(records, identity))


def _system_attributes(number: int, receive_count: int, group_id: str | None, sent_at: int) -> dict[str, str]:
    attributes = {
        "ApproximateReceiveCount": str(receive_count),
        "SentTimestamp": str(sent_at),
        "SenderId": "AIDAEXAMPLE",
        "ApproximateFirstReceiveTimestamp": str(sent_at),
    }
    if group_id is None:
        return attributes
    return attributes | {
        "MessageGroupId": group_id,
        "MessageDeduplicationId": f"deduplication-{number}",
        "SequenceNumber": f"188493393541441515{number:02d}",
    }


def kinesis_event(
    *data: object,
    stream: str = "example-stream",
    partition_key: str = "1",
    shard_id: str = _SHARD,
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> KinesisStreamEvent[PayloadT]:
    """A batch of one record per datum; without any, of one."""
    records = [
        StreamRecord(shard_id, _SEQUENCE_NUMBER + number, partition_key, _bytes(datum), time, {})
        for number, datum in enumerate(data or (MESSAGE,))
    ]
    identity = SourceIdentity(arn=_arn("kinesis", f"stream/{stream}", region), region=region, extras={})
    return _typed(KinesisStreamEvent, payload_type).model_validate(KINESIS.wire_event(records, identity))


def dynamodb_stream_event(
    new_image: Mapping[str, Any] | None = None,
    old_image: Mapping[str, Any] | None = None,
    *,
    key_names: Sequence[str] = ("id",),
    table: str = "example-table",
    view_type: StreamViewType = StreamViewType.NEW_AND_OLD_IMAGES,
    expired: bool = False,
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> DynamoDBStreamEvent[PayloadT]:
    """A change of one item, given as plain Python values before and after: an insert has no old image, a
    removal no new one. Without either it is the insert of ``{"id": "1"}``."""
    if new_image is None and old_image is None:
        new_image = dict.fromkeys(key_names, "1")
    item = new_image if new_image is not None else old_image or {}
    record = change_record(
        partition=_SHARD,
        sequence_number=111700000000000000000001,
        timestamp=time,
        event_id="c4ca4238a0b923820dcc509a6f75849b",
        keys=serialise_item({name: item[name] for name in key_names}),
        old_image=None if old_image is None else serialise_item(old_image),
        new_image=None if new_image is None else serialise_item(new_image),
        view_type=view_type,
        expired=expired,
    )
    arn = _arn("dynamodb", f"table/{table}/stream/2026-01-01T00:00:00.000", region)
    identity = SourceIdentity(arn=arn, region=region, extras={})
    return _typed(DynamoDBStreamEvent, payload_type).model_validate(DYNAMODB.wire_event([record], identity))


def kafka_event(
    *values: object,
    topic: str = "example-topic",
    partition: int = 0,
    first_offset: int = 0,
    key: str | bytes | None = None,
    headers: Mapping[str, bytes] = NOTHING,
    self_managed: bool = False,
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> KafkaEvent[PayloadT]:
    """A batch of one record per value; without any, of one. A value of ``None`` is a tombstone."""
    attributes = {
        "topic": topic,
        "partition": partition,
        "timestampType": "CREATE_TIME",
        "headers": list(headers.items()),
    }
    records = [
        StreamRecord(f"{topic}-{partition}", offset, key, None if value is None else _bytes(value), time, attributes)
        for offset, value in enumerate(values or (MESSAGE,), start=first_offset)
    ]
    identity = SourceIdentity(
        arn="" if self_managed else _arn("kafka", f"cluster/example/{_ID.format(0)}-1", region),
        region=region,
        extras={"bootstrapServers": "kafka.example.com:9092"},
    )
    return _typed(KafkaEvent, payload_type).model_validate(KAFKA.wire_event(records, identity))


def rabbitmq_event(
    *bodies: object,
    queue: str = "example-queue",
    virtual_host: str = DEFAULT_VIRTUAL_HOST,
    headers: Mapping[str, str | int | bytes] = NO_ATTRIBUTES,
    correlation_id: str | None = None,
    redelivered: bool = False,
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> RabbitMQEvent[PayloadT]:
    """A batch of one message per body; without any, of one."""
    records = [
        _message(
            number,
            _bytes(body),
            redelivered=redelivered,
            attributes={
                QUEUE: QueueAddress(queue, virtual_host).wire,
                "basicProperties": basic_properties(
                    _bytes(body), headers=headers, correlation_id=correlation_id, timestamp=time
                ),
                "redelivered": redelivered,
            },
        )
        for number, body in enumerate(bodies or (MESSAGE,), start=1)
    ]
    identity = SourceIdentity(arn=_arn("mq", f"broker:example:b-{_ID.format(0)}", region), region=region, extras={})
    return _typed(RabbitMQEvent, payload_type).model_validate(RABBITMQ.wire_event(records, identity))


def activemq_event(
    *bodies: object,
    queue: str = "example-queue",
    properties: Mapping[str, Any] = NOTHING,
    correlation_id: str | None = None,
    redelivered: bool = False,
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> ActiveMQEvent[PayloadT]:
    """A batch of one message per body; without any, of one. Bytes make a BytesMessage, anything else a TextMessage."""
    records = [
        _message(
            number,
            _bytes(body),
            redelivered=redelivered,
            attributes=message_headers(
                queue,
                sent_at=time,
                delivered_at=time,
                redelivered=redelivered,
                binary=isinstance(body, bytes),
                correlation_id=correlation_id,
                properties=properties,
            ),
        )
        for number, body in enumerate(bodies or (MESSAGE,), start=1)
    ]
    identity = SourceIdentity(arn=_arn("mq", f"broker:example:b-{_ID.format(0)}", region), region=region, extras={})
    return _typed(ActiveMQEvent, payload_type).model_validate(ACTIVEMQ.wire_event(records, identity))


def documentdb_event(
    document: Mapping[str, Any] | None = None,
    *,
    operation: str = "insert",
    database: str = "example",
    collection: str = "examples",
    updated: Mapping[str, Any] = NOTHING,
    region: str = REGION,
    time: float = TIME,
    payload_type: type[PayloadT] | None = None,
) -> DocumentDBEvent[PayloadT]:
    """A change of one document, ``{"_id": "1"}`` unless it is given. A removal has no document, an update what it
    ``updated``; it has the document, too, if that has more than its ``_id``."""
    document = dict(document or {"_id": "1"})
    has_document = operation in ("insert", "replace") or (operation == "update" and len(document) > 1)
    change = {
        "_id": {"_data": f"01{round(time):08x}{1:030x}"},
        "operationType": operation,
        "clusterTime": {"$timestamp": {"t": round(time), "i": 1}},
        "ns": {"db": database, "coll": collection},
        "documentKey": {"_id": document.get("_id")},
        **({"fullDocument": document} if has_document else {}),
        **({"updateDescription": {"updatedFields": dict(updated), "removedFields": []}} if updated else {}),
    }
    identity = SourceIdentity(arn=_arn("rds", "cluster:example", region), region=region, extras={})
    wire = DOCUMENTDB.wire_event([document_change(change)], identity)
    return _typed(DocumentDBEvent, payload_type).model_validate(wire)


def cognito_event(
    trigger_source: str = "PreSignUp_SignUp",
    *,
    user_attributes: Mapping[str, str] = NOTHING,
    user_name: str = "example",
    user_pool_id: str = f"{REGION}_example",
    request: Mapping[str, Any] = NOTHING,
    response: Mapping[str, Any] = NOTHING,
    version: str = "1",
) -> CognitoEvent:
    """A call of a user pool's trigger, of the trigger's own model. ``request`` and ``response`` are further fields of
    those two parts, under their AWS names."""
    trigger = trigger_name(trigger_source)
    model = CognitoEvent if trigger is None else EVENT_MODELS[trigger]
    attributes = dict(user_attributes) or {"sub": _ID.format(1), "email": "user@example.com"}
    # A user who is to be migrated has no attributes yet.
    known = {} if trigger is CognitoTriggerName.USER_MIGRATION else {"userAttributes": attributes}
    return model.model_validate(
        {
            "version": version,
            "triggerSource": trigger_source,
            "region": user_pool_id.partition("_")[0],
            "userPoolId": user_pool_id,
            "userName": user_name,
            "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": "example"},
            "request": {**known, **request},
            "response": dict(response),
        }
    )


def cloudformation_event(
    request_type: str = "Create",
    *,
    properties: Mapping[str, Any] = NOTHING,
    old_properties: Mapping[str, Any] | None = None,
    physical_resource_id: str | None = None,
    logical_resource_id: str = "Example",
    resource_type: str = "Custom::Example",
    stack: str = "example",
    request_id: str = _ID.format(1),
    region: str = REGION,
    payload_type: type[PayloadT] | None = None,
) -> CloudFormationEvent[PayloadT]:
    """A request for a custom resource. An update and a deletion have a physical id, ``example`` unless it is given."""
    token = _arn("sns", "example", region)
    bucket = f"cloudformation-custom-resource-response-{region.replace('-', '')}.s3.amazonaws.com"
    wire: JsonObject = {
        "RequestType": request_type,
        "RequestId": request_id,
        "ResponseURL": f"https://{bucket}/{request_id}?X-Amz-Signature=example",
        "StackId": _arn("cloudformation", f"stack/{stack}/{_ID.format(0)}", region),
        "ResourceType": resource_type,
        "LogicalResourceId": logical_resource_id,
        "ServiceToken": token,
        "ResourceProperties": {"ServiceToken": token, **properties},
    }
    if request_type != "Create":
        wire["PhysicalResourceId"] = physical_resource_id or "example"
    if old_properties is not None:
        wire["OldResourceProperties"] = {"ServiceToken": token, **old_properties}
    return _typed(CloudFormationEvent, payload_type).model_validate(wire)


def alexa_event(
    intent: str | None = None,
    slots: Mapping[str, str | None] = NOTHING,
    *,
    request_type: str | None = None,
    skill_id: str = "amzn1.ask.skill.example",
    new_session: bool = True,
    session_attributes: Mapping[str, Any] = NOTHING,
    locale: str = "en-US",
    time: float = TIME,
) -> AlexaEvent:
    """A request of a skill: an intent with its slots, or the skill's launch."""
    application = {"applicationId": skill_id}
    request: JsonObject = {
        "type": request_type or ("IntentRequest" if intent else "LaunchRequest"),
        "requestId": f"amzn1.echo-api.request.{_ID.format(1)}",
        "timestamp": iso_seconds(time),
        "locale": locale,
    }
    if intent is not None:
        said = {name: {"name": name} | ({} if value is None else {"value": value}) for name, value in slots.items()}
        request["intent"] = {"name": intent, "confirmationStatus": "NONE", "slots": said}
    user = {"userId": "amzn1.ask.account.example"}
    return AlexaEvent.model_validate(
        {
            "version": "1.0",
            "session": {
                "new": new_session,
                "sessionId": f"amzn1.echo-api.session.{_ID.format(1)}",
                "application": application,
                "attributes": dict(session_attributes),
                "user": user,
            },
            "context": {
                "System": {
                    "application": application,
                    "user": user,
                    "device": {"deviceId": "amzn1.ask.device.example", "supportedInterfaces": {}},
                }
            },
            "request": request,
        }
    )


def lex_event(
    intent: str = "Example",
    slots: Mapping[str, str | None] = NOTHING,
    *,
    source: str = "DialogCodeHook",
    transcript: str = "Hello",
    bot: str = "example",
    locale: str = "en_US",
    session_attributes: Mapping[str, str] = NOTHING,
) -> LexEvent:
    """One turn of a conversation with a Lex V2 bot; a slot is given by its value, ``None`` if it has none yet."""
    fulfilment = source == "FulfillmentCodeHook"
    chosen = {
        "name": intent,
        "state": "ReadyForFulfillment" if fulfilment else "InProgress",
        "confirmationState": "None",
        "slots": {name: _slot(value) for name, value in slots.items()},
    }
    return LexEvent.model_validate(
        {
            "messageVersion": "1.0",
            "invocationSource": source,
            "inputMode": "Text",
            "responseContentType": "text/plain; charset=utf-8",
            "sessionId": _ID.format(1),
            "inputTranscript": transcript,
            "bot": {
                "id": "EXAMPLE",
                "name": bot,
                "localeId": locale,
                "version": "DRAFT",
                "aliasId": "TSTALIASID",
                "aliasName": "TestBotAlias",
            },
            "interpretations": [{"intent": chosen, "nluConfidence": 1.0}],
            "sessionState": {
                "sessionAttributes": dict(session_attributes),
                "intent": chosen,
                "originatingRequestId": _ID.format(2),
            },
        }
    )


def _slot(value: str | None) -> JsonObject | None:
    if value is None:
        return None
    return {
        "shape": "Scalar",
        "value": {"originalValue": value, "interpretedValue": value, "resolvedValues": [value]},
    }


def cloudfront_event(
    event_type: str = "viewer-request",
    *,
    method: str = "GET",
    uri: str = "/",
    querystring: str = "",
    headers: Mapping[str, str] = NOTHING,
    status: int = 200,
    response_headers: Mapping[str, str] = NOTHING,
    distribution_id: str = "EXAMPLE",
    client_ip: str = "192.0.2.1",
) -> CloudFrontEvent:
    """A request at one of its four moments; with a response when there is one by then."""
    content: JsonObject = {
        "config": {
            "distributionDomainName": "example.cloudfront.net",
            "distributionId": distribution_id,
            "eventType": event_type,
            "requestId": "example-request-1",
        },
        "request": {
            "clientIp": client_ip,
            "method": method,
            "uri": uri,
            "querystring": querystring,
            "headers": _edge_headers({"Host": "example.cloudfront.net", **headers}),
        },
    }
    if event_type.endswith("response"):
        reason = responses.get(status, "")
        headers = _edge_headers(response_headers)
        content["response"] = {"status": str(status), "statusDescription": reason, "headers": headers}
    return CloudFrontEvent.model_validate({"Records": [{"cf": content}]})


def _edge_headers(headers: Mapping[str, str]) -> JsonObject:
    return {name.lower(): [{"key": name, "value": value}] for name, value in headers.items()}


def _message(number: int, body: bytes, *, redelivered: bool, attributes: JsonObject) -> QueueRecord:
    return QueueRecord(
        message_id=f"ID:example:{number}",
        receipt_handle="",
        body=body,
        receive_count=2 if redelivered else 1,
        group_id=None,
        attributes=attributes,
        message_attributes=NOTHING,
    )


def _typed(model: type[Model], payload_type: object) -> type[Model]:
    if payload_type is None:
        return model
    return cast("type[Model]", model.__class_getitem__(cast("type[Any]", payload_type)))


def _arn(service: str, resource: str, region: str) -> str:
    return f"arn:{partition_of(region)}:{service}:{region}:{ACCOUNT_ID}:{resource}"


def _bytes(data: object) -> bytes:
    match data:
        case bytes():
            return data
        case str():
            return data.encode()
        case _:
            return to_json(data)


def _text(data: object) -> str:
    return data if isinstance(data, str) else _bytes(data).decode()


@dataclass(frozen=True, slots=True)
class EventFactory:
    """How ``eventflow generate-event`` makes one kind of event.

    ``fields`` are the names that may be set and what they are otherwise; a number's default is a number.
    """

    description: str
    build: Callable[..., EventModel]
    fields: Mapping[str, str | int]

    def make(self, **values: str | int) -> EventModel:
        """The event, with ``values`` in place of the defaults. Raises TypeError for an unknown field."""
        if unknown := values.keys() - self.fields.keys():
            raise TypeError(f"unknown fields {sorted(unknown)}; known: {sorted(self.fields)}")
        return self.build(**{**self.fields, **values})


_HTTP = EventFactory(
    "An HTTP request to an HTTP API or function URL (payload format 2.0)",
    http_event,
    {"method": "GET", "path": "/", "body": "", "route_key": "$default", "stage": "$default"},
)
_SCHEDULED = EventFactory(
    "A rule with a schedule, whose time has come", scheduled_event, {"rule": "example-rule", "region": REGION}
)


def _custom_resource(request_type: str, description: str) -> EventFactory:
    def build(properties: str, **options: Any) -> CloudFormationEvent:
        return cloudformation_event(request_type, properties=from_json(properties), **options)

    fields = {"properties": "{}", "resource_type": "Custom::Example", "stack": "example", "region": REGION}
    return EventFactory(description, build, fields)


def _code_hook(source: str, description: str) -> EventFactory:
    def build(slots: str, **options: Any) -> LexEvent:
        return lex_event(slots=from_json(slots), source=source, **options)

    return EventFactory(
        description, build, {"intent": "Example", "slots": "{}", "transcript": "Hello", "bot": "example"}
    )


_FACTORIES: Final[Mapping[tuple[str, str], EventFactory]] = {
    ("activemq", "messages"): EventFactory(
        "A message of an ActiveMQ queue",
        lambda body, **options: activemq_event(body, **options),
        {"body": MESSAGE, "queue": "example-queue", "region": REGION},
    ),
    ("alexa", "intent"): EventFactory(
        "Somebody spoke to a skill",
        lambda slots, **options: alexa_event(slots=from_json(slots), **options),
        {"intent": "Example", "slots": "{}", "skill_id": "amzn1.ask.skill.example", "locale": "en-US"},
    ),
    ("alexa", "launch"): EventFactory(
        "Somebody opened a skill", alexa_event, {"skill_id": "amzn1.ask.skill.example", "locale": "en-US"}
    ),
    ("apigateway", "http-api-proxy"): _HTTP,
    ("cloudformation", "create-request"): _custom_resource("Create", "A custom resource is to be created"),
    ("cloudformation", "delete-request"): _custom_resource("Delete", "A custom resource is to be deleted"),
    ("cloudformation", "update-request"): _custom_resource("Update", "A custom resource is to be updated"),
    ("cloudfront", "request"): EventFactory(
        "A request to a distribution",
        cloudfront_event,
        {"event_type": "viewer-request", "method": "GET", "uri": "/", "querystring": ""},
    ),
    ("cloudfront", "response"): EventFactory(
        "A response of a distribution", partial(cloudfront_event, "viewer-response"), {"uri": "/", "status": 200}
    ),
    ("cognito", "trigger"): EventFactory(
        "A user pool calls a trigger",
        lambda user_attributes, **options: cognito_event(user_attributes=from_json(user_attributes), **options),
        {
            "trigger_source": "PreSignUp_SignUp",
            "user_attributes": "{}",
            "user_name": "example",
            "user_pool_id": f"{REGION}_example",
        },
    ),
    ("documentdb", "change"): EventFactory(
        "A document of a collection was changed",
        lambda document, **options: documentdb_event(from_json(document), **options),
        {
            "document": '{"_id":"1"}',
            "operation": "insert",
            "database": "example",
            "collection": "examples",
            "region": REGION,
        },
    ),
    ("dynamodb", "update"): EventFactory(
        "An item was put into a table",
        lambda item, **options: dynamodb_stream_event(from_json(item), **options),
        {"item": '{"id":"1"}', "table": "example-table", "region": REGION},
    ),
    ("eventbridge", "event"): EventFactory(
        "An event of a bus",
        eventbridge_event,
        {"detail": "{}", "detail_type": "Example", "source": "example", "region": REGION},
    ),
    ("eventbridge", "scheduled"): _SCHEDULED,
    ("http", "request"): _HTTP,
    ("kafka", "records"): EventFactory(
        "A record of a topic",
        lambda value, **options: kafka_event(value, **options),
        {"value": MESSAGE, "topic": "example-topic", "partition": 0, "key": "1", "region": REGION},
    ),
    ("kinesis", "get-records"): EventFactory(
        "A record of a stream",
        lambda data, **options: kinesis_event(data, **options),
        {"data": MESSAGE, "stream": "example-stream", "partition_key": "1", "region": REGION},
    ),
    ("lex", "dialog"): _code_hook("DialogCodeHook", "A bot asks how to go on"),
    ("lex", "fulfillment"): _code_hook("FulfillmentCodeHook", "A bot has all it needs"),
    ("rabbitmq", "messages"): EventFactory(
        "A message of a RabbitMQ queue",
        lambda body, **options: rabbitmq_event(body, **options),
        {"body": MESSAGE, "queue": "example-queue", "virtual_host": DEFAULT_VIRTUAL_HOST, "region": REGION},
    ),
    ("s3", "delete"): EventFactory(
        "An object was removed",
        partial(s3_event, event_name="ObjectRemoved:Delete"),
        {"bucket": "example-bucket", "key": "example.csv", "region": REGION},
    ),
    ("s3", "put"): EventFactory(
        "An object was written",
        s3_event,
        {"bucket": "example-bucket", "key": "example.csv", "size": 1024, "region": REGION},
    ),
    ("schedule", "scheduled"): _SCHEDULED,
    ("sns", "notification"): EventFactory(
        "A message published to a topic",
        sns_event,
        {"message": MESSAGE, "topic": "example-topic", "subject": "Example", "region": REGION},
    ),
    ("sqs", "receive-message"): EventFactory(
        "A message of a queue",
        lambda body, **options: sqs_event(body, **options),
        {"body": MESSAGE, "queue": "example-queue", "region": REGION},
    ),
}
EVENT_FACTORIES: Final[Mapping[tuple[str, str], EventFactory]] = dict(
    sorted({**_FACTORIES, **{names: EventFactory(*made) for names, made in HTTP_EVENT_FACTORIES.items()}}.items())
)
"""By source and event, as ``sam local generate-event`` names them, and by eventflow's own names."""

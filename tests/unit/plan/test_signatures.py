"""What a handler's annotations make it receive."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from eventflow import (
    App,
    ConfigurationError,
    Context,
    Environment,
    EventBridgeEvent,
    HttpEvent,
    KafkaRecord,
    S3Event,
    SnsEvent,
    SqsEvent,
    SqsRecord,
    function,
    on_eventbridge,
    on_http,
    on_kafka,
    on_kafka_batch,
    on_s3,
    on_sns,
    on_sqs,
    on_sqs_batch,
)
from eventflow.errors import EventValidationError
from eventflow.events.kafka import KAFKA
from eventflow.events.sqs import SQS, SqsCodec
from eventflow.model.context import FunctionEnvironment
from eventflow.model.records import QueueRecord, StreamRecord
from eventflow.plan.batch_event import BatchEvent
from eventflow.plan.endpoint import Endpoint
from eventflow.plan.http_request import HttpRequest
from eventflow.plan.record_batches import batch_endpoint
from eventflow.plan.shapes import UNKNOWN_IDENTITY
from eventflow.testing import events


class Order(BaseModel):
    id: str
    total: float


@dataclass
class Point:
    x: int
    y: int


ENVIRONMENT = FunctionEnvironment(
    function_name="f",
    function_arn="arn",
    memory_limit_in_mb="128",
    log_group_name="g",
    log_stream_name="s",
    clock=lambda: 0.0,
    next_request_id=lambda: "id",
)
CONTEXT = Context(ENVIRONMENT, 3.0)


def endpoint(handler: Callable[..., Any]) -> Endpoint:
    plan = App([handler]).freeze(Environment())
    [found] = plan.functions[handler.__name__].endpoints.values()
    return found


def call(handler: Callable[..., Any], subject: Any) -> Any:
    return endpoint(handler).call(subject, CONTEXT)


def record(body: str) -> QueueRecord:
    return QueueRecord("m-1", "r-1", body, 1, None, {}, {})


def request(path_parameters: dict[str, str] | None = None, body: bytes = b"") -> HttpRequest:
    return HttpRequest(
        method="GET",
        path="/",
        query_string="",
        headers=[(b"host", b"h")],
        body=body,
        route_key="GET /",
        path_parameters=path_parameters or {},
        source_ip="127.0.0.1",
        protocol="HTTP/1.1",
        request_id="r",
        time=0,
    )


def test_unannotated_handlers_get_lambdas_own_two_arguments() -> None:
    @on_sns("t")
    def handler(event, context):  # type: ignore[no-untyped-def]
        return event, context

    wire = events.sns_event("hello").to_wire()
    assert call(handler, wire) == (wire, CONTEXT)


def test_context_may_stand_anywhere_and_nothing_is_compulsory() -> None:
    @on_sns("t")
    def swapped(context: Context, event: dict[str, Any]) -> Any:
        return context, event

    @on_sns("t")
    def neither() -> str:
        return "ran"

    assert call(swapped, {"a": 1}) == (CONTEXT, {"a": 1})
    assert call(neither, {}) == "ran"


def test_an_event_model_is_validated() -> None:
    @on_s3("bucket")
    def handler(event: S3Event) -> Any:
        return event.records[0].object_key

    assert call(handler, events.s3_event(bucket="bucket", key="a b.csv").to_wire()) == "a b.csv"


def test_typed_payloads_of_notifications() -> None:
    @on_sns("t")
    def from_message(order: Order) -> Order:
        return order

    @on_sns("t")
    def from_event(event: SnsEvent[Order]) -> Order:
        return event.records[0].payload

    @on_eventbridge({"source": ["s"]})
    def from_detail(order: Order) -> Order:
        return order

    @on_eventbridge({"source": ["s"]})
    def generic(event: EventBridgeEvent[Order]) -> str:
        return event.source

    order = Order(id="1", total=2.5)
    assert call(from_message, events.sns_event(order.model_dump_json()).to_wire()) == order
    assert call(from_event, events.sns_event(order.model_dump_json()).to_wire()) == order
    wire = events.eventbridge_event(source="s", detail=order.model_dump()).to_wire()
    assert call(from_detail, wire) == order
    assert call(generic, wire) == "s"


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, '{"id": "1", "total": 2}'),
        (bytes, b'{"id": "1", "total": 2}'),
        (Order, Order(id="1", total=2)),
        (dict[str, Any], None),
        (SqsRecord, None),
        (SqsEvent, None),
    ],
)
def test_a_record_becomes_what_is_asked_for(annotation: Any, expected: Any) -> None:
    def handler(value: Any) -> Any:
        return value

    handler.__annotations__["value"] = annotation
    got = call(on_sqs("q")(handler), record('{"id": "1", "total": 2}'))
    if expected is not None:
        assert got == expected
    elif annotation is SqsRecord:
        assert got.message_id == "m-1"
    elif annotation is SqsEvent:
        assert [item.message_id for item in got.records] == ["m-1"]
    else:
        assert got["messageId"] == "m-1"


def test_dataclasses_and_other_types_work_for_bodies() -> None:
    @on_sqs("q")
    def points(value: list[Point]) -> Any:
        return value

    assert call(points, record('[{"x": 1, "y": 2}]')) == [Point(1, 2)]


def test_an_invalid_body_names_what_is_wrong_without_its_value() -> None:
    @on_sqs("q")
    def handler(order: Order) -> None: ...

    with pytest.raises(EventValidationError) as caught:
        call(handler, record('{"id": "secret"}'))
    assert caught.value.details == (("total", "Field required"),)
    assert "secret" not in "".join(traceback.format_exception(caught.value)).replace('{"id": "secret"}', "")


def test_http_path_parameters_by_name_and_one_model_for_the_body() -> None:
    @on_http("PUT /orders/{id}/{n}")
    def handler(id: str, n: int, order: Order, context: Context) -> Any:
        return id, n, order, context

    body = json.dumps({"id": "1", "total": 3}).encode()
    got = call(handler, request({"id": "a/b", "n": "7"}, body))
    assert got == ("a/b", 7, Order(id="1", total=3), CONTEXT)


def test_a_path_parameter_that_an_event_lacks_is_named() -> None:
    @on_http("GET /orders/{id}")
    def handler(id: str) -> None: ...

    with pytest.raises(EventValidationError, match="the path parameter 'id' is not valid: it is missing"):
        call(handler, request())


def test_an_event_that_is_none_of_the_source_is_told_from_one_without_records() -> None:
    @on_sqs("q")
    def handler(order: Order) -> None: ...

    whole = batch_endpoint(endpoint(handler))
    with pytest.raises(EventValidationError, match="the event is not valid: Records: Field required"):
        whole.call({}, CONTEXT)
    assert whole.call({"Records": []}, CONTEXT) == {"batchItemFailures": []}


def test_http_event_and_raw_event() -> None:
    @on_http("GET /")
    def typed(event: HttpEvent) -> str:
        return event.method

    @on_http("GET /x")
    def raw(event: dict[str, Any]) -> Any:
        return event["requestContext"]["http"]["method"]

    assert call(typed, request()) == call(raw, request()) == "GET"


def test_direct_functions_take_any_type() -> None:
    @function
    def order(event: Order) -> Order:
        return event

    @function
    def text(event: str) -> str:
        return event

    assert call(order, {"id": "1", "total": 1}) == Order(id="1", total=1)
    assert call(text, "[1]") == "[1]"


def test_one_handler_may_serve_two_sources_through_a_union() -> None:
    @on_s3("bucket")
    @on_sns("topic")
    def handler(event: S3Event | SnsEvent) -> str:
        return type(event).__name__

    plan = App([handler]).freeze(Environment())
    endpoints = plan.functions["handler"].endpoints
    assert endpoints["s3"].call(events.s3_event().to_wire(), CONTEXT) == "S3Event"
    assert endpoints["sns"].call(events.sns_event("m").to_wire(), CONTEXT) == "SnsEvent"


def test_a_parameter_with_a_default_that_cannot_be_filled_keeps_it() -> None:
    @on_sqs_batch("q")
    def handler(batch: SqsEvent, retries: int = 3) -> int:
        return retries

    assert call(handler, events.sqs_event("a").to_wire()) == 3


def test_a_default_is_no_excuse_for_an_event_that_never_comes() -> None:
    @on_http("POST /orders")
    def wrong(order: Order, batch: SqsEvent | None = None) -> None: ...

    @on_sqs("q")
    def foreign(record: SqsRecord, event: S3Event = None) -> None: ...  # type: ignore[assignment]

    [problem] = mistakes(wrong)
    assert "wrong @on_http" in problem
    assert "parameter 'batch': " in problem
    assert "SqsEvent | None is not what this source gives; it would always be its default (HttpEvent" in problem
    [problem] = mistakes(foreign)
    assert "parameter 'event': S3Event is not what this source gives" in problem


def test_a_default_is_no_excuse_for_a_model_that_never_comes() -> None:
    @on_sqs_batch("q")
    def wrong(batch: SqsEvent, order: Order | None = None) -> None: ...

    @on_sqs_batch("q")
    def configured(batch: SqsEvent, order: Order = Order(id="1", total=1)) -> Order:  # noqa: B008
        return order

    [problem] = mistakes(wrong)
    assert "parameter 'order': " in problem
    assert "it would always be its default" in problem
    assert call(configured, events.sqs_event("a").to_wire()) == Order(id="1", total=1)


def test_a_get_request_does_not_fill_a_parameter_from_its_query() -> None:
    @on_http("GET /orders")
    def listing(limit: int = 10) -> None: ...

    [problem] = mistakes(listing)
    assert "parameter 'limit': would be the body, and a GET request has none" in problem
    assert "Annotated[..., Query()]" in problem
    assert "it would always be its default" in problem


def test_a_get_request_leaves_a_default_of_what_nothing_sends() -> None:
    class Database: ...

    database = Database()

    def handler(event: HttpEvent, database: Any, attempts=3) -> Any:  # type: ignore[no-untyped-def]
        return database, attempts

    handler.__annotations__["database"] = Database
    handler.__defaults__ = (database, 3)
    assert call(on_http("GET /orders")(handler), request()) == (database, 3)


def test_a_path_parameter_that_cannot_be_filled_is_a_mistake_although_it_has_a_default() -> None:
    class Opaque: ...

    def handler(id: Any = None) -> None: ...

    handler.__annotations__["id"] = Opaque
    [problem] = mistakes(on_http("GET /orders/{id}")(handler))
    assert "parameter 'id': no path parameter can become" in problem


def test_each_of_several_sources_may_fill_a_parameter_of_its_own() -> None:
    @on_s3("bucket")
    @on_sns("topic")
    def handler(stored: S3Event | None = None, told: SnsEvent | None = None) -> Any:
        return type(stored).__name__, type(told).__name__

    endpoints = App([handler]).freeze(Environment()).functions["handler"].endpoints
    assert endpoints["s3"].call(events.s3_event().to_wire(), CONTEXT) == ("S3Event", "NoneType")
    assert endpoints["sns"].call(events.sns_event("m").to_wire(), CONTEXT) == ("NoneType", "SnsEvent")


def test_a_default_that_is_kept_does_not_move_the_arguments_behind_it() -> None:
    @on_sqs_batch("q")
    def anywhere(retries: int = 3, batch: SqsEvent = None, *, context: Context) -> Any:  # type: ignore[assignment]
        return retries, type(batch).__name__, context

    @on_sqs_batch("q")
    def by_place(retries: int = 3, batch: SqsEvent = None, /) -> Any:  # type: ignore[assignment]
        return retries, type(batch).__name__

    wire = events.sqs_event("a").to_wire()
    assert call(anywhere, wire) == (3, "SqsEvent", CONTEXT)
    assert call(by_place, wire) == (3, "SqsEvent")


def mistakes(handler: Callable[..., Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        App([handler]).freeze(Environment())
    return [str(problem) for problem in caught.value.problems]


def test_an_event_of_another_source_is_a_mistake() -> None:
    @on_sqs("q")
    def handler(event: S3Event) -> None: ...

    [problem] = mistakes(handler)
    assert "parameter 'event': S3Event is not what this source gives" in problem
    assert "SqsRecord" in problem


def test_batches_have_no_payload_of_their_own() -> None:
    @on_sqs_batch("q")
    def handler(order: Order) -> None: ...

    [problem] = mistakes(handler)
    offers = "(SqsEvent, a list of what a single record can be, dict, or Context)"
    assert f"Order cannot be made from this source's events {offers}" in problem


def test_a_batch_is_a_list_of_what_a_record_can_be() -> None:
    @on_sqs_batch("q")
    def orders(items: list[Order], batch: SqsEvent) -> Any:
        return items, len(batch.records)

    @on_sqs_batch("q")
    def texts(items: list[str], context: Context) -> Any:
        return items

    @on_sqs_batch("q")
    def records(items: list[SqsRecord[Order]]) -> Any:
        return [item.payload.id for item in items]

    @on_sqs_batch("q")
    def raw(items: list[dict[str, Any]]) -> Any:
        return [item["body"] for item in items]

    bodies = ['{"id": "1", "total": 1}', '{"id": "2", "total": 2}']
    wire = events.sqs_event(*bodies).to_wire()
    event = BatchEvent(SQS, SQS.records(wire), UNKNOWN_IDENTITY)
    for subject in (event, wire):  # read from a queue, and through the Invoke API
        assert call(orders, subject) == ([Order(id="1", total=1), Order(id="2", total=2)], 2)
        assert call(texts, subject) == bodies
        assert call(records, subject) == ["1", "2"]
        assert call(raw, subject) == bodies


def test_a_record_of_a_batch_that_does_not_validate_is_named() -> None:
    @on_sqs_batch("q")
    def orders(items: list[Order]) -> None: ...

    event = BatchEvent(SQS, [record('{"id": "1"}')], UNKNOWN_IDENTITY)
    with pytest.raises(EventValidationError, match=r"the sqs record m-1 is not valid: total: Field required"):
        call(orders, event)


def test_a_record_of_a_batch_that_nobody_can_read_is_named() -> None:
    @on_kafka_batch("q")
    def values(items: list[bytes]) -> Any:
        return items

    read = {"topic": "q", "partition": 0, "timestampType": "CREATE_TIME", "headers": ()}
    sound = StreamRecord("q-0", 7, None, b"{}", 0, read)
    unreadable = StreamRecord("q-0", 8, None, b"{}", 0, read | {"problem": "the registry has no schema 9"})
    assert call(values, BatchEvent(KAFKA, [sound, sound], UNKNOWN_IDENTITY)) == [b"{}", b"{}"]
    named = r"the Kafka record \{'partition': 'q-0', 'offset': 8\} is not valid: the registry has no schema 9"
    with pytest.raises(EventValidationError, match=named):
        call(values, BatchEvent(KAFKA, [sound, unreadable], UNKNOWN_IDENTITY))


def test_a_hand_written_event_without_records_is_an_invalid_event() -> None:
    @on_sqs_batch("q")
    def orders(items: list[Order]) -> None: ...

    with pytest.raises(EventValidationError, match="the event"):
        call(orders, {"Records": [{}]})


def test_an_event_of_a_batch_is_only_built_for_those_who_look() -> None:
    @on_sqs_batch("q")
    def texts(items: list[str]) -> Any:
        return items

    class Unwritten(SqsCodec):
        def wire_event(self, records: Any, identity: Any) -> Any:
            raise AssertionError("nobody asked for it")

    assert call(texts, BatchEvent(Unwritten(), [record("a")], UNKNOWN_IDENTITY)) == ["a"]
    event = BatchEvent(SQS, [record("a")], UNKNOWN_IDENTITY, {"window": {}})
    assert dict(event) == event.wire() == {"Records": [event["Records"][0]], "window": {}}
    assert len(event) == 2


@pytest.mark.parametrize("annotation", [list[Iterator[int]], list[SqsEvent], list[S3Event], set[str], list])
def test_a_list_of_what_no_record_can_be_is_a_mistake(annotation: Any) -> None:
    def handler(items: Any) -> None: ...

    handler.__annotations__["items"] = annotation
    [problem] = mistakes(on_sqs_batch("q")(handler))
    assert "cannot be made from this source's events" in problem


def test_variadic_parameters_are_a_mistake() -> None:
    @on_kafka("topic")
    def handler(record: KafkaRecord, *rest: int) -> None: ...

    [problem] = mistakes(handler)
    assert "*args and **kwargs cannot be filled" in problem


def test_an_annotation_that_does_not_resolve_is_a_mistake() -> None:
    @on_sqs("q")
    def handler(order: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    [problem] = mistakes(handler)
    assert "its signature cannot be read: name 'Missing' is not defined" in problem


def test_two_models_for_one_body_are_a_mistake() -> None:
    @on_http("POST /")
    def handler(order: Order, other: Order) -> None: ...

    [problem] = mistakes(handler)
    assert "parameters 'order' and 'other' both take the request body" in problem


def test_lambdas_two_arguments_are_told_apart_from_path_parameters() -> None:
    @on_http("GET /orders/{id}")
    def by_name(id, event, context):  # type: ignore[no-untyped-def]
        return id, event, context

    @on_http("GET /orders/{id}")
    def by_place(id, request, ctx):  # type: ignore[no-untyped-def]
        return id, request, ctx

    subject = request({"id": "1"})
    for handler in (by_name, by_place):
        id_, event, context = call(handler, subject)
        assert (id_, event["pathParameters"], context) == ("1", {"id": "1"}, CONTEXT)


def test_an_unannotated_event_behind_the_context_is_the_event() -> None:
    @on_sns("t")
    def handler(context, event):  # type: ignore[no-untyped-def]
        return context, event

    assert call(handler, {"a": 1}) == (CONTEXT, {"a": 1})


def test_a_third_unannotated_parameter_is_refused() -> None:
    @on_sns("t")
    def handler(event, context, extra):  # type: ignore[no-untyped-def]
        return extra

    [mistake] = mistakes(handler)
    assert "parameter 'extra': has no annotation, and is neither the event nor the context" in mistake


def test_a_generator_is_refused_because_calling_it_would_run_nothing() -> None:
    @on_sqs("q")
    async def asynchronous(message: str) -> AsyncIterator[int]:
        yield 1

    @on_sqs("q")
    def plain(message: str) -> Iterator[int]:
        yield 1

    for handler in (asynchronous, plain):
        [mistake] = mistakes(handler)
        assert "is a generator: only function URLs" in mistake


def test_a_get_request_has_no_body_to_fill_a_parameter_from() -> None:
    @on_http("GET /orders")
    def wrong(limit: int) -> None: ...

    @on_http("GET /orders")
    @on_http("POST /orders")
    def either(order: Order | None = None) -> Any:
        return order

    [mistake] = mistakes(wrong)
    assert "parameter 'limit': would be the body, and a GET request has none" in mistake
    endpoints = App([either]).freeze(Environment()).routes
    assert [found.endpoint.call(request(body=b'{"id": "1", "total": 2}'), CONTEXT) for found in endpoints] == [
        None,
        Order(id="1", total=2),
    ]


def test_a_path_parameter_of_a_type_that_nothing_can_become_is_refused() -> None:
    class Opaque: ...

    def handler(id: Any) -> None: ...

    handler.__annotations__["id"] = Opaque
    [mistake] = mistakes(on_http("GET /orders/{id}")(handler))
    assert "parameter 'id': no path parameter can become" in mistake


def test_a_class_is_no_handler() -> None:
    with pytest.raises(ConfigurationError, match="which is not a function"):

        @on_sqs("q")
        class Handler: ...

"""What Lambda's runtime gets from the handler: values it can write, and errors under their own names."""

from __future__ import annotations

import asyncio
import json
import threading
import traceback
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, Field

from eventflow import (
    Context,
    HttpEvent,
    KinesisRecord,
    SqsEvent,
    SqsRecord,
    function,
    on_http,
    on_kinesis,
    on_mq,
    on_sqs,
    on_sqs_batch,
    to_sqs,
)
from eventflow.model.invocation import Invocation
from eventflow.model.outcome import Outcome, Succeeded, Throttled, ThrottleReason
from eventflow.plan.plan import InvocationHandler
from tests.aws_lambda.lambda_context import ARN, LambdaContext, handler_of, request, sample
from tests.runtime import isolated_app

CONTEXT = LambdaContext()


class Order(BaseModel):
    order_id: str = Field(alias="orderId")
    total: float = 0


@dataclass
class Report:
    orders: list[Order]


def messages(*bodies: str, group: str | None = None) -> dict[str, Any]:
    [record] = sample("sqs/without_attribute_md5")["Records"]
    attributes = {**record["attributes"], **({"MessageGroupId": group} if group else {})}
    return {
        "Records": [
            {**record, "messageId": f"m-{body}", "body": body, "attributes": attributes, "md5OfBody": body}
            for body in bodies
        ]
    }


# Values


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        ("text", "text"),
        ({"a": [1, (2, 3)]}, {"a": [1, [2, 3]]}),
        (Order(orderId="1"), {"orderId": "1", "total": 0}),
        ([Order(orderId="1")], [{"orderId": "1", "total": 0}]),
        ({"report": Report([Order(orderId="1")])}, {"report": {"orders": [{"orderId": "1", "total": 0}]}}),
    ],
)
def test_results_are_values_that_lambdas_runtime_can_write(value: Any, written: Any) -> None:
    @function
    async def answer() -> Any:
        return value

    with handler_of(answer) as handler:
        assert json.loads(json.dumps(handler({}, CONTEXT))) == written


def test_what_json_cannot_hold_is_left_for_lambdas_runtime_to_refuse() -> None:
    @function
    async def answer() -> Any:
        return {"set": {1}}

    with handler_of(answer) as handler:
        assert handler({}, CONTEXT) == {"set": {1}}


def test_an_http_result_is_written_out_where_gateways_disagree() -> None:
    @on_http("POST /orders")
    async def create(order: Order) -> dict[str, Any]:
        return {"statusCode": 201, "body": {"id": order.order_id}, "cookies": ["a=b"]}

    with handler_of(create) as handler:
        answer = handler(request("POST", "/orders", body='{"orderId": "1"}'), CONTEXT)
    assert answer == {
        "statusCode": 201,
        "body": '{"id":"1"}',
        "cookies": ["a=b"],
        "headers": {"content-type": "application/json"},
    }


def test_an_http_result_without_a_status_is_left_to_the_gateway() -> None:
    @on_http("GET /orders")
    async def orders(event: HttpEvent) -> list[Order]:
        return [Order(orderId=event.raw_path)]

    with handler_of(orders) as handler:
        assert handler(request("GET", "/orders"), CONTEXT) == [{"orderId": "/orders", "total": 0}]


def test_a_request_body_that_does_not_validate_is_answered_with_400_as_serve_does() -> None:
    @on_http("POST /orders")
    async def create(order: Order) -> None: ...

    with handler_of(create) as handler:
        answer = handler(request("POST", "/orders", body="{}"), CONTEXT)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"]) == {
        "message": "Invalid request body",
        "errors": [{"location": "orderId", "message": "Field required"}],
    }


# Errors


def test_an_error_is_raised_as_it_was_and_lambda_sees_the_users_frames_only() -> None:
    @function
    async def fail() -> None:
        raise LookupError("no such order")

    with handler_of(fail) as handler, pytest.raises(LookupError, match="no such order") as raised:
        handler({}, CONTEXT)
    frames = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
    ours = [name for name in frames if "/eventflow/" in name]
    assert all(name.endswith("/bootstrap.py") for name in ours), (
        "awslambdaric leaves out leading frames of bootstrap.py"
    )
    assert frames[-1] == __file__


def test_an_error_of_a_plain_handler_is_raised_the_same_way() -> None:
    @function
    def fail() -> None:
        raise LookupError("no such order")

    with handler_of(fail) as handler, pytest.raises(LookupError) as raised:
        handler({}, CONTEXT)
    frames = [frame.filename for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert not [name for name in frames if "threads.py" in name or "concurrent" in name]


def test_a_handler_that_exits_ends_the_process() -> None:
    @function
    async def leave() -> None:
        raise SystemExit(3)

    with handler_of(leave) as handler, pytest.raises(SystemExit) as raised:
        handler({}, CONTEXT)
    assert raised.value.code == 3


def test_an_event_that_does_not_validate_is_a_function_error() -> None:
    @function
    async def take(order: Order) -> None: ...

    with handler_of(take) as handler, pytest.raises(Exception, match="orderId: Field required") as raised:
        handler({}, CONTEXT)
    assert type(raised.value).__name__ == "EventValidationError"


def test_the_functions_own_timeout_applies_where_it_is_shorter_than_lambdas() -> None:
    @function(timeout_seconds=1)
    async def wait() -> None:
        await asyncio.Event().wait()

    with handler_of(wait) as handler, pytest.raises(Exception, match=r"Task timed out after 1\.00 seconds") as raised:
        handler({}, CONTEXT)
    assert type(raised.value).__name__ == "Sandbox.Timedout"


def test_lambdas_deadline_is_what_the_context_counts_down_to() -> None:
    remaining: list[int] = []

    @function(timeout_seconds=60)
    async def look(event: dict[str, Any], context: Context) -> None:
        remaining.append(context.get_remaining_time_in_millis())

    with handler_of(look) as handler:
        handler({}, LambdaContext(remaining_milliseconds=40_000))
        handler({}, LambdaContext(remaining_milliseconds=900_000))
    assert 0 < remaining[0] <= 40_000
    assert 40_000 < remaining[1] <= 60_000


# Records


def test_a_per_record_handler_answers_with_the_messages_that_failed() -> None:
    @on_sqs("orders")
    async def fulfil(order: Order) -> None:
        if order.total < 0:
            raise ValueError("negative")

    with handler_of(fulfil) as handler:
        event = messages('{"orderId": "1"}', '{"orderId": "2", "total": -1}', "no JSON")
        failures = handler(event, CONTEXT)["batchItemFailures"]
    assert [item["itemIdentifier"] for item in failures] == ['m-{"orderId": "2", "total": -1}', "m-no JSON"]


def test_the_rest_of_a_fifo_group_goes_back_with_its_first_failure() -> None:
    seen: list[str] = []

    @on_sqs("orders.fifo")
    async def fulfil(body: str) -> None:
        seen.append(body)
        if body == "b":
            raise ValueError

    event = messages("a", "b", "c", group="one")
    event["Records"] += messages("x", group="two")["Records"]
    with handler_of(fulfil) as handler:
        failures = handler(event, CONTEXT)["batchItemFailures"]
    assert [item["itemIdentifier"] for item in failures] == ["m-b", "m-c"]
    assert seen == ["a", "b", "x"]


def test_a_stream_is_repeated_from_its_first_failure() -> None:
    event = sample("kinesis/batch")
    numbers = [record["kinesis"]["sequenceNumber"] for record in event["Records"]]

    @on_kinesis("clicks")
    async def click(record: KinesisRecord) -> None:
        if record.kinesis.sequence_number == numbers[1]:
            raise ValueError

    with handler_of(click) as handler:
        failures = handler(event, CONTEXT)["batchItemFailures"]
    assert failures[0] == {"itemIdentifier": numbers[1]}
    assert numbers[0] not in [item["itemIdentifier"] for item in failures]


def test_a_source_without_partial_responses_gets_the_error() -> None:
    @on_mq("pizzaQueue", engine="rabbitmq")
    async def bake(body: bytes) -> None:
        raise ValueError("burnt")

    with handler_of(bake) as handler, pytest.raises(ValueError, match="burnt"):
        handler(sample("rabbitmq/default_virtual_host"), CONTEXT)


def test_raw_records_are_handed_over_as_they_are() -> None:
    seen: list[dict[str, Any]] = []

    @on_sqs("orders")
    async def look(record: dict[str, Any]) -> None:
        seen.append(record)

    event = messages("a", "b")
    event["Records"][1]["md5OfMessageAttributes"] = "from SQS"
    event["Records"][1]["newOfLate"] = True
    with handler_of(look) as handler:
        handler(event, CONTEXT)
    assert seen == event["Records"]


def test_records_name_the_source_that_their_event_names() -> None:
    arns: list[str] = []

    @on_sqs("orders")
    async def look(record: SqsRecord) -> None:
        arns.append(record.event_source_arn)

    with handler_of(look) as handler:
        handler(messages("a"), CONTEXT)
        other = messages("b")
        other["Records"][0]["eventSourceARN"] = "arn:aws:sqs:eu-west-1:1:other"
        handler(other, CONTEXT)
    assert arns[0] == messages("a")["Records"][0]["eventSourceARN"]
    assert arns[1] == "arn:aws:sqs:eu-west-1:1:other"


def test_a_batch_handlers_answer_is_handed_on_and_nothing_is_filtered_twice() -> None:
    @on_sqs_batch("orders", filters=[{"body": {"kind": ["none has it"]}}], report_batch_item_failures=True)
    async def fulfil(batch: SqsEvent) -> dict[str, Any]:
        return {"batchItemFailures": [{"itemIdentifier": record.message_id} for record in batch.records]}

    with handler_of(fulfil) as handler:
        answer = handler(messages("a", "b"), CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m-a"}, {"itemIdentifier": "m-b"}]}


# The context, middleware, and where handlers run


def test_everything_of_lambdas_context_reaches_the_handlers() -> None:
    seen: list[Context] = []

    @function
    async def look(event: dict[str, Any], context: Context) -> None:
        context.log("seen")
        seen.append(context)

    client = SimpleNamespace(installation_id="i", app_title="t")
    given = LambdaContext(
        client_context=SimpleNamespace(custom={"a": "b"}, env={"c": "d"}, client=client),
        identity=SimpleNamespace(cognito_identity_id="id", cognito_identity_pool_id="pool"),
        tenant_id="blue",
        traceparent="00-1-2-03",
    )
    with handler_of(look) as handler:
        handler({}, given)
    [context] = seen
    for name in ("aws_request_id", "function_name", "function_version", "memory_limit_in_mb", "log_group_name"):
        assert getattr(context, name) == getattr(given, name)
    assert context.log_stream_name == given.log_stream_name
    assert context.invoked_function_arn == f"{ARN}:live"
    assert context.identity.cognito_identity_pool_id == "pool"
    assert context.tenant_id == "blue"
    assert context.client_context is not None
    assert context.client_context.client is not None
    assert (context.client_context.custom, context.client_context.client.app_title) == ({"a": "b"}, "t")
    assert context.w3c() == {"traceparent": "00-1-2-03"}
    assert given.logged == ["seen"]


def test_middleware_wraps_the_handler_and_may_refuse_a_request() -> None:
    def uppercase(handler: InvocationHandler) -> InvocationHandler:
        async def call(invocation: Invocation) -> Outcome:
            outcome = await handler(invocation)
            return Succeeded(outcome.value.upper()) if isinstance(outcome, Succeeded) else outcome

        return call

    def refuse(handler: InvocationHandler) -> InvocationHandler:
        async def call(invocation: Invocation) -> Outcome:
            return Throttled(ThrottleReason.FUNCTION)

        return call

    @on_http("GET /")
    async def hello() -> str:
        return "hello"

    with handler_of(hello, middleware=[uppercase]) as handler:
        assert handler(request("GET", "/"), CONTEXT) == "HELLO"
    with handler_of(hello, middleware=[refuse]) as handler:
        assert handler(request("GET", "/"), CONTEXT)["statusCode"] == 429


def test_a_plain_handler_runs_beside_the_loop_so_that_it_may_run_one_of_its_own() -> None:
    @function
    def outer() -> int:
        async def inner() -> int:
            return threading.get_ident()

        return asyncio.run(inner())

    with handler_of(outer) as handler:
        assert handler({}, CONTEXT) != threading.get_ident()


def test_warm_invocations_share_one_loop_and_what_runs_on_it() -> None:
    loops: list[asyncio.AbstractEventLoop] = []
    kept: list[asyncio.Task[str]] = []

    async def background() -> str:
        await asyncio.sleep(0)
        return "done in a later invocation"

    @function
    async def keep() -> str | None:
        loops.append(asyncio.get_running_loop())
        if not kept:
            kept.append(asyncio.create_task(background()))
            return None
        return await kept[0]

    with handler_of(keep) as handler:
        assert handler({}, CONTEXT) is None
        assert handler({}, CONTEXT) == "done in a later invocation"
    assert loops[0] is loops[1]


def test_a_handler_that_stops_the_loop_stops_nothing() -> None:
    @function
    async def stop() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return "finished"

    with handler_of(stop) as handler:
        assert handler({}, CONTEXT) == "finished"


def test_an_isolated_function_runs_in_a_process_of_its_own() -> None:
    with handler_of(isolated_app.order, isolated_app.fail) as handler:
        event = request("GET", "/orders/7", route_key="GET /orders/{id}", pathParameters={"id": "7"})
        assert handler(event, CONTEXT) == {"id": 7, "path": "/orders/7", "query": {"q": "1,2"}}
        with pytest.raises(Exception, match="x") as raised:
            handler({"for": "the one without a source"}, CONTEXT)
    assert type(raised.value).__name__ == "ValueError"


def test_reserved_concurrency_and_destinations_are_lambdas_business() -> None:
    @function(reserved_concurrency=0, on_success=to_sqs("results"))
    async def answer() -> str:
        return "ran"

    with handler_of(answer) as handler:
        assert handler({}, CONTEXT) == "ran"

"""Handlers of the same two events for AWS Lambda, each as somebody would write it.

Nothing is imported before it is asked for: a cold start pays for one of them only.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, TypeAlias

Handler: TypeAlias = Callable[[Any, Any], Any]

ORDER: Final = '{"id": "1", "total": 9.5}'
MESSAGES: Final = 10


class LambdaContext:
    """What Lambda's runtime passes."""

    aws_request_id = "8d0f1a2b-0000-4000-a000-000000000001"
    function_name = "orders"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
    memory_limit_in_mb = "128"
    log_group_name = "/aws/lambda/orders"
    log_stream_name = "2026/01/01/[$LATEST]0"
    client_context = None
    identity = None
    tenant_id = None

    def get_remaining_time_in_millis(self) -> int:
        return 3_000


def http_event() -> dict[str, Any]:
    """A request as an HTTP API sends it."""
    return {
        "version": "2.0",
        "routeKey": "POST /orders",
        "rawPath": "/orders",
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "api.example.com", "user-agent": "curl/8"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": "POST",
                "path": "/orders",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "curl/8",
            },
            "requestId": "abc",
            "routeKey": "POST /orders",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1767225600000,
        },
        "body": ORDER,
        "isBase64Encoded": False,
    }


def sqs_event() -> dict[str, Any]:
    """A batch of messages."""
    return {
        "Records": [
            {
                "messageId": str(number),
                "receiptHandle": "r",
                "body": ORDER,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1767225600000",
                    "SenderId": "AIDA",
                    "ApproximateFirstReceiveTimestamp": "1767225600000",
                },
                "messageAttributes": {},
                "md5OfBody": "0",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
                "awsRegion": "eu-west-1",
            }
            for number in range(MESSAGES)
        ]
    }


def bare_http() -> Handler:
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        order = json.loads(event["body"])
        return {"statusCode": 201, "headers": {"content-type": "application/json"}, "body": json.dumps(order)}

    return handler


def eventflow_http() -> Handler:
    """The body is a validated model."""
    from pydantic import BaseModel

    from eventflow import on_http

    class Order(BaseModel):
        id: str
        total: float

    async def create_order(order: Order) -> dict[str, Any]:
        return {"statusCode": 201, "body": order.model_dump_json()}

    create_order.__annotations__["order"] = Order
    return _eventflow(on_http("POST /orders")(create_order))


def eventflow_http_raw() -> Handler:
    from eventflow import on_http

    @on_http("POST /orders")
    async def create_order(event: dict) -> dict:  # type: ignore[type-arg]
        return {"statusCode": 201, "body": json.dumps(json.loads(event["body"]))}

    return _eventflow(create_order)


def eventflow_http_plain() -> Handler:
    """A ``def`` handler: a thread."""
    from eventflow import on_http

    @on_http("POST /orders")
    def create_order(event: dict) -> dict:  # type: ignore[type-arg]
        return {"statusCode": 201, "body": json.dumps(json.loads(event["body"]))}

    return _eventflow(create_order)


def mangum_http() -> Handler:
    import asyncio

    from mangum import Mangum

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps(json.loads((await receive())["body"])).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    asyncio.set_event_loop(asyncio.new_event_loop())  # it takes the current one, of which there is none by itself
    handler: Handler = Mangum(app, lifespan="off")
    return handler


def powertools_http() -> Handler:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

    app = APIGatewayHttpResolver()

    @app.post("/orders")
    def create_order() -> tuple[Any, int]:
        return app.current_event.json_body, 201

    return lambda event, context: app.resolve(event, context)


def powertools_http_validated() -> Handler:
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
    from pydantic import BaseModel

    class Order(BaseModel):
        id: str
        total: float

    app = APIGatewayHttpResolver(enable_validation=True)

    def create_order(order: Order) -> tuple[Order, int]:
        return order, 201

    create_order.__annotations__ = {"order": Order, "return": tuple[Order, int]}
    app.post("/orders")(create_order)
    return lambda event, context: app.resolve(event, context)


def bare_sqs() -> Handler:
    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        failed = []
        for record in event["Records"]:
            try:
                json.loads(record["body"])
            except Exception:  # noqa: BLE001 (what a hand-written loop does)
                failed.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failed}

    return handler


def eventflow_sqs() -> Handler:
    from eventflow import on_sqs

    @on_sqs("orders")
    async def expedite(order: dict) -> None:  # type: ignore[type-arg]
        json.loads(order["body"])

    return _eventflow(expedite)


def eventflow_sqs_typed() -> Handler:
    from pydantic import BaseModel

    from eventflow import on_sqs

    class Order(BaseModel):
        id: str
        total: float

    async def expedite(order: Order) -> None: ...

    expedite.__annotations__["order"] = Order
    return _eventflow(on_sqs("orders")(expedite))


def powertools_sqs() -> Handler:
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    processor = BatchProcessor(event_type=EventType.SQS)

    def expedite(record: Any) -> None:
        json.loads(record.body)

    return lambda event, context: process_partial_response(
        event=event, record_handler=expedite, processor=processor, context=context
    )


def _eventflow(function: Any) -> Handler:
    from eventflow import App
    from eventflow.aws_lambda import LambdaHandler

    return LambdaHandler(App([function]).freeze())

"""Requests of every front inside Lambda: bound, told apart and answered in the front's own shape."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from eventflow import (
    AlbEvent,
    HttpEvent,
    HttpPrelude,
    RestEvent,
    function,
    http_authorizer,
    on_alb,
    on_function_url,
    on_http,
    on_rest,
    rest_authorizer,
)
from eventflow.aws_lambda.dispatch import EventDispatchError
from eventflow.model.invocation import Invocation
from eventflow.model.outcome import Outcome, Throttled, ThrottleReason
from eventflow.plan.plan import InvocationHandler
from tests.aws_lambda.lambda_context import LambdaContext, handler_of, named, request, sample

CONTEXT = LambdaContext()


class Order(BaseModel):
    id: str


def version_1(method: str, path: str, *, resource: str, **fields: Any) -> Any:
    """A request of an HTTP API in payload format 1.0."""
    wire = sample("http_v1/unauthorised_smallest")
    return {**wire, "httpMethod": method, "path": path, "resource": resource, "body": None,
            "isBase64Encoded": False, **fields}  # fmt: skip


def rest(method: str, path: str, *, resource: str, **fields: Any) -> Any:
    """A request of a REST API."""
    wire = sample("rest/smallest")
    return {**wire, "httpMethod": method, "path": path, "resource": resource, "pathParameters": None, **fields}


def alb(method: str, path: str, **fields: Any) -> Any:
    """A request through a load balancer."""
    return {**sample("alb/smallest"), "httpMethod": method, "path": path, **fields}


# Payload format 1.0


@on_http("GET /orders/{id}", payload_format_version="1.0")
async def get_order(id: str, event: RestEvent) -> dict[str, Any]:
    return {"statusCode": 200, "body": {"id": id, "resource": event.resource, "path": event.path}}


@on_http("POST /orders", payload_format_version="1.0")
async def post_order(order: Order) -> dict[str, Any]:
    return {"statusCode": 201, "body": order.id, "multiValueHeaders": {"Content-Type": ["text/plain"]}}


def test_payload_format_1_0_is_routed_by_its_resource() -> None:
    with handler_of(get_order, post_order) as handler:
        event = version_1("GET", "/orders/7", resource="/orders/{id}", pathParameters={"id": "7"})
        answer = handler(event, CONTEXT)
        assert json.loads(answer["body"]) == {"id": "7", "resource": "/orders/{id}", "path": "/orders/7"}
        assert answer["headers"] == {"content-type": "application/json"}
        posted = handler(version_1("POST", "/orders", resource="/orders", body='{"id": "8"}'), CONTEXT)
    assert posted == {"statusCode": 201, "body": "8", "multiValueHeaders": {"Content-Type": ["text/plain"]}}


@pytest.mark.parametrize("resource", ["$default", "/{proxy+}"])
def test_payload_format_1_0_behind_one_route_for_everything(resource: str) -> None:
    with handler_of(get_order, post_order) as handler:
        answer = handler(version_1("GET", "/orders/a%20b", resource=resource), CONTEXT)
        assert json.loads(answer["body"])["id"] == "a b"
        assert json.loads(answer["body"])["resource"] == "/orders/{id}"
        assert handler(version_1("GET", "/nowhere", resource=resource), CONTEXT)["statusCode"] == 404


def test_a_body_in_payload_format_1_0_that_does_not_validate_is_answered_with_400() -> None:
    with handler_of(post_order) as handler:
        answer = handler(version_1("POST", "/orders", resource="/orders", body="{}"), CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])["message"]) == (400, "Invalid request body")


def test_the_path_decides_where_the_gateway_knows_only_a_route_for_everything_that_the_app_has_too() -> None:
    functions = named("rest", on_http("$default")), named("orders", on_http("GET /orders/{id}"))
    with handler_of(*functions) as handler:
        assert handler(request("GET", "/orders/1"), CONTEXT) == "orders"
        assert handler(request("GET", "/other"), CONTEXT) == "rest"


# REST APIs


@on_rest("GET /orders/{id}")
async def rest_get(id: str, event: RestEvent) -> dict[str, Any]:
    return {"statusCode": 200, "body": f"{id} {event.resource}"}


@on_rest("ANY /files/{path+}")
async def rest_files(path: str) -> dict[str, Any]:
    return {"statusCode": 200, "body": path}


def test_a_rest_apis_requests_are_routed_by_their_resource() -> None:
    with handler_of(rest_get, rest_files) as handler:
        event = rest("GET", "/orders/7", resource="/orders/{id}", pathParameters={"id": "7"})
        assert handler(event, CONTEXT) == {"statusCode": 200, "body": "7 /orders/{id}"}
        event = rest("PUT", "/files/a/b", resource="/files/{path+}", pathParameters={"path": "a/b"})
        assert handler(event, CONTEXT) == {"statusCode": 200, "body": "a/b"}


def test_a_rest_api_with_one_resource_for_everything() -> None:
    with handler_of(rest_get, rest_files) as handler:
        assert handler(rest("GET", "/orders/7/", resource="/{proxy+}"), CONTEXT)["body"] == "7 /orders/{id}"
        assert handler(rest("PUT", "/files/a/b", resource="/{proxy+}"), CONTEXT)["body"] == "a/b"
        refused = handler(rest("POST", "/orders/7", resource="/{proxy+}"), CONTEXT)
    assert (refused["statusCode"], refused["body"]) == (403, '{"message":"Missing Authentication Token"}')


def test_a_rest_response_is_the_handlers_own_though_the_api_refuses_it() -> None:
    @on_rest("GET /")
    async def loose() -> dict[str, Any]:
        return {"statusCode": 200, "body": {"no": "text"}}

    with handler_of(loose) as handler:
        answer = handler(rest("GET", "/", resource="/"), CONTEXT)
    assert answer == {"statusCode": 200, "body": {"no": "text"}}, "a 502, in serve as in AWS"


# Load balancers


def test_a_load_balancers_rules_are_told_apart() -> None:
    functions = [
        named("default", on_alb()),
        named("api", on_alb("/api/*", priority=2)),
        named("writes", on_alb("/api/*", http_request_method="POST", priority=1)),
        named("inner", on_alb(source_ip="10.0.0.0/8", priority=3)),
        named("query", on_alb(query_string={"v": "2"}, priority=4)),
    ]
    inner = {"host": "h", "x-forwarded-for": "1.2.3.4, 10.1.1.1"}
    with handler_of(*functions) as handler:
        assert handler(alb("GET", "/api/x"), CONTEXT) == "api"
        assert handler(alb("POST", "/api/x"), CONTEXT) == "writes"
        assert handler(alb("GET", "/", headers=inner), CONTEXT) == "inner"
        assert handler(alb("GET", "/", queryStringParameters={"v": "2"}), CONTEXT) == "query"
        assert handler(alb("GET", "/else"), CONTEXT) == "default"


def test_one_rule_gets_whatever_its_load_balancer_sends() -> None:
    with handler_of(named("api", on_alb("/api/*"))) as handler:
        assert handler(alb("GET", "/v2/x"), CONTEXT) == "api"


def test_a_request_that_no_rule_takes_is_the_load_balancers_404() -> None:
    with handler_of(named("a", on_alb("/a")), named("b", on_alb("/b"))) as handler:
        answer = handler(alb("GET", "/c"), CONTEXT)
        assert (answer["statusCode"], answer["headers"]) == (404, {"content-type": "text/html"})
        several = {**sample("alb/multi_value_headers"), "path": "/c"}
        assert handler(several, CONTEXT)["multiValueHeaders"] == {"content-type": ["text/html"]}


def test_a_load_balancers_body_that_does_not_validate_is_answered_in_its_shape() -> None:
    @on_alb(multi_value_headers=True)
    async def create(order: Order, event: AlbEvent) -> dict[str, Any]:
        return {"statusCode": 200, "body": event.path}

    event = {**sample("alb/multi_value_headers"), "body": "{}", "isBase64Encoded": False}
    with handler_of(create) as handler:
        answer = handler(event, CONTEXT)
        assert answer["statusCode"] == 400
        assert answer["multiValueHeaders"] == {"content-type": ["application/json"]}
        assert handler({**event, "body": '{"id": "1"}'}, CONTEXT) == {"statusCode": 200, "body": "/lambda"}


@pytest.mark.parametrize(
    ("decorate", "event", "status"),
    [
        (on_http("GET /"), request("GET", "/"), 429),
        (on_http("GET /", payload_format_version="1.0"), version_1("GET", "/", resource="/"), 429),
        (on_rest("GET /"), rest("GET", "/", resource="/"), 429),
        (on_alb(), alb("GET", "/"), 502),
        (on_function_url(), sample("function_url/anonymous_get"), 429),
    ],
    ids=["2.0", "1.0", "rest", "alb", "url"],
)
def test_middleware_that_throttles_is_answered_as_each_front_does(decorate: Any, event: Any, status: int) -> None:
    def refuse(_: InvocationHandler) -> InvocationHandler:
        async def refused(invocation: Invocation) -> Outcome:
            return Throttled(ThrottleReason.FUNCTION)

        return refused

    with handler_of(named("any", decorate), middleware=[refuse]) as handler:
        assert handler(event, CONTEXT)["statusCode"] == status


# Function URLs


def url(body: str | None = None) -> Any:
    return {**sample("function_url/anonymous_get"), **({} if body is None else {"body": body})}


def test_a_function_url_binds_and_answers_as_payload_format_2_0() -> None:
    @on_function_url()
    async def create(order: Order, event: HttpEvent) -> dict[str, Any]:
        return {"statusCode": 201, "body": {"id": order.id, "path": event.raw_path}}

    with handler_of(create) as handler:
        answer = handler(url('{"id": "1"}'), CONTEXT)
        assert (json.loads(answer["body"]), answer["headers"]["content-type"]) == (
            {"id": "1", "path": "/"},
            "application/json",
        )
        assert handler(url("{}"), CONTEXT)["statusCode"] == 400


def test_several_functions_with_urls_need_to_be_named() -> None:
    functions = named("one", on_function_url()), named("two", on_function_url())
    with (
        handler_of(*functions) as handler,
        pytest.raises(EventDispatchError, match=r"2 triggers ask for this event of function_url; .*\(one, two\)"),
    ):
        handler(url(), CONTEXT)
    with handler_of(*functions, function_name="two") as handler:
        assert handler(url(), CONTEXT) == "two"


def test_routes_of_an_http_api_may_have_a_function_url_before_them() -> None:
    with handler_of(named("root", on_http("GET /")), named("orders", on_http("GET /orders"))) as handler:
        assert handler(url(), CONTEXT) == "root"
        assert handler({**url(), "rawPath": "/orders"}, CONTEXT) == "orders"


def test_fronts_of_several_kinds_do_not_mix() -> None:
    functions = [
        named("http", on_http("GET /a")),
        named("old", on_http("GET /b", payload_format_version="1.0")),
        named("rest", on_rest("GET /c")),
        named("url", on_function_url()),
        named("alb", on_alb()),
    ]
    with handler_of(*functions) as handler:
        assert handler(request("GET", "/a"), CONTEXT) == "http"
        assert handler(version_1("GET", "/b", resource="/b"), CONTEXT) == "old"
        assert handler(rest("GET", "/c", resource="/c"), CONTEXT) == "rest"
        assert handler(url(), CONTEXT) == "url"
        assert handler(alb("GET", "/a"), CONTEXT) == "alb"


def test_an_event_of_no_source_is_a_mistake_of_the_request_that_the_named_function_wanted() -> None:
    @on_http("GET /orders/{id}")
    async def get(id: str) -> None: ...

    with handler_of(get, function_name="get") as handler:
        answer = handler({"a": "test event"}, CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])["message"]) == (400, "Invalid path parameter 'id'")


# Streams: Lambda's Python runtime sends them whole


def test_a_streamed_response_is_sent_whole() -> None:
    @on_function_url(invoke_mode="RESPONSE_STREAM")
    async def chat(event: HttpEvent) -> AsyncIterator[HttpPrelude | str]:
        yield HttpPrelude(201, {"Content-Type": "text/event-stream"}, ["a=b"])
        yield "data: 1\n\n"
        yield "data: 2\n\n"

    with handler_of(chat) as handler:
        assert handler(url(), CONTEXT) == {
            "statusCode": 201,
            "headers": {"Content-Type": "text/event-stream"},
            "cookies": ["a=b"],
            "body": "data: 1\n\ndata: 2\n\n",
            "isBase64Encoded": False,
        }


def test_a_streamed_response_of_bytes_is_base64() -> None:
    @on_function_url(invoke_mode="RESPONSE_STREAM")
    def picture() -> Iterator[bytes]:
        yield b"\x89PNG"
        yield b"\xff"

    with handler_of(picture) as handler:
        answer = handler(url(), CONTEXT)
    assert (answer["statusCode"], answer["headers"]) == (200, {"content-type": "application/octet-stream"})
    assert (base64.b64decode(answer["body"]), answer["isBase64Encoded"]) == (b"\x89PNG\xff", True)


def test_a_streamed_response_that_fails_midway_is_an_error() -> None:
    @on_function_url(invoke_mode="RESPONSE_STREAM")
    async def broken() -> AsyncIterator[str]:
        yield "some"
        raise LookupError("no more")

    with handler_of(broken) as handler, pytest.raises(LookupError, match="no more"):
        handler(url(), CONTEXT)


def test_a_streamed_response_has_no_more_room_than_any_other() -> None:
    @on_function_url(invoke_mode="RESPONSE_STREAM")
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    with handler_of(endless) as handler, pytest.raises(Exception, match="exceeded maximum allowed payload size"):
        handler(url(), CONTEXT)


def test_a_generator_that_is_invoked_directly_answers_with_its_text() -> None:
    @function
    async def tell(event: dict[str, Any]) -> AsyncIterator[str | bytes]:
        yield event["word"]
        yield b"\xc3\xa9" if event["text"] else b"\xff"

    with handler_of(tell) as handler:
        assert handler({"word": "caf", "text": True}, CONTEXT) == "café"
        with pytest.raises(Exception, match="Unable to marshal response"):
            handler({"word": "caf", "text": False}, CONTEXT)


# Authorizers, which are functions of their own there


@http_authorizer()
async def signed_in(event: dict[str, Any]) -> dict[str, Any]:
    return {"isAuthorized": event["identitySource"] == ["t"], "context": {"who": "me"}}


@rest_authorizer()
async def by_token(event: dict[str, Any]) -> dict[str, Any]:
    if event["authorizationToken"] != "allow":
        raise Exception("Unauthorized")
    return {"principalId": "me", "policyDocument": {}}


@rest_authorizer("REQUEST")
async def by_request(event: dict[str, Any]) -> dict[str, Any]:
    return {"principalId": event["path"], "policyDocument": {}}


def test_authorizers_are_functions_that_gateways_call() -> None:
    @on_http("GET /a", authorizer=signed_in)
    @on_rest("GET /b", authorizer=by_token)
    @on_rest("GET /c", authorizer=by_request)
    async def guarded(event: dict[str, Any]) -> dict[str, Any]:
        return {"statusCode": 200, "body": "in"}

    with handler_of(guarded, signed_in, by_token, by_request) as handler:
        granted = handler(sample("http_authorizer/smallest"), CONTEXT)
        assert granted == {"isAuthorized": True, "context": {"who": "me"}}
        assert handler(sample("token_authorizer/token"), CONTEXT)["principalId"] == "me"
        assert handler(sample("rest_authorizer/single_values"), CONTEXT)["principalId"] == "/a"
        refused = {**sample("token_authorizer/token"), "authorizationToken": "deny"}
        with pytest.raises(Exception, match=r"^Unauthorized$"):
            handler(refused, CONTEXT)
        assert handler(rest("GET", "/b", resource="/b"), CONTEXT)["body"] == "in"

"""Each flavour against the tables of its service: what the function gets, and what the client gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from eventflow import AlbEvent, Environment, HttpEvent, RestEvent, function, on_alb, on_function_url, on_http, on_rest
from eventflow.events import recognise
from eventflow.model import limits
from tests.runtime.http.harness import Reply, running

SERVER_ERROR = (502, {"message": "Internal server error"})
HEADERS = [("content-type", "application/json"), ("host", "h:8000"), ("x-many", "1"), ("x-many", "2")]


def outcome_of(reply: Reply) -> tuple[int, Any]:
    return reply.status, reply.json()


class Order(BaseModel):
    id: str


# What the function gets


@on_rest("POST /orders/{id}")
async def rest_echo(event: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event)}


async def test_a_rest_event_has_nulls_for_what_is_absent() -> None:
    with running(rest_echo) as here:
        reply = await here.client.request("POST", "/orders/a%20b", headers=[("expect", "x"), ("user-agent", "me")])
    event = reply.json()
    assert recognise(event) is RestEvent
    assert event["pathParameters"] == {"id": "a%20b"}
    assert [event[name] for name in ("queryStringParameters", "body", "stageVariables")] == [None, None, None]
    assert event["headers"]["User-Agent"] == "me"
    assert "Expect" not in event["headers"]
    assert "version" not in event
    context = event["requestContext"]
    assert (context["path"], context["resourcePath"], context["stage"]) == (
        "/local/orders/a%20b",
        "/orders/{id}",
        "local",
    )
    assert context["identity"]["sourceIp"] == "192.0.2.1"
    assert context["identity"]["userArn"] is None


async def test_a_rest_event_has_the_last_of_several_values_and_all_of_them() -> None:
    with running(rest_echo) as here:
        reply = await here.client.post("/orders/1", b'{"a":1}', query="q=1&q=a+b&empty=", headers=HEADERS)
    event = reply.json()
    assert event["queryStringParameters"] == {"q": "a b", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "a b"], "empty": [""]}
    assert (event["headers"]["X-Many"], event["multiValueHeaders"]["X-Many"]) == ("2", ["1", "2"])
    assert (event["headers"]["X-Forwarded-For"], event["headers"]["X-Forwarded-Port"]) == ("192.0.2.1", "8000")
    assert event["headers"]["X-Amzn-Trace-Id"].startswith("Root=1-")
    assert (event["body"], event["isBase64Encoded"]) == ('{"a":1}', False)


async def test_a_rest_path_collapses_slashes_in_front_only() -> None:
    @on_rest("ANY /{proxy+}")
    async def path(event: RestEvent) -> dict[str, Any]:
        return {"body": f"{event.path} {event.path_parameters['proxy']}"}

    with running(path) as here:
        assert (await here.client.get("//a//b/")).body == b"/a//b/ a//b"


@on_http("ANY /v1/{id}", payload_format_version="1.0")
async def v1_echo(event: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": "201", "body": json.dumps(event), "unknown": 1}


async def test_an_http_api_gives_version_1_with_lower_case_headers() -> None:
    with running(v1_echo) as here:
        reply = await here.client.post("/v1/a%20b", b"\xff", headers=[*HEADERS, ("content-type", "image/png")])
    event = reply.json()
    assert reply.status == 201
    assert (event["version"], event["pathParameters"], event["headers"]["x-many"]) == ("1.0", {"id": "a b"}, "2")
    assert event["requestContext"]["authorizer"] == {"claims": None, "scopes": None}
    assert event["requestContext"]["resourceId"] is None
    assert "deploymentId" not in event["requestContext"]
    assert (event["body"], event["isBase64Encoded"]) == ("/w==", True)
    assert reply.header("apigw-requestid") == event["requestContext"]["requestId"]


@on_http("GET /account")
async def http_account(event: dict[str, Any]) -> str:
    return str(event["requestContext"]["accountId"])


@on_rest("GET /account")
async def rest_account(event: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200, "body": event["requestContext"]["accountId"]}


@pytest.mark.parametrize("handler", [http_account, rest_account])
async def test_an_apis_account_is_the_environments(handler: Callable[..., Any]) -> None:
    with running(handler, environment=Environment(account_id="123456789012")) as here:
        assert (await here.client.get("/account")).body == b"123456789012"


@on_function_url()
async def url_echo(event: HttpEvent) -> dict[str, Any]:
    return event.to_wire()


async def test_a_function_url_has_its_own_domain_and_the_default_route() -> None:
    with running(url_echo, environment=Environment(region="eu-west-1")) as here:
        event = (await here.client.get("/any/path", query="a=1", headers={"x-forwarded-for": "1.1.1.1"})).json()
    context = event["requestContext"]
    assert context["domainName"] == "url_echo.lambda-url.eu-west-1.on.aws"
    assert (event["routeKey"], context["routeKey"], context["stage"]) == ("$default", "$default", "$default")
    assert (context["accountId"], context["apiId"]) == ("anonymous", "url_echo")
    assert event["headers"]["x-forwarded-for"] == "1.1.1.1, 192.0.2.1"
    assert "pathParameters" not in event
    assert "body" not in event


@on_alb("/lb/*")
async def alb_echo(event: AlbEvent) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event.to_wire())}


@on_alb("/many/*", multi_value_headers=True)
async def alb_lists(event: AlbEvent) -> dict[str, Any]:
    headers = {"x-event": [json.dumps(event.to_wire())], "set-cookie": ["a=1", "b=2"]}
    return {"statusCode": 200, "multiValueHeaders": headers, "headers": {"x-ignored": "1"}}


async def test_a_load_balancer_decodes_no_query() -> None:
    with running(alb_echo) as here:
        event = (await here.client.get("/lb/a%20b", query="q=1&q=%41+b&k", headers=HEADERS)).json()
    assert event["queryStringParameters"] == {"q": "%41+b", "k": ""}
    assert (event["path"], event["body"], event["headers"]["x-many"]) == ("/lb/a%20b", "", "2")
    assert event["requestContext"]["elb"]["targetGroupArn"].endswith(":targetgroup/alb-echo/0000000000000000")


async def test_a_target_group_with_multi_value_headers_has_lists_instead() -> None:
    with running(alb_lists) as here:
        reply = await here.client.get("/many/x", query="q=1&q=2", headers=HEADERS)
    event = json.loads(reply.header("x-event") or "")
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert event["multiValueHeaders"]["x-many"] == ["1", "2"]
    assert "headers" not in event
    assert "queryStringParameters" not in event
    assert [value for name, value in reply.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert reply.header("x-ignored") is None


@pytest.mark.parametrize(
    ("headers", "encoded"),
    [
        ([("content-type", "text/plain")], False),
        ([("content-type", "text/plain"), ("content-encoding", "gzip")], True),
        ([("content-type", "application/octet-stream")], True),
    ],
)
async def test_a_load_balancer_tells_text_by_type_and_encoding(headers: list[tuple[str, str]], encoded: bool) -> None:
    with running(alb_echo) as here:
        reply = await here.client.post("/lb/", b"text", headers=headers)
    assert reply.json()["isBase64Encoded"] is encoded


# What the client gets


async def answered(value: Any, *, accept: str = "", mark: Any = None) -> Reply:
    async def handler() -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    mark = mark or on_rest("GET /", binary_media_types=["image/png"])
    with running(mark(handler)) as here:
        return await here.client.get("/", headers={"accept": accept})


@pytest.mark.parametrize("value", [{}, {"headers": {}}, {"headers": None}, {"statusCode": None, "body": None}])
async def test_an_empty_rest_response_is_200_and_json(value: Any) -> None:
    reply = await answered(value)
    assert (reply.status, reply.body, reply.header("content-type")) == (200, b"", "application/json")


@pytest.mark.parametrize(
    "value",
    [
        {"statusCode": "test"}, "text", 1, [1], None, b"no json", {"statusCode": 200, "wrongValue": 1},
        {"statusCode": 200, "cookies": []}, {"statusCode": 0}, {"headers": {"a": 1}}, {"headers": {"a": {}}},
        {"headers": {"a": False}}, {"multiValueHeaders": {"a": "b"}}, {"multiValueHeaders": {"a": [1]}},
        {"body": {"a": 1}}, {"headers": [1]}, {"headers": {"a": "b\r\nc: d"}}, {"headers": {"a\r\nb": "c"}},
        ValueError("no luck"), {"body": "x" * (limits.SYNCHRONOUS_RESPONSE_BYTES + 1)},
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
async def test_what_is_no_rest_response_is_502(value: Any) -> None:
    reply = await answered(value)
    assert outcome_of(reply) == SERVER_ERROR
    assert reply.header("x-amzn-errortype") == "InternalServerErrorException"


async def test_rest_headers_are_merged_lists_first() -> None:
    value = {
        "statusCode": "201",
        "headers": {"X-One": "1", "x-both": "b", "X-Both": "c", "x-true": True, "Content-Type": "text/plain"},
        "multiValueHeaders": {"X-Both": ["a", "b"]},
    }
    reply = await answered(value)
    assert reply.status == 201
    assert [found for name, found in reply.headers if name == "x-both"] == ["a", "b", "c"]
    assert (reply.header("x-true"), reply.header("content-type")) == ("true", "text/plain")
    assert reply.header("x-amzn-requestid")
    assert reply.header("x-amz-apigw-id")


@pytest.mark.parametrize(
    ("accept", "body"),
    [("image/png, text/html", b"\xff"), ("text/html, image/png", b"/w=="), ("image/*", b"/w=="), ("", b"/w==")],
)
async def test_rest_base64_is_decoded_for_clients_that_accept_a_binary_type_first(accept: str, body: bytes) -> None:
    assert (await answered({"body": "/w==", "isBase64Encoded": True}, accept=accept)).body == body


async def test_bad_base64_is_an_error_of_its_own() -> None:
    reply = await answered({"body": "!", "isBase64Encoded": True}, accept="image/png")
    assert outcome_of(reply) == (500, {"message": "Internal server error"})
    assert (
        await answered({"body": "!", "base64Encoded": False, "isBase64Encoded": True}, accept="image/png")
    ).body == b"!"


async def test_a_rest_request_of_a_binary_type_arrives_in_base64() -> None:
    @on_rest("POST /", binary_media_types=["image/*"])
    async def echo(event: RestEvent) -> dict[str, Any]:
        return {"body": f"{event.is_base64_encoded} {event.body_bytes!r}"}

    with running(echo) as here:
        assert (await here.client.post("/", b"a", headers={"content-type": "image/png"})).body == b"True b'a'"
        assert (await here.client.post("/", b"a", headers={"content-type": "text/png"})).body == b"False b'a'"


async def test_an_unknown_rest_path_or_method_lacks_a_token() -> None:
    with running(rest_echo) as here:
        for reply in (await here.client.get("/orders/1"), await here.client.get("/nowhere")):
            assert outcome_of(reply) == (403, {"message": "Missing Authentication Token"})
            assert reply.header("x-amzn-errortype") == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("value", ["text", {"body": "x"}, {"statusCode": 99}, None])
async def test_an_http_api_needs_a_status_in_version_1(value: Any) -> None:
    reply = await answered(value, mark=on_http("GET /", payload_format_version="1.0"))
    assert outcome_of(reply) == (500, {"message": "Internal Server Error"})


async def test_an_http_api_always_decodes_base64_in_version_1() -> None:
    value = {
        "statusCode": 200,
        "body": "/w==",
        "isBase64Encoded": True,
        "multiValueHeaders": {"set-cookie": ["a", "b"]},
    }
    reply = await answered(value, mark=on_http("GET /", payload_format_version="1.0"))
    assert reply.body == b"\xff"
    assert [found for name, found in reply.headers if name == "set-cookie"] == ["a", "b"]


async def test_a_function_url_answers_as_payload_format_2_does() -> None:
    assert (await answered("text", mark=on_function_url())).body == b"text"
    reply = await answered({"statusCode": 201, "body": {"a": 1}, "cookies": ["a=1"]}, mark=on_function_url())
    assert (reply.status, reply.json(), reply.header("set-cookie")) == (201, {"a": 1}, "a=1")


async def test_a_function_url_has_plain_text_errors() -> None:
    reply = await answered(ValueError("no luck"), mark=on_function_url())
    assert (reply.status, reply.body, reply.header("content-type")) == (
        502, b"Internal Server Error", "text/plain; charset=utf-8",
    )  # fmt: skip


async def test_a_function_url_that_is_switched_off_is_throttled() -> None:
    @on_function_url()
    @function(reserved_concurrency=0)
    async def never() -> None: ...

    with running(never) as here:
        assert (await here.client.get("/")).status == 429


@pytest.mark.parametrize(
    "value",
    [
        ValueError("no luck"), "text", {}, {"statusCode": 200, "body": 1}, {"statusCode": 200, "headers": {"a": "\n"}},
        {"statusCode": 200, "statusDescription": 200}, {"statusCode": 200, "body": "x" * limits.MEBIBYTE},
        {"statusCode": 200, "body": "!", "isBase64Encoded": True},
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
async def test_what_is_no_response_for_a_load_balancer_is_502(value: Any) -> None:
    reply = await answered(value, mark=on_alb())
    assert (reply.status, reply.header("content-type")) == (502, "text/html")


async def test_a_load_balancer_passes_a_response_on() -> None:
    value = {"statusCode": 201, "statusDescription": "201 Created", "headers": {"A": "1"}, "body": "x" * 200_000}
    reply = await answered(value, mark=on_alb())
    assert (reply.status, reply.header("a"), len(reply.body)) == (201, "1", 200_000)
    assert reply.header("content-type") is None


async def test_a_load_balancer_refuses_what_no_event_can_carry() -> None:
    with running(alb_echo) as here:
        assert (await here.client.post("/lb/", b"x" * (limits.MEBIBYTE + 1))).status == 413
        assert (await here.client.get("/lb/", headers={"upgrade": "websocket"})).status == 400
        assert (await here.client.get("/lb/", headers={"x": "\xff"})).status == 502
        assert (await here.client.post("/lb/", b"\xff", headers={"content-type": "text/plain"})).status == 502
        assert (await here.client.get("/elsewhere")).status == 404


async def test_a_throttled_function_is_a_bad_gateway_behind_a_load_balancer() -> None:
    @on_alb()
    @function(reserved_concurrency=0)
    async def never() -> None: ...

    with running(never) as here:
        assert (await here.client.get("/")).status == 502


async def test_each_flavour_gives_up_after_its_own_time() -> None:
    loop = asyncio.get_running_loop()

    @on_rest("GET /rest")
    @function(timeout_seconds=60)
    async def rest() -> None:
        await asyncio.sleep(40)

    @on_function_url()
    @function(timeout_seconds=60)
    async def url() -> str:
        await asyncio.sleep(40)
        return "late"

    with running(rest, url) as here:
        started = loop.time()
        reply = await here.client.get("/rest")
        assert outcome_of(reply) == (504, {"message": "Endpoint request timed out"})
        assert loop.time() - started == pytest.approx(29)
        assert (await here.client.get("/", headers={"host": "url.lambda-url.localhost:8000"})).body == b"late"


@pytest.mark.parametrize("mark", [on_http("POST /", payload_format_version="1.0"), on_rest("POST /"), on_alb()])
async def test_a_body_that_does_not_fit_is_the_clients_mistake(mark: Any) -> None:
    async def take(order: Order) -> dict[str, Any]:
        return {"statusCode": 200, "body": order.id}

    with running(mark(take)) as here:
        assert (await here.client.post("/", b'{"id":"1"}')).body == b"1"
        assert (await here.client.post("/", b"{}")).status == 400


# Which function answers


def names(label: str) -> Any:
    async def handler() -> dict[str, Any]:
        return {"statusCode": 200, "body": label}

    handler.__name__ = label
    return handler


async def test_flavours_share_a_port() -> None:
    handlers = [
        on_http("GET /orders/{id}")(names("api")),
        on_http("$default")(names("rest_of_api")),
        on_rest("GET /orders/special")(names("rest")),
        on_rest("ANY /files/{proxy+}")(names("files")),
        on_alb("/orders/*", http_header={"x-beta": "*"}, priority=5)(names("beta")),
        on_alb("/lb/*")(names("lb")),
        on_function_url()(names("Chat")),
    ]
    cases = [
        ("/orders/1", {}, "api"),
        ("/orders/special", {}, "rest"),
        ("/files/a/b", {}, "files"),
        ("/orders/1", {"x-beta": "1"}, "beta"),
        ("/lb/x", {}, "lb"),
        ("/nowhere", {}, "rest_of_api"),
        ("/orders/1", {"host": "chat.lambda-url.localhost:8000"}, "Chat"),
        ("/orders/1", {"host": "other.lambda-url.localhost"}, "api"),
    ]
    with running(*handlers) as here:
        for path, headers, label in cases:
            assert (await here.client.get(path, headers=headers)).body.decode() == label


async def test_a_function_url_beside_others_is_reached_by_its_host_only() -> None:
    with running(on_http("GET /a")(names("api")), on_function_url()(names("chat"))) as here:
        assert (await here.client.get("/b")).status == 404
        assert (await here.client.get("/b", headers={"host": "chat.lambda-url.example.com"})).body == b"chat"


async def test_several_function_urls_forbid_what_none_of_them_has() -> None:
    with running(on_function_url()(names("one")), on_function_url()(names("two"))) as here:
        reply = await here.client.get("/")
        assert (reply.status, reply.header("x-amzn-errortype")) == (403, "AccessDeniedException")


async def test_a_raw_event_reaches_the_trigger_of_its_flavour() -> None:
    @on_http("GET /a")
    @on_rest("GET /b")
    @on_alb("/c")
    @on_function_url()
    async def which(event: dict[str, Any]) -> str:
        return recognise(event).__name__

    with running(which, rest_echo, alb_echo) as here:
        rest = (await here.client.post("/orders/1")).json()
        alb = (await here.client.get("/lb/1")).json()
        for event, model in ((rest, "RestEvent"), (alb, "AlbEvent")):
            assert (await here.client.invoke("which", json.dumps(event).encode())).json() == model

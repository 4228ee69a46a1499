"""Lambda authorizers: what they are asked, what their answers come to, and where their context goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from eventflow import (
    App,
    ConfigurationError,
    Cors,
    Environment,
    HttpAuthorizerEvent,
    HttpEvent,
    RestAuthorizerEvent,
    RestEvent,
    TokenAuthorizerEvent,
    function,
    http_authorizer,
    on_http,
    on_rest,
    rest_authorizer,
)
from eventflow.events import recognise
from eventflow.runtime.http.authorizers.lambda_gate import MAXIMUM_KEPT
from tests.runtime.http.harness import Reply, Running, running

TOKEN = {"authorization": "secret"}
ARN = "arn:aws:execute-api:us-east-1:000000000000:local"
Handler = Callable[..., Any]


def policy(effect: str, resource: Any = "*", **more: Any) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **more}


def asked(here: Running, source: str) -> int:
    return here.metrics.of("check", source).succeeded


def http_app(answer: Any, *, version: Any = "2.0", **options: Any) -> tuple[list[Any], Handler]:
    """An HTTP API's route behind an authorizer with this answer, and the events that the authorizer gets."""
    events: list[Any] = []

    @http_authorizer(**options)
    async def check(event: dict[str, Any]) -> Any:
        events.append(event)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @on_http("POST /orders/{id}", authorizer=check, payload_format_version=version)
    async def orders(event: dict[str, Any]) -> dict[str, Any]:
        return {"statusCode": 200, "body": json.dumps(event["requestContext"]["authorizer"])}

    return events, orders


async def post(handler: Handler, headers: dict[str, str] = TOKEN, path: str = "/orders/1") -> Reply:
    with running(handler) as here:
        return await here.client.post(path, b"body", headers=headers, query="key=k1&key=k2")


def rest_app(answer: Any, *arguments: Any, **options: Any) -> tuple[list[Any], Handler]:
    """The same for a REST API."""
    events: list[Any] = []

    @rest_authorizer(*arguments, **options)
    async def check(event: dict[str, Any]) -> Any:
        events.append(event)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @on_rest("POST /orders/{id}", authorizer=check)
    async def orders(event: dict[str, Any]) -> dict[str, Any]:
        return {"body": json.dumps(event["requestContext"]["authorizer"])}

    return events, orders


# HTTP APIs


async def test_an_http_authorizer_gets_the_request_without_its_body() -> None:
    sources = ["$request.header.Authorization", "$request.querystring.key", "$context.routeKey"]
    events, handler = http_app({"isAuthorized": True}, identity_sources=sources)
    reply = await post(handler)
    [event] = events
    assert reply.json() == {"lambda": None}
    assert recognise(event) is HttpAuthorizerEvent
    assert (event["type"], event["version"], event["routeKey"]) == ("REQUEST", "2.0", "POST /orders/{id}")
    assert event["routeArn"] == f"{ARN}/$default/POST/orders/1"
    assert event["identitySource"] == ["secret", "k2", "POST /orders/{id}"]
    assert event["pathParameters"] == {"id": "1"}
    assert not {"body", "isBase64Encoded"} & event.keys()


async def test_a_version_1_authorizer_gets_that_event_and_answers_with_a_policy() -> None:
    events, handler = http_app(policy("Allow", context={"n": 1}), payload_format_version="1.0")
    reply = await post(handler)
    [event] = events
    assert reply.json() == {"lambda": {"n": 1}}
    assert recognise(event) is RestAuthorizerEvent
    assert event["methodArn"] == f"{ARN}/$default/POST/orders/1"
    assert (event["identitySource"], event["authorizationToken"]) == ("secret", "secret")
    assert not {"body", "isBase64Encoded"} & event.keys()


@pytest.mark.parametrize(
    ("answer", "options", "version", "authorizer"),
    [
        ({"isAuthorized": True, "context": {"a": [1]}}, {}, "2.0", {"lambda": {"a": [1]}}),
        ({"isAuthorized": True, "context": {"a": [1]}}, {}, "1.0", {"a": [1]}),
        (policy("Allow", context={"a": 1}), {"enable_simple_responses": False}, "2.0", {"lambda": {"a": 1}}),
        (policy("Allow", context={"a": 1}), {"enable_simple_responses": False}, "1.0", {"principalId": "me", "a": 1}),
    ],
)
async def test_an_http_authorizers_context_is_where_the_format_has_it(
    answer: Any, options: dict[str, Any], version: str, authorizer: Any
) -> None:
    _, handler = http_app(answer, version=version, **options)
    assert (await post(handler)).json() == authorizer


@pytest.mark.parametrize(
    ("answer", "options", "status", "text"),
    [
        ({"isAuthorized": False}, {}, 403, "Forbidden"),
        (policy("Deny"), {"enable_simple_responses": False}, 403, "Forbidden"),
        (policy("Allow", f"{ARN}/*/GET/*"), {"enable_simple_responses": False}, 403, "Forbidden"),
        ({"isAuthorized": "yes"}, {}, 500, "Internal Server Error"),
        (policy("Allow"), {}, 500, "Internal Server Error"),
        ({"isAuthorized": True}, {"enable_simple_responses": False}, 500, "Internal Server Error"),
        ("text", {}, 500, "Internal Server Error"),
        ({"isAuthorized": True, "context": object()}, {}, 500, "Internal Server Error"),
        (ValueError("Unauthorized"), {}, 500, "Internal Server Error"),
    ],
)
async def test_an_http_authorizer_that_does_not_allow(
    answer: Any, options: dict[str, Any], status: int, text: str
) -> None:
    _, handler = http_app(answer, **options)
    reply = await post(handler)
    assert (reply.status, reply.json()) == (status, {"message": text})


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}])
async def test_without_an_identity_nobody_is_asked(headers: dict[str, str]) -> None:
    for make, text in ((http_app, "Unauthorized"), (rest_app, "Unauthorized")):
        events, handler = make({"isAuthorized": True})
        reply = await post(handler, headers)
        assert (reply.status, reply.json(), events) == (401, {"message": text}, [])


async def test_a_refused_request_has_its_body_unread() -> None:
    _, handler = http_app({"isAuthorized": False})
    with running(handler) as here:
        reply = await here.client.post("/orders/1", [b"x"], headers=TOKEN, disconnect_early=True)
    assert reply.status == 403


async def test_an_admitted_request_has_its_body() -> None:
    @http_authorizer()
    async def check() -> dict[str, bool]:
        return {"isAuthorized": True}

    @on_http("POST /", authorizer=check)
    async def echo(event: HttpEvent) -> str:
        return event.body_bytes.decode()

    with running(echo) as here:
        assert (await here.client.post("/", b"body", headers=TOKEN)).body == b"body"
        assert (await here.client.post("/", b"x" * 10_485_761, headers=TOKEN)).status == 413


# REST APIs


async def test_a_token_authorizer_gets_the_token_alone() -> None:
    context = {"text": "t", "number": 1, "boolean": True}
    events, handler = rest_app(policy("Allow", f"{ARN}/local/POST/orders/*", context=context))
    reply = await post(handler)
    assert events == [{"type": "TOKEN", "authorizationToken": "secret", "methodArn": f"{ARN}/local/POST/orders/1"}]
    assert recognise(events[0]) is TokenAuthorizerEvent
    assert reply.json() == {
        "text": "t", "number": "1", "boolean": "true", "principalId": "me", "integrationLatency": 0,
    }  # fmt: skip


async def test_a_request_authorizer_gets_the_request_without_its_body() -> None:
    sources = ["method.request.header.Authorization", "method.request.querystring.key", "context.stage"]
    events, handler = rest_app(policy("Allow"), "REQUEST", identity_sources=sources)
    assert (await post(handler)).status == 200
    [event] = events
    assert recognise(event) is RestAuthorizerEvent
    assert (event["resource"], event["queryStringParameters"]) == ("/orders/{id}", {"key": "k2"})
    assert not {"body", "isBase64Encoded", "identitySource"} & event.keys()


@pytest.mark.parametrize(
    ("answer", "status", "text", "error"),
    [
        (policy("Deny"), 403, "User is not authorized to access this resource with an explicit deny", "AccessDenied"),
        (policy("Allow", "arn:x"), 403, "User is not authorized to access this resource", "AccessDenied"),
        (ValueError("Unauthorized"), 401, "Unauthorized", "Unauthorized"),
        (ValueError("unauthorized"), 500, "Internal server error", "AuthorizerConfiguration"),
        ({"isAuthorized": True}, 500, "Internal server error", "AuthorizerConfiguration"),
        (policy("Allow", context={"a": [1]}), 500, "Internal server error", "AuthorizerConfiguration"),
        (policy("Maybe"), 500, "Internal server error", "AuthorizerConfiguration"),
    ],
)
async def test_a_rest_authorizer_that_does_not_allow(answer: Any, status: int, text: str, error: str) -> None:
    _, handler = rest_app(answer)
    reply = await post(handler)
    assert (reply.status, reply.json()) == (status, {"message": text})
    assert reply.header("x-amzn-errortype") == f"{error}Exception"


async def test_a_token_that_the_expression_does_not_match_is_refused_unasked() -> None:
    events, handler = rest_app(policy("Allow"), identity_validation_expression="Bearer [a-z]+")
    assert (await post(handler)).status == 401
    assert events == []
    assert (await post(handler, {"authorization": "Bearer abc"})).status == 200


async def test_a_method_arn_is_of_the_partition_of_its_region() -> None:
    events, orders = rest_app(policy("Allow"))
    with running(orders, environment=Environment(region="cn-north-1")) as here:
        await here.client.post("/orders/1", b"body", headers=TOKEN)
    assert events[0]["methodArn"].startswith("arn:aws-cn:execute-api:cn-north-1:")


async def test_a_method_arn_has_a_limit() -> None:
    _, handler = rest_app(policy("Allow"))
    assert (await post(handler, path="/orders/" + "x" * 1_600)).status == 414


# What is kept


async def test_a_rest_answer_counts_for_its_time_and_its_policy_for_every_request() -> None:
    @rest_authorizer(result_ttl_seconds=60)
    async def check() -> dict[str, Any]:
        return policy("Allow", f"{ARN}/local/GET/a")

    @on_rest("GET /{name}", authorizer=check)
    async def get(event: RestEvent) -> dict[str, Any]:
        return {}

    with running(get) as here:
        assert (await here.client.get("/a", headers=TOKEN)).status == 200
        assert (await here.client.get("/b", headers=TOKEN)).status == 403
        assert asked(here, "token_authorizer") == 1
        assert (await here.client.get("/a", headers={"authorization": "another"})).status == 200
        assert asked(here, "token_authorizer") == 2
        await asyncio.sleep(60)
        assert (await here.client.get("/a", headers=TOKEN)).status == 200
        assert asked(here, "token_authorizer") == 3


@pytest.mark.parametrize(("seconds", "times"), [(0, 2), (300, 1)])
async def test_an_http_answer_is_kept_if_it_has_a_time(seconds: int, times: int) -> None:
    events, handler = http_app({"isAuthorized": True}, result_ttl_seconds=seconds)
    with running(handler) as here:
        for _ in range(2):
            assert (await here.client.post("/orders/1", headers=TOKEN)).status == 200
    assert len(events) == times


async def test_failures_are_not_kept_and_the_rest_is_bounded() -> None:
    answers: list[Any] = ["nonsense"]

    @http_authorizer(result_ttl_seconds=3600)
    async def check() -> Any:
        return answers[0]

    @on_http("GET /", authorizer=check)
    async def get() -> str:
        return "got"

    with running(get) as here:
        assert (await here.client.get("/", headers=TOKEN)).status == 500
        answers[0] = {"isAuthorized": True}
        assert (await here.client.get("/", headers=TOKEN)).status == 200
        for number in range(MAXIMUM_KEPT):
            await here.client.get("/", headers={"authorization": str(number)})
        before = asked(here, "http_authorizer")
        await here.client.get("/", headers=TOKEN)
        assert asked(here, "http_authorizer") == before + 1


# Declaring


async def test_an_authorizer_is_a_function_with_settings_and_comes_along() -> None:
    @http_authorizer()
    @function(name="gatekeeper", timeout_seconds=2)
    async def check() -> dict[str, bool]:
        await asyncio.sleep(5)
        return {"isAuthorized": True}

    @on_http("GET /", authorizer=check)
    async def get() -> None: ...

    with running(get) as here:
        assert set(here.functions) == {"get", "gatekeeper"}
        assert (await here.client.get("/", headers=TOKEN)).status == 500
        assert here.metrics.of("gatekeeper", "http_authorizer").timed_out == 1


async def test_preflights_need_no_authorizer_but_that_of_what_is_left() -> None:
    cors = Cors(allow_origins=("*",))
    headers = {"origin": "https://a.example.com", "access-control-request-method": "GET"}

    @http_authorizer()
    async def check() -> dict[str, bool]:
        return {"isAuthorized": True}

    @on_http("ANY /a", authorizer=check)
    @on_http("$default", authorizer=check)
    async def get() -> None: ...

    with running(get, environment=Environment(cors=cors)) as here:
        assert (await here.client.request("OPTIONS", "/a", headers=headers)).status == 204
        refused = await here.client.request("OPTIONS", "/b", headers=headers)
        assert (refused.status, refused.header("access-control-allow-origin")) == (401, "*")


def unmarked() -> None: ...


def http_check(**options: Any) -> Any:
    return http_authorizer(**options)(lambda event: None)


def rest_check(*arguments: Any, **options: Any) -> Any:
    return rest_authorizer(*arguments, **options)(lambda event: None)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (on_http("GET /", authorizer=unmarked), "is no authorizer of this kind of API"),
        (on_http("GET /", authorizer=rest_check()), "mark it with @http_authorizer"),
        (on_rest("GET /", authorizer=http_check()), "mark it with @rest_authorizer"),
        (on_http("GET /", scopes="a"), "scopes are those of tokens"),
        (on_http("GET /", authorizer=http_check(identity_sources=["header.a"])), "is no identity source"),
        (on_http("GET /", authorizer=http_check(result_ttl_seconds=3601)), "3601 is not allowed"),
        (on_http("GET /", authorizer=http_check(identity_sources=[], result_ttl_seconds=1)), "name its sources"),
        (on_rest("GET /", authorizer=rest_check("REQUEST", identity_validation_expression="a")), "TOKEN' only"),
        (on_rest("GET /", authorizer=rest_check(identity_validation_expression="(")), "is no regular expression"),
        (on_rest("GET /", authorizer=rest_check(identity_sources=["context.stage"])), "a token is in one header"),
    ],
)
def test_a_mistake_is_found_at_freeze(mark: Any, message: str) -> None:
    def handler() -> None: ...

    with pytest.raises(ConfigurationError, match=message):
        App([mark(handler)]).freeze(Environment())


def test_an_http_api_waits_ten_seconds_for_an_authorizer() -> None:
    @http_authorizer()
    @function(timeout_seconds=11)
    def check() -> None: ...

    with pytest.raises(ConfigurationError, match="from 1 to 10 seconds behind http_authorizer"):
        App([check]).freeze(Environment())

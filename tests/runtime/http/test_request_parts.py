"""Query parameters and headers that handlers ask for by annotation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import pytest
from pydantic import Field

from eventflow import App, ConfigurationError, Header, Query, on_alb, on_function_url, on_http, on_rest, on_sqs
from eventflow.plan.environment import Environment
from tests.runtime.http.harness import Reply, running

DECORATORS = [
    pytest.param(on_http("GET /"), id="http"),
    pytest.param(on_http("GET /", payload_format_version="1.0"), id="http_v1"),
    pytest.param(on_rest("GET /"), id="rest"),
    pytest.param(on_function_url(), id="function_url"),
    pytest.param(on_alb("/"), id="alb"),
    pytest.param(on_alb("/", multi_value_headers=True), id="alb_multi_value"),
]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def listing(
    limit: Annotated[int, Query(), Field(ge=1, le=100)] = 20,
    tags: Annotated[list[str] | None, Query("tag")] = None,
    if_newer: Annotated[bool, Header()] = False,
    tenant: Annotated[str | None, Header("X-Tenant")] = None,
) -> dict[str, Any]:
    body = json.dumps({"limit": limit, "tags": tags, "if_newer": if_newer, "tenant": tenant})
    return {"statusCode": 200, "body": body}


def fresh() -> Callable[..., Any]:
    """The function without marks, so that every case can set its own."""

    def copy(
        limit: Annotated[int, Query(), Field(ge=1, le=100)] = 20,
        tags: Annotated[list[str] | None, Query("tag")] = None,
        if_newer: Annotated[bool, Header()] = False,
        tenant: Annotated[str | None, Header("X-Tenant")] = None,
    ) -> dict[str, Any]:
        return listing(limit, tags, if_newer, tenant)

    return copy


async def ask(handler: Callable[..., Any], query: str = "", headers: Sequence[tuple[str, str]] = ()) -> Reply:
    with running(handler) as served:
        return await served.client.get("/", query=query, headers=headers)


@pytest.mark.parametrize("decorator", DECORATORS)
async def test_values_arrive_decoded_and_validated_in_every_flavour(decorator: Decorator) -> None:
    query = "tag=a%20b&limit=1&tag=%C3%A9+%26&limit=7"
    reply = await ask(decorator(fresh()), query, [("if-newer", "true"), ("x-tenant", "one"), ("x-tenant", "two")])
    assert reply.json() == {"limit": 7, "tags": ["a b", "é &"], "if_newer": True, "tenant": "one,two"}


@pytest.mark.parametrize("decorator", DECORATORS)
async def test_what_is_missing_is_the_default(decorator: Decorator) -> None:
    assert (await ask(decorator(fresh()))).json() == {"limit": 20, "tags": None, "if_newer": False, "tenant": None}


@pytest.mark.parametrize(
    ("query", "headers", "message", "details"),
    [
        ("limit=0", [], "Invalid query parameter 'limit'", "greater than or equal to 1"),
        ("limit=", [], "Invalid query parameter 'limit'", "valid integer"),
        ("", [("if-newer", "perhaps")], "Invalid header 'if-newer'", "valid boolean"),
    ],
)
async def test_what_does_not_fit_is_400(query: str, headers: list[tuple[str, str]], message: str, details: str) -> None:
    reply = await ask(on_http("GET /")(fresh()), query, headers)
    assert (reply.status, reply.json()["message"]) == (400, message)
    assert details in reply.json()["errors"][0]["message"]


async def test_what_has_no_default_has_to_be_there() -> None:
    @on_http("GET /")
    def one(limit: Annotated[int, Query]) -> int:
        return limit

    assert (await ask(one, "limit=3")).json() == 3
    reply = await ask(one)
    assert (reply.status, reply.json()) == (
        400,
        {"message": "Invalid query parameter 'limit'", "errors": [{"location": "", "message": "it is missing"}]},
    )


@pytest.mark.parametrize(
    "wire",
    [
        {"rawQueryString": "limit=7&tag=a%20b&tag=c", "headers": {"x-tenant": "me"}},
        {
            "multiValueQueryStringParameters": {"limit": ["7"], "tag": ["a b", "c"]},
            "multiValueHeaders": {"X-Tenant": ["me"]},
        },
        {
            "requestContext": {"elb": {}},
            "multiValueQueryStringParameters": {"limit": ["7"], "tag": ["a%20b", "c"]},
            "headers": {"x-tenant": "me"},
        },
    ],
    ids=["2.0", "1.0", "alb"],
)
async def test_events_of_the_invoke_api_have_them_too(wire: dict[str, Any]) -> None:
    with running(on_http("GET /")(fresh())) as served:
        reply = await served.client.invoke("copy", json.dumps(wire).encode())
    assert json.loads(reply.json()["body"]) == {"limit": 7, "tags": ["a b", "c"], "if_newer": False, "tenant": "me"}


async def test_single_values_of_an_event_are_enough() -> None:
    with running(on_http("GET /")(fresh())) as served:
        reply = await served.client.invoke("copy", b'{"queryStringParameters": {"limit": "7"}}')
    assert json.loads(reply.json()["body"])["limit"] == 7


def test_other_sources_do_not_have_them() -> None:
    @on_sqs("orders")
    def one(limit: Annotated[int, Query()]) -> None: ...

    with pytest.raises(ConfigurationError, match="'limit': is a query parameter of an HTTP request"):
        App([one]).freeze(Environment())


def test_a_handler_with_several_sources_may_have_a_default_for_them() -> None:
    @on_sqs("orders")
    @on_http("POST /orders")
    def one(order: dict[str, int], limit: Annotated[int, Query()] = 1) -> None: ...

    App([one]).freeze(Environment())


def test_a_type_that_text_cannot_become_is_refused() -> None:
    class Unknown: ...

    def one(limit: Any) -> None: ...

    one.__annotations__["limit"] = Annotated[Unknown, Query()]
    with pytest.raises(ConfigurationError, match="no query parameter can become"):
        App([on_http("GET /")(one)]).freeze(Environment())

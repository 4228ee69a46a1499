"""CORS of HTTP APIs and function URLs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from eventflow import App, ConfigurationError, Cors, Environment, on_function_url, on_http, on_rest
from eventflow.plan.environment import load_environment
from tests.runtime.http.harness import Reply, running

SHOP = "https://shop.example.com"
CORS = Cors(
    allow_origins=(SHOP, "http://*"),
    allow_methods=("GET", "PUT"),
    allow_headers=("x-a", "x-b"),
    expose_headers=("x-c",),
    max_age_seconds=60,
    allow_credentials=True,
)
PREFLIGHT = {"origin": SHOP, "access-control-request-method": "PUT", "access-control-request-headers": "x-a"}
ENVIRONMENT = Environment(cors=CORS)


def own_headers(reply: Reply) -> dict[str, str]:
    names = [name for name, _ in reply.headers if name.startswith("access-control-")]
    assert len(names) == len(set(names))
    return {name.removeprefix("access-control-"): value for name, value in reply.headers if name in names}


@on_http("PUT /orders")
async def put_order() -> dict[str, Any]:
    headers = {"Access-Control-Allow-Origin": "*", "access-control-max-age": "1", "x-c": "1"}
    return {"statusCode": 200, "headers": headers, "body": "put"}


@pytest.mark.parametrize("path", ["/orders", "/no/such/path"])
async def test_every_preflight_of_an_http_api_is_answered(path: str) -> None:
    with running(put_order, environment=ENVIRONMENT) as here:
        reply = await here.client.request("OPTIONS", path, headers=PREFLIGHT)
        assert here.metrics.of("put_order", "http").succeeded == 0
    assert (reply.status, reply.body) == (204, b"")
    assert own_headers(reply) == {
        "allow-origin": SHOP,
        "allow-credentials": "true",
        "allow-methods": "GET,PUT",
        "allow-headers": "x-a,x-b",
        "max-age": "60",
    }
    assert reply.header("vary") == "origin"


async def test_a_preflight_of_a_page_that_may_not_call_tells_nothing() -> None:
    with running(put_order, environment=ENVIRONMENT) as here:
        for origin in ("https://evil.example.com", "https://shop.example.com.evil.com", "null"):
            reply = await here.client.request("OPTIONS", "/orders", headers={**PREFLIGHT, "origin": origin})
            assert (reply.status, own_headers(reply)) == (204, {})


async def test_what_the_function_says_of_cors_is_replaced() -> None:
    with running(put_order, environment=ENVIRONMENT) as here:
        reply = await here.client.request("PUT", "/orders", headers={"origin": "http://localhost:3000"})
        assert reply.body == b"put"
        assert own_headers(reply) == {
            "allow-origin": "http://localhost:3000", "allow-credentials": "true", "expose-headers": "x-c",
        }  # fmt: skip
        assert own_headers(await here.client.request("PUT", "/orders")) == {}
        assert own_headers(await here.client.get("/nowhere", headers={"origin": SHOP}))["allow-origin"] == SHOP


async def test_stars_are_sent_as_they_are_unless_there_are_credentials() -> None:
    stars: Any = {"allow_methods": ("*",), "allow_headers": ("*",)}
    with running(put_order, environment=Environment(cors=Cors(allow_origins=("*",), **stars))) as here:
        reply = await here.client.request("OPTIONS", "/orders", headers=PREFLIGHT)
        assert own_headers(reply) == {"allow-origin": "*", "allow-methods": "*", "allow-headers": "*"}
    cors = Cors(allow_origins=(SHOP,), allow_credentials=True, **stars)
    with running(put_order, environment=Environment(cors=cors)) as here:
        found = own_headers(await here.client.request("OPTIONS", "/orders", headers=PREFLIGHT))
        assert (found["allow-methods"], found["allow-headers"]) == ("PUT", "x-a")


async def test_an_options_request_that_is_no_preflight_reaches_its_route() -> None:
    @on_http("OPTIONS /orders")
    async def options() -> str:
        return "options"

    with running(options, environment=ENVIRONMENT) as here:
        assert (await here.client.request("OPTIONS", "/orders", headers={"origin": SHOP})).body == b"options"


async def test_a_rest_api_answers_for_itself() -> None:
    @on_rest("ANY /orders")
    async def orders() -> dict[str, Any]:
        return {"headers": {"access-control-allow-origin": "mine"}, "body": "rest"}

    with running(orders, environment=ENVIRONMENT) as here:
        reply = await here.client.request("OPTIONS", "/orders", headers=PREFLIGHT)
    assert (reply.body, own_headers(reply)) == (b"rest", {"allow-origin": "mine"})


async def test_a_function_url_has_cors_of_its_own() -> None:
    @on_function_url(cors=CORS, invoke_mode="RESPONSE_STREAM")
    async def chat() -> AsyncIterator[str]:
        yield "chat"

    with running(chat) as here:
        assert (await here.client.request("OPTIONS", "/x", headers=PREFLIGHT)).status == 204
        reply = await here.client.get("/", headers={"origin": SHOP})
    assert (reply.body, own_headers(reply)["allow-origin"]) == (b"chat", SHOP)


@pytest.mark.parametrize(
    ("cors", "field"),
    [
        (Cors(allow_origins=("*",), allow_credentials=True), "allow_origins"),
        (Cors(allow_origins=["https://a"]), "allow_origins"),  # type: ignore[arg-type]
        (Cors(allow_headers=("a\r\nb: c",)), "allow_headers"),
        (Cors(max_age_seconds=86_401), "max_age_seconds"),
    ],
)
def test_mistakes_are_found_at_freeze(cors: Cors, field: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        App([put_order], cors=cors).freeze(Environment())
    assert [problem.field for problem in caught.value.problems] == [field]


def test_a_function_urls_age_starts_at_zero() -> None:
    @on_function_url(cors=Cors(max_age_seconds=-1))
    async def chat() -> None: ...

    with pytest.raises(ConfigurationError, match=r"cors\.max_age_seconds"):
        App([chat]).freeze(Environment())
    assert App([put_order], cors=Cors(max_age_seconds=-1)).freeze(Environment()).cors is not None


def test_an_environments_cors_wins(tmp_path: Any) -> None:
    (tmp_path / "eventflow.toml").write_text(
        '[environments.local.cors]\nallow_origins = ["https://shop.example.com"]\nmax_age_seconds = 5\n'
    )
    plan = App([put_order], cors=Cors()).freeze(load_environment(directory=tmp_path))
    assert plan.cors == Cors(allow_origins=(SHOP,), max_age_seconds=5)
    (tmp_path / "eventflow.toml").write_text("[environments.local.cors]\nallow_origin = []\n")
    with pytest.raises(ConfigurationError, match="'allow_origin' is not a key; known: allow_credentials"):
        load_environment(directory=tmp_path)

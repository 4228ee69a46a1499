"""A request's way through a distribution: which functions run, what each sees, and what a viewer gets."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from eventflow import CloudFrontEvent, EdgeRequest, EdgeResponse, Environment, function, on_cloudfront
from eventflow.events.cloudfront import EdgeBody
from eventflow.model.edge import Distribution, OriginUrl
from eventflow.testing import HttpResponse, OriginCall, TestApp
from eventflow.testing.edge import TestDistribution, example_distribution

SITE = example_distribution("site")
EVENT_TYPES = ("viewer-request", "origin-request", "origin-response", "viewer-response")
Handler = Callable[[CloudFrontEvent], Any]


def hooks(**handlers: Handler) -> list[Callable[..., Any]]:
    """Functions from handlers: ``viewer_request=...``. One that is ``async`` may take its whole time."""
    return [_hook(name.replace("_", "-"), handler) for name, handler in handlers.items()]


def _hook(event_type: Any, handler: Handler, *, include_body: bool = False) -> Callable[..., Any]:
    @on_cloudfront("site", event_type, include_body=include_body)
    @function(name=event_type, timeout_seconds=5 if event_type.startswith("viewer") else 30)
    async def hook(event: CloudFrontEvent) -> Any:
        answer = handler(event)
        return await answer if asyncio.iscoroutine(answer) else answer

    return hook


@asynccontextmanager
async def site(
    *functions: Callable[..., Any], origin: Callable[[OriginCall], Any] | None = None, **options: Any
) -> AsyncIterator[TestDistribution]:
    """A distribution of these functions, with options of its own."""
    environment = Environment(distributions={"site": replace(SITE, **options)})
    async with TestApp(functions, environment=environment) as app:
        yield app.cloudfront("site", origin)


def page(call: OriginCall) -> HttpResponse:
    return HttpResponse(status=200, headers=(("content-type", "text/html"), ("etag", '"1"')), body=b"<p>Hello</p>")


def request_of(event: CloudFrontEvent) -> EdgeRequest:
    return event.request


def response_of(event: CloudFrontEvent) -> EdgeResponse:
    return event.response


def all_four(seen: list[str]) -> list[Callable[..., Any]]:
    """Functions for every moment, which write down that they ran."""

    def noting(answer: Handler) -> Handler:
        def handler(event: CloudFrontEvent) -> Any:
            seen.append(str(event.event_type))
            return answer(event)

        return handler

    answers = (request_of, request_of, response_of, response_of)
    return [_hook(event_type, noting(answer)) for event_type, answer in zip(EVENT_TYPES, answers, strict=True)]


async def test_the_four_functions_run_in_order() -> None:
    seen: list[str] = []
    async with site(*all_four(seen), origin=page) as distribution:
        response = await distribution.get("/hello")
    assert seen == list(EVENT_TYPES)
    assert (response.status, response.body) == (200, b"<p>Hello</p>")
    assert response.header("x-cache") == "Miss from cloudfront"
    assert response.header("etag") == '"1"'


async def test_without_any_function_requests_go_to_the_origin_and_back() -> None:
    async with site(*hooks(viewer_response=response_of), origin=page) as distribution:
        response = await distribution.post("/a/../b%2Fc?x=1&x=2", b"body", headers={"Cookie": "a=1", "X-Own": "2"})
    [call] = distribution.calls
    assert (call.method, call.url, call.body) == ("POST", "http://origin.example/a/../b%2Fc?x=1&x=2", b"body")
    assert (call.header("cookie"), call.header("x-own"), call.header("host")) == ("a=1", "2", "origin.example")
    assert call.header("x-forwarded-for") == "127.0.0.1"
    assert call.header("via") == "1.1 site.cloudfront.localhost (CloudFront)"
    assert response.header("x-amz-cf-id") == call.header("x-amz-cf-id")
    assert response.header("via") == "1.1 site.cloudfront.localhost (CloudFront)"


async def test_what_each_function_is_given() -> None:
    events: dict[str, dict[str, Any]] = {}

    def keep(answer: Handler) -> Handler:
        def handler(event: CloudFrontEvent) -> Any:
            events[str(event.event_type)] = event.to_wire()["Records"][0]["cf"]
            return answer(event)

        return handler

    handlers = hooks(
        viewer_request=keep(request_of),
        origin_request=keep(request_of),
        origin_response=keep(response_of),
        viewer_response=keep(response_of),
    )
    options = {"origin_headers": {"X-Secret": "1"}, "distribution_id": "E1", "domain_name": "d1.cloudfront.net"}
    async with site(*handlers, origin=page, **options) as distribution:
        await distribution.get(
            "/a?b=c", headers={"X-Secret": "mine", "X-Real-IP": "6.6.6.6", "X-Forwarded-For": "9.9.9.9"}
        )
    viewer, origin = events["viewer-request"], events["origin-request"]
    assert viewer["config"].keys() == {"distributionDomainName", "distributionId", "eventType", "requestId"}
    assert (viewer["config"]["distributionId"], viewer["config"]["distributionDomainName"]) == (
        "E1",
        "d1.cloudfront.net",
    )
    assert len({event["config"]["requestId"] for event in events.values()}) == 1
    request = viewer["request"]
    assert (request["clientIp"], request["method"], request["uri"], request["querystring"]) == (
        "127.0.0.1", "GET", "/a", "b=c",
    )  # fmt: skip
    assert "origin" not in request
    assert request["headers"]["host"] == [{"key": "Host", "value": "testserver"}]
    assert request["headers"]["x-secret"] == [{"key": "X-Secret", "value": "mine"}]
    assert "x-real-ip" not in request["headers"], "functions do not see what is disallowed"
    assert origin["request"]["headers"]["host"] == [{"key": "Host", "value": "origin.example"}]
    assert origin["request"]["headers"]["x-forwarded-for"][0]["value"] == "9.9.9.9, 127.0.0.1"
    assert "x-secret" not in origin["request"]["headers"], "the origin's own wins"
    assert origin["request"]["origin"]["custom"] == {
        "customHeaders": {"x-secret": [{"key": "X-Secret", "value": "1"}]},
        "domainName": "origin.example",
        "keepaliveTimeout": 5,
        "path": "",
        "port": 80,
        "protocol": "http",
        "readTimeout": 30,
        "sslProtocols": ["TLSv1.2"],
    }
    assert events["origin-response"]["request"] == origin["request"]
    assert events["origin-response"]["response"]["status"] == "200"
    assert "via" not in events["origin-response"]["response"]["headers"]
    assert events["viewer-response"]["request"] == request
    assert events["viewer-response"]["response"]["headers"]["via"][0]["value"].endswith("(CloudFront)")
    assert distribution.calls[0].header("x-secret") == "1"


async def test_uri_querystring_and_headers_are_rewritten() -> None:
    def rewrite(event: CloudFrontEvent) -> EdgeRequest:
        request = event.request.with_header("X-Variant", "b").with_header("Cookie", "c=2")
        return request.model_copy(update={"uri": "/b/ü?", "querystring": "lang=dé"})

    async with site(*hooks(viewer_request=rewrite), origin=page) as distribution:
        await distribution.get("/a", headers={"Cookie": "c=1"})
    [call] = distribution.calls
    assert call.url == "http://origin.example/b/%C3%BC%3F?lang=d%C3%A9"
    assert (call.header("x-variant"), call.header("cookie")) == ("b", "c=2")


async def test_what_a_function_leaves_out_is_empty_or_as_it_was() -> None:
    def shorten(event: CloudFrontEvent) -> dict[str, Any]:
        wire = event.request.to_wire()
        return {"uri": "/short", "headers": wire["headers"], "clientIp": wire["clientIp"], "extra": 1}

    seen: list[dict[str, Any]] = []

    def keep(event: CloudFrontEvent) -> EdgeRequest:
        seen.append(event.request.to_wire())
        return event.request

    async with site(*hooks(viewer_request=shorten, origin_request=keep)) as distribution:
        await distribution.get("/long?a=b")
    assert seen[0].keys() == {"clientIp", "method", "uri", "querystring", "headers", "origin"}
    assert (seen[0]["method"], seen[0]["querystring"]) == ("GET", "")
    assert distribution.calls[0].url == "http://origin.example/short"


async def test_a_viewer_request_may_be_answered_at_once() -> None:
    seen: list[str] = []
    redirect = _hook(
        "viewer-request", lambda event: EdgeResponse.generate(302, headers={"Location": "/new"}, body="moved")
    )
    async with site(redirect, *all_four(seen)[1:], origin=page) as distribution:
        response = await distribution.get("/old")
    assert (response.status, response.header("location"), response.body) == (302, "/new", b"moved")
    assert response.header("x-cache") == "LambdaGeneratedResponse from cloudfront"
    assert response.header("via") == "1.1 site.cloudfront.localhost (CloudFront)"
    assert (seen, distribution.calls) == ([], [])


async def test_a_response_of_an_origin_request_skips_the_origin_but_not_the_viewer() -> None:
    seen: list[str] = []
    four = all_four(seen)
    four[1] = _hook("origin-request", lambda event: EdgeResponse.generate(403, body=b"\xff\xfe"))
    async with site(*four, origin=page) as distribution:
        response = await distribution.get("/")
    assert (response.status, response.body) == (403, b"\xff\xfe")
    assert (seen, distribution.calls) == (["viewer-request", "viewer-response"], [])
    assert response.header("content-length") == "2"


async def test_an_origin_response_may_be_changed_and_its_body_replaced() -> None:
    def repair(event: CloudFrontEvent) -> EdgeResponse:
        response = event.response.with_header("Cache-Control", "no-store")
        if event.response.status == "404":
            return response.model_copy(update={"status": "200", "body": "a fallback"})
        return response

    def answers(call: OriginCall) -> HttpResponse:
        status = 404 if call.url.endswith("missing") else 200
        headers = (
            ("content-length", "4"),
            ("content-type", "text/plain"),
            ("x-accel-expires", "1"),
            ("x-cache", "Hit"),
        )
        return HttpResponse(status=status, headers=(*headers, ("x-amzn-requestid", "7")), body=b"page")

    async with site(*hooks(origin_response=repair), origin=answers) as distribution:
        kept, replaced = await distribution.get("/there"), await distribution.get("/missing")
    assert (kept.status, kept.body, kept.header("cache-control")) == (200, b"page", "no-store")
    assert (replaced.status, replaced.body, replaced.header("content-length")) == (200, b"a fallback", "10")
    assert kept.header("x-amzn-requestid") == "7", "functions do not see it, viewers do"
    assert [value for name, value in kept.headers if name == "x-cache"] == ["Miss from cloudfront"]


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_errors_of_the_origin_are_shown_to_the_origins_function_only(status: int) -> None:
    seen: list[str] = []
    failing = HttpResponse(status=status, headers=(), body=b"sorry")
    async with site(*all_four(seen), origin=lambda call: failing) as distribution:
        response = await distribution.get("/")
    assert (response.status, response.body) == (status, b"sorry")
    assert response.header("x-cache") == "Error from cloudfront"
    assert seen == ["viewer-request", "origin-request", "origin-response"]


async def test_a_viewer_response_changes_headers() -> None:
    handler = hooks(viewer_response=lambda event: event.response.with_header("X-Frame-Options", "DENY"))
    async with site(*handler, origin=page) as distribution:
        response = await distribution.get("/")
    assert (response.header("x-frame-options"), response.body) == ("DENY", b"<p>Hello</p>")


async def test_several_values_of_a_header_stay_several() -> None:
    cookies = HttpResponse(status=200, headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")), body=b"")
    async with site(*hooks(viewer_response=response_of), origin=lambda call: cookies) as distribution:
        response = await distribution.get("/")
    assert [value for name, value in response.headers if name == "set-cookie"] == ["a=1", "b=2"]


async def test_headers_of_a_connection_do_not_cross_it() -> None:
    headers = (
        ("Connection", "X-Hop, close"),
        ("X-Hop", "1"),
        ("Keep-Alive", "5"),
        ("Trailer", "x"),
        ("Upgrade", "h2c"),
    )
    there = HttpResponse(status=200, headers=headers, body=b"")
    async with site(*hooks(viewer_response=response_of), origin=lambda call: there) as distribution:
        sent = {"Connection": "X-Mine, keep-alive", "X-Mine": "1", "TE": "trailers", "Expect": "x", "Upgrade": "h2c"}
        response = await distribution.get("/", headers=sent)
    [call] = distribution.calls
    assert {name for name, _ in call.headers} == {"host", "x-forwarded-for", "via", "x-amz-cf-id"}
    assert {name for name, _ in response.headers} == {"via", "x-cache", "x-amz-cf-id", "date"}


# Bodies


def with_body(event_type: str, handler: Handler) -> Callable[..., Any]:
    return _hook(event_type, handler, include_body=True)


@pytest.mark.parametrize(("event_type", "limit"), [("viewer-request", 40 * 1024), ("origin-request", 1024 * 1024)])
async def test_a_function_sees_the_beginning_of_a_body_and_the_origin_all_of_it(event_type: str, limit: int) -> None:
    seen: list[EdgeBody] = []

    def read(event: CloudFrontEvent) -> EdgeRequest:
        assert event.request.body is not None
        seen.append(event.request.body)
        return event.request

    async with site(with_body(event_type, read)) as distribution:
        await distribution.post("/", b"x" * limit)
        await distribution.post("/", b"x" * (limit + 1))
        await distribution.get("/")
    assert [(len(body.data_bytes), body.input_truncated) for body in seen] == [
        (limit, False),
        (limit, True),
        (0, False),
    ]
    assert [len(call.body) for call in distribution.calls] == [limit, limit + 1, 0]
    assert (seen[0].action, seen[0].encoding) == ("read-only", "base64")


async def test_without_include_body_there_is_none_in_the_event() -> None:
    async with site(*hooks(viewer_request=request_of)) as distribution:
        await distribution.post("/", b"body")
    assert distribution.calls[0].body == b"body"


@pytest.mark.parametrize(
    ("encoding", "data"), [("text", "new ü"), ("base64", base64.b64encode("new ü".encode()).decode())]
)
async def test_a_replaced_body_is_what_all_others_see(encoding: str, data: str) -> None:
    def change(event: CloudFrontEvent) -> EdgeRequest:
        body = EdgeBody(action="replace", encoding=encoding, data=data)
        return event.request.model_copy(update={"body": body})

    later: list[bytes] = []

    def read(event: CloudFrontEvent) -> EdgeRequest:
        assert event.request.body is not None
        later.append(event.request.body.data_bytes)
        return event.request

    async with site(with_body("viewer-request", change), with_body("origin-request", read)) as distribution:
        await distribution.post("/", b"old and longer")
    assert (later, distribution.calls[0].body) == (["new ü".encode()], "new ü".encode())


async def test_changing_the_data_without_saying_so_changes_nothing() -> None:
    def change(event: CloudFrontEvent) -> EdgeRequest:
        assert event.request.body is not None
        return event.request.model_copy(update={"body": event.request.body.model_copy(update={"data": "AAAA"})})

    async with site(with_body("viewer-request", change)) as distribution:
        await distribution.post("/", b"old")
    assert distribution.calls[0].body == b"old"


# What CloudFront does not take


async def test_a_forbidden_header_is_refused_as_cloudfront_refuses_it(caplog: pytest.LogCaptureFixture) -> None:
    handler = hooks(viewer_request=lambda event: event.request.with_header("X-Edge-Location", "FRA"))
    async with site(*handler, origin=page) as distribution:
        response = await distribution.get("/")
    assert (response.status, distribution.calls) == (502, [])
    assert response.header("x-cache") == "LambdaValidationError from cloudfront"
    assert response.header("server") == "CloudFront"
    assert response.text == "The Lambda function's result is not valid: the header x-edge-location is disallowed.\n"
    assert "viewer-request returned what CloudFront does not take: the header x-edge-location" in caplog.text


async def test_a_handler_that_changes_the_very_event_is_caught_all_the_same() -> None:
    @on_cloudfront("site", "viewer-request")
    def rename(event: dict[str, Any], context: object) -> Any:
        request = event["Records"][0]["cf"]["request"]
        request["headers"]["host"][0]["value"] = "other.example"
        return request

    async with site(rename) as distribution:
        response = await distribution.get("/")
    assert (response.status, "host is read-only" in response.text) == (502, True)


@pytest.mark.parametrize("answer", [None, "text", [], {}, b"bytes"])
async def test_what_is_neither_request_nor_response_is_refused(answer: object) -> None:
    async with site(*hooks(origin_request=lambda event: answer)) as distribution:
        response = await distribution.get("/")
    assert (response.status, response.header("x-cache")) == (502, "LambdaValidationError from cloudfront")


@pytest.mark.parametrize("event_type", EVENT_TYPES)
async def test_a_function_that_fails_is_503_whenever_it_runs(event_type: str) -> None:
    def fail(event: CloudFrontEvent) -> None:
        raise ValueError("secret")

    async with site(_hook(event_type, fail), origin=page) as distribution:
        response = await distribution.get("/")
    assert (response.status, response.header("x-cache")) == (503, "LambdaExecutionError from cloudfront")
    assert "secret" not in response.text


@pytest.mark.parametrize(("event_type", "seconds"), [*zip(EVENT_TYPES, (5, 30, 30, 5), strict=True)])
async def test_a_function_has_its_time_and_no_more(event_type: str, seconds: int) -> None:
    async def wait(event: CloudFrontEvent) -> Any:
        await asyncio.sleep(seconds + (1 if event.request.uri == "/slow" else -1))
        return event.request if "request" in event_type else event.response

    started = asyncio.get_running_loop().time()
    async with site(_hook(event_type, wait), origin=page) as distribution:
        in_time, late = await distribution.get("/"), await distribution.get("/slow")
    assert (in_time.status, late.status) == (200, 503)
    assert late.header("x-cache") == "LambdaLimitExceeded from cloudfront"
    assert asyncio.get_running_loop().time() - started == pytest.approx(2 * seconds - 1, abs=0.01)


async def test_a_throttled_function_is_503() -> None:
    @on_cloudfront("site", "viewer-request")
    @function(reserved_concurrency=0)
    async def never(event: CloudFrontEvent) -> EdgeRequest:
        return event.request

    async with site(never) as distribution:
        response = await distribution.get("/")
    assert (response.status, response.header("x-cache")) == (503, "LambdaLimitExceeded from cloudfront")


# Requests that go nowhere


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("TRACE", "/", {}, 403),
        ("GET", "/", {"body": b"x"}, 403),
        ("GET", f"/{'x' * 8192}", {}, 413),
        ("POST", "/", {"headers": {"x-large": "x" * 33_000}}, 413),
        ("GET", "/", {"headers": {"Upgrade": "WebSocket", "Connection": "upgrade"}}, 501),
        ("OPTIONS", "*", {}, 400),
    ],
)
async def test_a_request_is_refused_before_anything_runs(
    method: str, path: str, options: dict[str, Any], status: int
) -> None:
    seen: list[str] = []
    async with site(*all_four(seen), origin=page) as distribution:
        response = await distribution.request(method, path, **options)
    assert (response.status, response.header("x-cache")) == (status, "Error from cloudfront")
    assert (seen, distribution.calls) == ([], [])


async def test_only_allowed_methods_pass() -> None:
    async with site(*hooks(viewer_request=request_of), origin=page, allowed_methods=("GET", "HEAD")) as distribution:
        statuses = [(await distribution.request(method, "/")).status for method in ("GET", "HEAD", "POST", "OPTIONS")]
    assert statuses == [200, 200, 403, 403]


# Origins


def moved(**changes: Any) -> Handler:
    """An origin-request function that changes the custom origin."""

    def move(event: CloudFrontEvent) -> EdgeRequest:
        assert event.request.origin is not None
        custom = {**event.request.origin["custom"], **changes}
        host = custom["domainName"]
        return event.request.with_header("Host", host).model_copy(update={"origin": {"custom": custom}})

    return move


async def test_a_function_chooses_another_origin() -> None:
    handler = moved(domainName="blue.example", port=8443, protocol="https", path="/v2", readTimeout=4)
    async with site(*hooks(origin_request=handler)) as distribution:
        await distribution.get("/a")
    assert distribution.calls[0].url == "https://blue.example:8443/v2/a"
    assert distribution.calls[0].header("host") == "blue.example"


async def test_the_environment_says_where_a_chosen_origin_is() -> None:
    origins = {"blue.example": OriginUrl.parse("http://127.0.0.1:9001/blue")}
    async with site(
        *hooks(origin_request=moved(domainName="blue.example", path="/v2")), origins=origins
    ) as distribution:
        await distribution.get("/a")
    assert distribution.calls[0].url == "http://127.0.0.1:9001/blue/v2/a"


async def test_a_function_chooses_a_bucket() -> None:
    def choose(event: CloudFrontEvent) -> EdgeRequest:
        bucket = {"domainName": "site.s3.amazonaws.com", "authMethod": "none", "path": "/www", "region": "us-east-1"}
        origin = {"s3": {**bucket, "customHeaders": {"x-from": [{"key": "X-From", "value": "edge"}]}}}
        return event.request.model_copy(update={"origin": origin})

    async with site(*hooks(origin_request=choose)) as distribution:
        await distribution.get("/a")
    assert distribution.calls[0].url == "https://site.s3.amazonaws.com/www/a"
    assert distribution.calls[0].header("x-from") == "edge"


async def test_the_environments_own_origin_may_be_an_address_and_stay_one() -> None:
    local = Distribution(
        name="site", origin=OriginUrl.parse("http://127.0.0.1:90"), distribution_id="E", domain_name="site.example"
    )
    environment = Environment(distributions={"site": local})
    async with TestApp(hooks(origin_request=moved(path="/v2")), environment=environment) as app:
        distribution = app.cloudfront("site")
        await distribution.get("/a")
    assert distribution.calls[0].url == "http://127.0.0.1:90/v2/a"


async def test_an_origin_that_does_not_answer_is_504() -> None:
    async def slow(call: OriginCall) -> HttpResponse:
        await asyncio.sleep(5)
        return page(call)

    seen: list[str] = []
    four = all_four(seen)
    async with site(*four, origin=slow, origin_read_timeout_seconds=4) as distribution:
        response = await distribution.get("/")
    assert (response.status, response.header("x-cache")) == (504, "Error from cloudfront")
    assert seen == ["viewer-request", "origin-request"]
    async with site(*four, origin=slow, origin_read_timeout_seconds=6) as distribution:
        assert (await distribution.get("/")).status == 200


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(status=101, headers=(), body=b""),
        HttpResponse(status=999, headers=(), body=b""),
        HttpResponse(status=200, headers=(("x-split", "a\r\nb"),), body=b""),
    ],
    ids=["informational", "no status", "a header with a line break"],
)
async def test_an_answer_that_is_no_http_is_502(answer: HttpResponse) -> None:
    async with site(*hooks(viewer_response=response_of), origin=lambda call: answer) as distribution:
        response = await distribution.get("/")
    assert (response.status, response.header("x-cache")) == (502, "Error from cloudfront")


async def test_a_distribution_without_an_environment_has_an_origin_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with TestApp(hooks(viewer_request=request_of)) as app:
        distribution = app.cloudfront("site")
        response = await distribution.get("/")
    assert (response.status, distribution.calls[0].url) == (200, "http://origin.example/")
    assert not caplog.records

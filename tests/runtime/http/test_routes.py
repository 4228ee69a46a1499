from __future__ import annotations

import asyncio
import logging
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from eventflow.events import HttpEvent
from eventflow.model import limits
from eventflow.model.context import Context
from eventflow.runtime.http.app import HttpApp
from eventflow.runtime.http.asgi import Message
from eventflow.triggers.function import function
from eventflow.triggers.http import on_http
from tests.runtime.http.harness import Reply, running

NOT_FOUND = (404, {"message": "Not Found"})
FUNCTION_ERROR = (500, {"message": "Internal Server Error"})


class Order(BaseModel):
    id: str
    total: float


@on_http("GET /orders/{id}")
async def get_order(event: HttpEvent, id: str) -> dict[str, Any]:
    return {"id": id, "query": event.query, "from": event.source_ip}


@on_http("POST /orders")
async def create_order(order: Order) -> Order:
    return order


@on_http("PUT /orders/{number}")
async def number_order(number: int, order: Order) -> dict[str, Any]:
    return {"number": number, "id": order.id}


@on_http("ANY /files/{path+}")
async def files(event: dict[str, Any]) -> str:
    return f"{event['requestContext']['http']['method']} {event['pathParameters']['path']}"


@on_http("$default")
async def anything_else(event: HttpEvent) -> dict[str, Any]:
    return {"statusCode": 418, "body": event.raw_path}


@on_http("POST /echo")
async def echo(event: dict[str, Any]) -> dict[str, Any]:
    return event


@on_http("ANY /fails")
async def fails() -> None:
    raise ValueError("no luck")


def outcome_of(reply: Reply) -> tuple[int, Any]:
    return reply.status, reply.json()


async def test_a_route_answers_with_its_functions_result() -> None:
    with running(get_order) as here:
        reply = await here.client.get("/orders/a%2Fb", query="x=1&x=2")
    assert outcome_of(reply) == (200, {"id": "a/b", "query": {"x": ["1", "2"]}, "from": "192.0.2.1"})
    assert reply.header("content-type") == "application/json"
    assert reply.header("content-length") == str(len(reply.body))


async def test_the_event_and_the_answer_carry_the_same_request_id() -> None:
    with running(echo) as here:
        reply = await here.client.post("/echo")
    assert reply.header("apigw-requestid") == reply.json()["requestContext"]["requestId"]


async def test_the_event_is_payload_format_2() -> None:
    with running(echo) as here:
        reply = await here.client.post("/echo", b'{"a":1}', headers={"content-type": "application/json", "host": "h"})
    event = reply.json()
    assert {key: event[key] for key in ("version", "routeKey", "rawPath", "body", "isBase64Encoded")} == {
        "version": "2.0",
        "routeKey": "POST /echo",
        "rawPath": "/echo",
        "body": '{"a":1}',
        "isBase64Encoded": False,
    }
    assert event["requestContext"]["time"] == "01/Jan/2026:00:00:00 +0000"


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", ""])
async def test_text_that_cannot_be_decoded_arrives_as_base64(content_type: str) -> None:
    with running(echo) as here:
        reply = await here.client.post("/echo", b"\xff", headers={"content-type": content_type})
    assert (reply.json()["body"], reply.json()["isBase64Encoded"]) == ("/w==", True)


async def test_an_unknown_path_is_not_found() -> None:
    with running(get_order) as here:
        assert outcome_of(await here.client.get("/nowhere")) == NOT_FOUND
        assert outcome_of(await here.client.get("/orders/1/")) == NOT_FOUND


async def test_a_known_path_with_another_method_is_not_found_either() -> None:
    with running(get_order) as here:
        assert outcome_of(await here.client.request("DELETE", "/orders/1")) == NOT_FOUND


async def test_the_default_route_takes_what_no_other_does() -> None:
    with running(get_order, anything_else) as here:
        reply = await here.client.request("DELETE", "/orders/1")
    assert (reply.status, reply.body) == (418, b"/orders/1")


async def test_a_greedy_route_takes_any_method_and_depth() -> None:
    with running(files) as here:
        assert (await here.client.request("PATCH", "/files/a/b.txt")).body == b"PATCH a/b.txt"


async def test_two_routes_of_one_function_each_fill_their_own_parameters() -> None:
    @on_http("GET /a/{x}")
    @on_http("GET /b/{y}")
    async def both(event: dict[str, Any]) -> Any:
        return event["pathParameters"]

    with running(both) as here:
        assert (await here.client.get("/a/1")).json() == {"x": "1"}
        assert (await here.client.get("/b/2")).json() == {"y": "2"}


async def test_a_typed_body_in_chunks_is_read_whole() -> None:
    with running(create_order) as here:
        reply = await here.client.post("/orders", [b'{"id":"o",', b'"total"', b":2}"])
    assert outcome_of(reply) == (200, {"id": "o", "total": 2.0})


@pytest.mark.parametrize(
    ("body", "location"), [(b'{"id":"o"}', "total"), (b"{", ""), (b"", ""), (b"\xff", ""), (b"[]", "")]
)
async def test_a_body_that_does_not_fit_the_handlers_type_is_a_bad_request(body: bytes, location: str) -> None:
    with running(create_order) as here:
        reply = await here.client.post("/orders", body)
    [error] = reply.json()["errors"]
    assert (reply.status, reply.json()["message"], error["location"]) == (400, "Invalid request body", location)


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/json", ""])
async def test_a_body_that_is_not_the_text_a_handler_asks_for_is_a_bad_request(content_type: str) -> None:
    @on_http("POST /notes")
    async def note(text: str) -> str:
        return text

    @on_http("POST /threaded")
    def threaded(text: str | None) -> Any:
        return text

    with running(note, threaded) as here:
        for path in ("/notes", "/threaded"):
            reply = await here.client.post(path, b"caf\xe9", headers={"content-type": content_type})
            [error] = reply.json()["errors"]
            assert (reply.status, reply.json()["message"]) == (400, "Invalid request body")
            assert error["message"].startswith("is not UTF-8 text: ")


async def test_a_bad_request_shows_no_value_that_was_sent() -> None:
    with running(create_order) as here:
        reply = await here.client.post("/orders", b'{"id":"o","total":"s3cret"}')
    assert reply.status == 400
    assert b"s3cret" not in reply.body


async def test_a_path_parameter_that_does_not_fit_is_a_bad_request() -> None:
    with running(number_order) as here:
        reply = await here.client.request("PUT", "/orders/seven", b'{"id":"o","total":1}')
    assert (reply.status, reply.json()["message"]) == (400, "Invalid path parameter 'number'")


async def test_a_bad_request_is_no_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with running(create_order) as here:
        await here.client.post("/orders", b"{")
    assert not caplog.records


async def test_a_function_error_tells_the_client_nothing_and_the_log_everything(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with running(fails) as here:
        reply = await here.client.get("/fails")
    assert outcome_of(reply) == FUNCTION_ERROR
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "fails failed" in record.getMessage()
    assert record.exc_info is not None
    assert record.__dict__["function_request_id"] == reply.header("apigw-requestid")


async def test_the_functions_own_timeout_is_a_function_error(caplog: pytest.LogCaptureFixture) -> None:
    @on_http("GET /slow")
    async def slow() -> None:
        await anyio.sleep(4)

    with running(slow) as here:
        assert outcome_of(await here.client.get("/slow")) == FUNCTION_ERROR
    assert "timed out after 3.00 seconds" in caplog.text


@pytest.mark.parametrize("result", [{1, 2}, {"statusCode": 99}, {"statusCode": 200, "headers": {"x": "a\r\nb: c"}}])
async def test_a_result_that_is_no_response_is_an_error_that_names_function_and_type(
    result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @on_http("GET /")
    async def odd() -> Any:
        return result

    with running(odd) as here:
        assert outcome_of(await here.client.get("/")) == FUNCTION_ERROR
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert f"odd returned {type(result).__name__}, which is no HTTP response" in record.getMessage()


async def test_a_class_that_fails_to_serialise_is_an_error_too() -> None:
    class Broken(BaseModel):
        @property
        def value(self) -> str:
            return ""

        def model_dump_json(self, **options: Any) -> str:
            raise OSError("disk on fire")

    @on_http("GET /")
    async def odd() -> Any:
        return Broken()

    with running(odd) as here:
        assert outcome_of(await here.client.get("/")) == FUNCTION_ERROR


async def test_no_free_permit_is_too_many_requests() -> None:
    @on_http("GET /")
    @function(reserved_concurrency=0)
    async def never() -> None:
        raise AssertionError

    with running(never) as here:
        assert outcome_of(await here.client.get("/")) == (429, {"message": "Too Many Requests"})
        assert here.metrics.of("never", "http").throttled == 1


async def test_after_thirty_seconds_the_request_is_given_up_and_the_function_goes_on() -> None:
    finished: list[float] = []

    @on_http("GET /long")
    @function(timeout_seconds=900)
    async def long() -> None:
        await anyio.sleep(45)
        finished.append(anyio.current_time())

    with running(long) as here:
        reply = await here.client.get("/long")
        assert outcome_of(reply) == (503, {"message": "Service Unavailable"})
        assert anyio.current_time() == pytest.approx(30)
        [task] = here.app.outliving
        await asyncio.wait([task])
        assert finished == pytest.approx([45])
        assert not here.app.outliving


async def test_a_function_that_may_take_long_but_does_not_answers_as_any_other() -> None:
    @on_http("GET /")
    @function(timeout_seconds=900)
    async def quick(context: Context) -> str:
        return context.aws_request_id

    with running(quick) as here:
        reply = await here.client.get("/")
        assert reply.body.decode() == reply.header("apigw-requestid")


async def test_a_late_failure_is_in_the_log_although_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    @on_http("GET /")
    @function(timeout_seconds=60)
    async def late() -> None:
        await anyio.sleep(40)
        raise ValueError("too late")

    with running(late) as here:
        await here.client.get("/")
        assert not caplog.records
        await asyncio.wait(here.app.outliving)
    assert "too late" in caplog.text


async def test_a_body_over_ten_megabytes_is_too_large() -> None:
    with running(echo) as here:
        for body in (b"x" * (limits.HTTP_BODY_BYTES + 1), [b"x" * 1024 * 1024] * 11):
            assert outcome_of(await here.client.post("/echo", body)) == (413, {"message": "Request Entity Too Large"})


async def test_a_body_declared_too_large_is_not_even_read() -> None:
    with running(echo) as here:
        reply = await here.client.post("/echo", headers={"content-length": str(limits.HTTP_BODY_BYTES + 1)})
    assert reply.status == 413


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x" * (6 * 1024 * 1024), "text/plain"),
        (b"x" * (5 * 1024 * 1024), "application/octet-stream"),
        (b'"' * (4 * 1024 * 1024), "text/plain"),
        (b"\x01" * (1024 * 1024 + 100), "text/plain"),
    ],
    ids=["text", "base64", "quotes", "control characters"],
)
async def test_what_makes_an_event_over_six_megabytes_is_too_large(body: bytes, content_type: str) -> None:
    with running(echo) as here:
        reply = await here.client.post("/echo", body, headers={"content-type": content_type})
    assert reply.status == 413


async def test_large_bodies_that_fit_arrive_whole() -> None:
    @on_http("POST /size")
    async def size(event: HttpEvent) -> int:
        return len(event.body_bytes)

    with running(size) as here:
        for kind, length in (("text/plain", 6_200_000), ("application/octet-stream", 4_600_000)):
            reply = await here.client.post("/size", b"x" * length, headers={"content-type": kind})
            assert outcome_of(reply) == (200, length)


async def test_headers_and_request_line_over_ten_kilobytes_are_too_large() -> None:
    too_large = (431, {"message": "Request Header Fields Too Large"})
    with running(anything_else) as here:
        assert outcome_of(await here.client.get("/x", headers={"cookie": "a" * 10_240})) == too_large
        assert outcome_of(await here.client.get("/" + "x" * 10_240)) == too_large
        assert outcome_of(await here.client.get("/x", query="q=" + "x" * 10_240)) == too_large
        assert (await here.client.get("/x", headers={"cookie": "a" * 10_000})).status == 418


async def test_the_head_limit_is_the_documented_one_to_the_byte() -> None:
    used = len("GET /x HTTP/1.1\r\n") + len("cookie: \r\n")
    with running(anything_else) as here:
        fits = "a" * (limits.HTTP_HEADER_BYTES - used)
        assert (await here.client.get("/x", headers={"cookie": fits})).status == 418
        assert (await here.client.get("/x", headers={"cookie": fits + "a"})).status == 431


async def test_a_client_that_leaves_while_it_sends_runs_nothing() -> None:
    with running(create_order) as here:
        reply = await here.client.post("/orders", [b'{"id":"o","total":1}'], disconnect_early=True)
        assert reply.status == 0
        assert here.metrics.of("create_order", "http").succeeded == 0


async def test_a_client_that_leaves_while_the_function_runs_does_not_stop_it() -> None:
    finished = []

    @on_http("GET /")
    async def work() -> None:
        await anyio.sleep(1)
        finished.append(True)

    async def gone(message: Message) -> None:
        raise OSError("the client has gone")

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with running(work) as here:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": [],
            "query_string": b"",
            "http_version": "1.1",
        }
        await here.app(scope, receive, gone)
        assert finished == [True]
        assert here.metrics.of("work", "http").succeeded == 1


async def test_a_head_request_is_answered_without_a_body_but_with_its_length() -> None:
    @on_http("ANY /")
    async def page() -> str:
        return "hello"

    with running(page) as here:
        reply = await here.client.request("HEAD", "/")
    assert (reply.status, reply.body, reply.header("content-length")) == (200, b"", "5")


@pytest.mark.parametrize("status", [204, 304])
async def test_some_statuses_have_neither_body_nor_length(status: int) -> None:
    @on_http("GET /")
    async def page() -> dict[str, Any]:
        return {"statusCode": status, "headers": {"etag": "x"}, "body": "ignored"}

    with running(page) as here:
        reply = await here.client.get("/")
    assert (reply.status, reply.body) == (status, b"")
    assert [name for name, _ in reply.headers] == ["etag", "apigw-requestid"]


async def test_a_blocking_handler_runs_beside_the_loop() -> None:
    @on_http("GET /{id}")
    def blocking(id: str) -> dict[str, str]:
        return {"id": id}

    with running(blocking) as here:
        assert outcome_of(await here.client.get("/7")) == (200, {"id": "7"})


async def test_a_path_without_its_raw_form_is_encoded_again() -> None:
    with running(anything_else) as here:
        sent = await asgi(here.app, {"path": "/a b", "raw_path": None})
    assert sent[1]["body"] == b"/a%20b"


async def test_websockets_are_refused_and_other_scopes_unknown() -> None:
    with running(anything_else) as here:
        assert await asgi(here.app, {"type": "websocket"}) == [{"type": "websocket.close", "code": 1000}]
        with pytest.raises(NotImplementedError, match="lifespan"):
            await asgi(here.app, {"type": "lifespan"})


async def asgi(app: HttpApp, scope: dict[str, Any]) -> list[Message]:
    """Call the application directly; what it sends."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    request = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    await app({**request, **scope}, receive, send)
    return sent


async def test_an_app_without_routes_still_answers() -> None:
    @function(name="alone")
    async def alone() -> None: ...

    with running(alone) as here:
        assert outcome_of(await here.client.get("/")) == NOT_FOUND

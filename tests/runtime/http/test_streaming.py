"""Streamed responses: what goes out when, and what ends them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from eventflow import App, ConfigurationError, Environment, HttpEvent, HttpPrelude, function, on_function_url, on_http
from eventflow.model import limits
from eventflow.runtime.http.asgi import Message
from eventflow.testing import TestApp
from tests.runtime.http.harness import Running, running

streamed = on_function_url(invoke_mode="RESPONSE_STREAM")


@streamed
async def words(event: HttpEvent) -> AsyncIterator[Any]:
    yield HttpPrelude(201, {"Content-Type": "text/plain", "x-path": event.raw_path}, ["a=1", "b=2"])
    yield "one "
    await anyio.sleep(1)
    yield b"two"


@streamed
def plain_words(event: HttpEvent) -> Iterator[Any]:
    yield HttpPrelude(headers={"x-thread": threading.current_thread().name})
    yield "one "
    yield bytearray(b"two")


async def test_a_prelude_and_pieces_become_a_response() -> None:
    with running(words) as here:
        reply = await here.client.get("/x")
    assert (reply.status, reply.body, reply.complete) == (201, b"one two", True)
    assert (reply.header("content-type"), reply.header("x-path")) == ("text/plain", "/x")
    assert [value for name, value in reply.headers if name == "set-cookie"] == ["a=1", "b=2"]
    assert reply.header("content-length") is None


async def test_a_generator_that_is_not_async_streams_from_a_thread() -> None:
    with running(plain_words) as here:
        reply = await here.client.get("/")
        assert here.metrics.of("plain_words", "function_url").succeeded == 1
    assert (reply.status, reply.body) == (200, b"one two")
    assert reply.header("x-thread") != threading.current_thread().name


async def test_without_a_prelude_a_stream_is_octets() -> None:
    @streamed
    async def octets() -> AsyncIterator[bytes]:
        yield b""
        yield b"\x00"

    @streamed
    async def nothing() -> AsyncIterator[bytes]:
        for piece in tuple[bytes, ...]():
            yield piece

    with running(octets) as here:
        reply = await here.client.get("/")
    assert (reply.status, reply.header("content-type"), reply.body) == (200, "application/octet-stream", b"\x00")
    with running(nothing) as here:
        reply = await here.client.get("/")
    assert (reply.status, reply.body, reply.complete) == (200, b"", True)


async def test_a_status_without_a_body_has_none() -> None:
    @streamed
    async def empty() -> AsyncIterator[Any]:
        yield HttpPrelude(204)
        yield "dropped"

    with running(empty) as here:
        reply = await here.client.get("/")
    assert (reply.status, reply.body, reply.header("content-type")) == (204, b"", None)


async def test_a_handler_that_is_no_generator_answers_whole() -> None:
    @streamed
    async def whole() -> dict[str, int]:
        return {"a": 1}

    with running(whole) as here:
        assert (await here.client.get("/")).json() == {"a": 1}


@pytest.mark.parametrize(
    "first",
    [1, None, HttpPrelude(99), HttpPrelude(headers={"a": "b\r\nc: d"}), HttpPrelude(cookies=["a\n"])],
    ids=repr,
)
async def test_what_cannot_be_sent_first_is_a_bad_gateway(first: Any) -> None:
    @streamed
    async def wrong() -> AsyncIterator[Any]:
        yield first

    with running(wrong) as here:
        reply = await here.client.get("/")
    assert (reply.status, reply.body) == (502, b"Internal Server Error")


@pytest.mark.parametrize("later", [1, HttpPrelude(), ValueError("no luck")], ids=repr)
async def test_a_failure_midway_leaves_the_response_without_its_end(later: Any) -> None:
    @streamed
    async def breaks() -> AsyncIterator[Any]:
        yield "begun"
        if isinstance(later, Exception):
            raise later
        yield later

    with running(breaks) as here:
        reply = await here.client.get("/")
        assert here.metrics.of("breaks", "function_url").failed == 1
    assert (reply.status, reply.body, reply.complete) == (200, b"begun", False)


async def test_the_timeout_covers_the_whole_stream() -> None:
    closed = []

    @streamed
    @function(timeout_seconds=2)
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "."
                await anyio.sleep(1)
        finally:
            closed.append(True)

    with running(endless) as here:
        reply = await here.client.get("/")
        assert here.metrics.of("endless", "function_url").timed_out == 1
    assert (reply.complete, closed) == (False, [True])


async def test_a_throttled_stream_never_begins() -> None:
    @streamed
    @function(reserved_concurrency=0)
    async def never() -> AsyncIterator[str]:
        yield ""

    with running(never) as here:
        assert (await here.client.get("/")).status == 429


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_client_that_leaves_stops_the_generator(kind: str) -> None:
    gone, closed = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    @streamed
    async def endless() -> AsyncIterator[str]:
        try:
            yield "begun"
            gone.set()
            await anyio.sleep_forever()
        finally:
            closed.set()

    @streamed
    def endless_thread() -> Iterator[str]:
        try:
            yield "begun"
            loop.call_soon_threadsafe(gone.set)
            while True:
                yield "more"
        finally:
            closed.set()

    handler = endless if kind == "async" else endless_thread
    with running(handler) as here:
        reply = await here.client.request("GET", "/", gone=gone)
        figures = here.metrics.of(handler.__name__, "function_url")
        assert (figures.succeeded, figures.failed, figures.timed_out) == (0, 0, 0)
        await asyncio.get_running_loop().run_in_executor(None, closed.wait)
    assert not reply.complete
    assert reply.body.startswith(b"begun")


async def test_a_slow_client_holds_the_generator_up() -> None:
    produced = []
    reads = asyncio.Event()

    @streamed
    async def many() -> AsyncIterator[str]:
        for number in range(5):
            produced.append(number)
            yield str(number)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await reads.wait()

    with running(many) as here:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.app, scope(), nothing_received, send)
            await anyio.wait_all_tasks_blocked()
            assert produced == [0]
            reads.set()
    assert produced == [0, 1, 2, 3, 4]


async def test_a_stream_ends_at_its_limit() -> None:
    piece = bytes(limits.STREAMED_RESPONSE_BYTES // 2)
    sent = []

    @streamed
    async def large() -> AsyncIterator[bytes]:
        yield piece
        yield piece
        yield b"x"

    async def send(message: Message) -> None:
        sent.append((message["type"], message.get("more_body")))

    with running(large) as here:
        await here.app(scope(), nothing_received, send)
    assert sent == [("http.response.start", None), *[("http.response.body", True)] * 2]


def scope() -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [],
    }  # fmt: skip


async def nothing_received() -> Message:
    await anyio.sleep_forever()
    raise AssertionError


async def test_a_plain_invocation_collects_the_pieces() -> None:
    with running(words) as here:
        body = (await invoke(here, "words")).body
    prelude, _, rest = body.partition(bytes(8))
    assert json.loads(prelude)["statusCode"] == 201
    assert rest == b"one two"


async def test_a_collected_response_has_lambdas_limit() -> None:
    @function
    async def large() -> AsyncIterator[bytes]:
        while True:
            yield bytes(limits.MEBIBYTE)

    with running(large) as here:
        reply = await here.client.invoke("large")
    assert reply.json()["errorType"] == "Function.ResponseSizeTooLarge"


async def invoke(here: Running, name: str) -> Any:
    event = {"version": "2.0", "routeKey": "$default", "rawPath": "/", "headers": {}}
    event["requestContext"] = {"http": {"method": "GET", "path": "/"}, "stage": "$default"}
    return await here.client.invoke(name, json.dumps(event).encode())


@pytest.mark.parametrize(
    "mark", [on_http("GET /"), on_function_url(), lambda handler: streamed(function(isolation="process")(handler))]
)
def test_a_generator_where_nothing_streams_is_refused(mark: Any) -> None:
    async def handler() -> AsyncIterator[str]:
        yield ""

    with pytest.raises(ConfigurationError, match="generator"):
        App([mark(handler)]).freeze(Environment())


async def test_the_test_client_tells_a_broken_stream() -> None:
    @streamed
    async def breaks() -> AsyncIterator[str]:
        yield "begun"
        raise ValueError

    async with TestApp(breaks) as app:
        response = await app.http.get("/")
    assert (response.status, response.text, response.complete) == (200, "begun", False)


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_a_thread_that_does_not_yield_is_said_to_go_on(
    anyio_backend: Any, caplog: pytest.LogCaptureFixture
) -> None:
    released, gone = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    @streamed
    def stuck() -> Iterator[str]:
        yield "begun"
        loop.call_soon_threadsafe(gone.set)
        released.wait()

    with running(stuck) as here:
        reply = await here.client.request("GET", "/", gone=gone)
        released.set()
    assert (reply.body, reply.complete) == (b"begun", False)
    assert "stuck was stopped, but its thread goes on until it yields" in caplog.text

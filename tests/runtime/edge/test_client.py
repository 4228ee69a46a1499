"""Requests to origins on real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from eventflow.model.edge import OriginUrl
from eventflow.runtime.edge.client import AiohttpOrigins
from eventflow.runtime.edge.origins import OriginError, OriginRequest
from tests.servers.process import free_port

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def origin(answer: Answer) -> AsyncIterator[OriginUrl]:
    """A web server somebody else wrote."""
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield OriginUrl.parse(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_origin(answer: bytes, *, then_wait: bool = False) -> AsyncIterator[OriginUrl]:
    """A server that says these bytes to everybody, and hangs up or stays silent."""
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        if then_wait:
            await done.wait()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield OriginUrl("http", "127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        done.set()
        server.close()


async def send(request: OriginRequest) -> tuple[int, dict[str, str], bytes]:
    """A request over a client of its own."""
    async with AiohttpOrigins.opened(()) as origins, origins.send(request) as response:
        body = b"".join([piece async for piece in response.body])
        return response.status, {name.lower(): value for name, value in response.headers}, body


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_request_arrives_as_it_was_given_and_with_nothing_added() -> None:
    async def answer(request: web.Request) -> web.Response:
        names = sorted(name for name, _ in request.raw_headers)
        return web.json_response([request.method, request.raw_path, [name.decode() for name in names]])

    async with origin(answer) as url:
        headers = [("Host", "site.example"), ("X-Own", "1"), ("Cookie", "a=1")]
        request = OriginRequest("GET", url._replace(path="/base"), "/a/../b%2Fc?x=%20", headers)
        _, _, body = await send(request)
    assert body == b'["GET", "/base/a/../b%2Fc?x=%20", ["Cookie", "Host", "X-Own"]]'


@pytest.mark.parametrize(("length", "framing"), [(6, "6 None"), (None, "None chunked")])
async def test_a_body_is_sent_with_its_length_or_in_chunks(length: int | None, framing: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        said = f"{request.headers.get('Content-Length')} {request.headers.get('Transfer-Encoding')}"
        return web.Response(text=f"{said} {await request.text()}")

    async with origin(answer) as url:
        _, _, body = await send(OriginRequest("POST", url, "/", [], chunks(b"abc", b"def"), length))
    assert body.decode() == f"{framing} abcdef"


async def test_an_answer_comes_as_it_was_sent() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/b", "Content-Encoding": "gzip"}, body=b"not unpacked")

    async with origin(answer) as url:
        status, headers, body = await send(OriginRequest("GET", url, "/a", []))
    assert (status, headers["location"], body) == (302, "/b", b"not unpacked")


async def test_the_first_piece_is_there_before_the_last_is_written() -> None:
    seen = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first")
        await asyncio.wait_for(seen.wait(), 60)
        await response.write(b"last")
        return response

    async with (
        origin(answer) as url,
        AiohttpOrigins.opened(()) as origins,
        origins.send(OriginRequest("GET", url, "/", [])) as response,
    ):
        assert await anext(response.body) == b"first"
        seen.set()
        assert [piece async for piece in response.body] == [b"last"]


async def test_a_server_that_is_not_there_is_502() -> None:
    with pytest.raises(OriginError, match="cannot be reached") as caught:
        await send(OriginRequest("GET", OriginUrl("http", "127.0.0.1", free_port()), "/", []))
    assert caught.value.status == 502


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"])
async def test_an_answer_that_is_no_http_is_502(answer: bytes) -> None:
    async with raw_origin(answer) as url:
        with pytest.raises(OriginError) as caught:
            await send(OriginRequest("GET", url, "/", []))
    assert caught.value.status == 502


async def test_a_body_that_ends_too_early_is_an_error() -> None:
    async with raw_origin(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") as url:
        with pytest.raises(OriginError):
            await send(OriginRequest("GET", url, "/", []))


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"], ids=["at all", "any more"]
)
async def test_a_server_that_does_not_answer_is_504(answer: bytes) -> None:
    async with raw_origin(answer, then_wait=True) as url:
        with pytest.raises(OriginError, match="did not answer in time") as caught:
            await send(OriginRequest("GET", url, "/", [], read_seconds=0.05))
    assert caught.value.status == 504


async def test_names_that_functions_choose_lead_to_no_private_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OriginError, match="localhost has no public address"):
            await send(OriginRequest("GET", OriginUrl("http", "localhost", port), "/", []))
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_names_of_the_environment_lead_anywhere() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="here")

    async with origin(answer) as url, AiohttpOrigins.opened({"localhost"}) as origins:
        await origins.find("localhost")
        async with origins.send(OriginRequest("GET", url._replace(host="localhost"), "/", [])) as response:
            assert [piece async for piece in response.body] == [b"here"]


async def test_a_name_without_an_address_is_502() -> None:
    async with AiohttpOrigins.opened({"origin.invalid"}) as origins:
        await origins.find("127.0.0.1")
        with pytest.raises(OriginError, match=r"origin\.invalid is not found") as caught:
            await origins.find("origin.invalid")
    assert caught.value.status == 502

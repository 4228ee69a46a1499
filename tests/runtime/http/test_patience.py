"""How long the server waits for a client: on virtual time over Unix sockets, where bytes arrive at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest

from eventflow import WebSocketEvent, on_websocket
from eventflow.runtime.http.asgi import Message, Receive, Scope, Send, ServedApp
from eventflow.runtime.http.listener import Listener
from eventflow.runtime.http.patience import PATIENCE, Patience
from eventflow.runtime.stopping import StopSignal
from eventflow.triggers.function import function
from eventflow.triggers.http import on_http
from tests.runtime.http.harness import running

GET = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
POST = b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


@on_http("ANY /hello")
async def hello() -> str:
    return "hello"


@on_http("POST /size")
async def size(body: bytes) -> int:
    return len(body)


@on_http("GET /wait")
@function(timeout_seconds=900)
async def wait() -> str:
    await anyio.sleep(25)
    return "at last"


@on_http("GET /large")
async def large() -> str:
    return "x" * 5_000_000


class Client:
    """A client that takes its time. ``taken`` is how long the server has borne with it, in seconds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._began = asyncio.get_running_loop().time()

    @property
    def taken(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> bytes:
        """One answer, and the time begins anew."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        [length] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
        body = await self._reader.readexactly(int(length.split()[1]))
        self._began = asyncio.get_running_loop().time()
        return head + body

    async def upgraded(self) -> bool:
        return (await self._reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")

    async def rest(self) -> bytes:
        """Everything until the server ends the connection."""
        with anyio.fail_after(400):
            return await self._reader.read()

    async def trickle(self, data: bytes) -> bytes:
        """Send ``data`` again and again, every second, until the server ends the connection.

        Never as the server looks, also every second: what it has not read when it closes is a reset.
        """
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._go_on, data)
            received = await self.rest()
            tasks.cancel_scope.cancel()
        return received

    async def _go_on(self, data: bytes) -> None:
        await anyio.sleep(0.5)
        while not self._writer.is_closing():
            self._writer.write(data)
            await anyio.sleep(1)

    async def stop_reading_until_reset(self, data: bytes = b"\r\n") -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]
        with anyio.fail_after(400):
            while not self._writer.is_closing():
                self._writer.write(data)
                await anyio.sleep(1)


@asynccontextmanager
async def connected(*handlers: Callable[..., Any], patience: Patience = PATIENCE) -> AsyncIterator[Client]:
    """A client of a server that runs these functions."""
    with running(*(handlers or (hello, size, wait, large))) as app:
        async with connected_to(app.app, patience=patience) as client:
            yield client


@asynccontextmanager
async def connected_to(app: ServedApp, *, patience: Patience = PATIENCE) -> AsyncIterator[Client]:
    """A client of a server that runs."""
    stop = StopSignal()
    with TemporaryDirectory() as directory, socket.socket(socket.AF_UNIX) as sock:
        path = str(Path(directory, "s"))
        sock.bind(path)
        sock.listen()
        listener = Listener(app, access_log=False, patience=patience)
        await listener.open(sock)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listener.refresh_until, stop)
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    yield Client(reader, writer)
                finally:
                    writer.transport.abort()
                    await asyncio.sleep(0)
                    stop.request()
        finally:
            await listener.abort()


class Sluggish:
    """An application that takes 400 s before it reads, as one does that passes a body on to somebody slow. With
    ``early``, its answer begins at once."""

    outliving: frozenset[asyncio.Task[Any]] = frozenset()
    websockets = None

    def __init__(self, *, early: bool = False) -> None:
        self._early = early

    def abandon(self) -> None:
        """There is nothing to abandon."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]}
        if self._early:
            await send(start)
        else:
            await anyio.sleep(400)
        message = await receive()
        while message.get("more_body"):
            message = await receive()
        if message["type"] == "http.request":
            await send(start)
            await send({"type": "http.response.body", "body": b"read"})


async def test_a_connection_that_never_asks_for_anything_is_closed() -> None:
    async with connected() as client:
        assert await client.rest() == b""
        assert client.taken == pytest.approx(75, abs=2)


async def test_empty_lines_are_no_request() -> None:
    async with connected() as client:
        assert await client.trickle(b"\r\n") == b""
        assert client.taken == pytest.approx(75, abs=2)


async def test_a_connection_is_kept_between_requests_for_as_long_as_a_proxy_would() -> None:
    async with connected() as client:
        for _ in range(3):
            client.send(GET)
            assert await client.answer()
            await anyio.sleep(70)
        client.send(GET)
        assert await client.answer()
        assert await client.rest() == b""
        assert client.taken == pytest.approx(75, abs=2)


@pytest.mark.parametrize("start", [b"GET /", b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: "])
async def test_headers_that_trickle_in_are_given_up(start: bytes) -> None:
    async with connected() as client:
        client.send(start)
        answer = await client.trickle(b"a")
        assert client.taken == pytest.approx(30, abs=2)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'\r\nconnection: close\r\n\r\n{"message":"Request Timeout"}')


async def test_headers_that_arrive_in_time_are_answered() -> None:
    async with connected() as client:
        for byte in GET[:25]:
            client.send(bytes([byte]))
            await anyio.sleep(1)
        client.send(GET[25:])
        assert (await client.answer()).endswith(b"hello")


async def test_a_body_that_trickles_in_is_given_up_and_its_function_never_runs() -> None:
    ran: list[bytes] = []

    @on_http("POST /size")
    async def size(body: bytes) -> None:
        ran.append(body)

    async with connected(size) as client:
        client.send(POST.replace(b"10", b"100000"))
        assert (await client.trickle(b"a")).startswith(b"HTTP/1.1 408 ")
        assert client.taken == pytest.approx(300, abs=2)
    assert ran == []


async def test_a_body_that_was_refused_cannot_hold_the_connection_either() -> None:
    async with connected() as client:
        client.send(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        assert (await client.answer()).startswith(b"HTTP/1.1 404 ")
        assert await client.trickle(b"a") == b""
        assert client.taken == pytest.approx(75, abs=2)


async def test_a_client_that_waits_for_its_answer_is_not_slow() -> None:
    async with connected(wait) as client:
        client.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" * 20 + b"GET /wa")
        for _ in range(20):
            assert (await client.answer()).endswith(b"at last")
        client.send(b"it HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer()).endswith(b"at last")


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    async with connected() as client:
        client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.stop_reading_until_reset()
        assert client.taken == pytest.approx(60, abs=4)


async def test_a_body_that_nobody_reads_is_not_late() -> None:
    async with connected_to(Sluggish()) as client:
        client.send(POST.replace(b"10", b"2000000") + b"x" * 2_000_000)
        assert (await client.answer()).endswith(b"read")
        assert client.taken == pytest.approx(0, abs=2), "counted anew from the answer"


async def test_a_body_that_trickles_in_behind_its_answer_is_given_up_without_another() -> None:
    async with connected_to(Sluggish(early=True)) as client:
        client.send(POST.replace(b"10", b"100000"))
        received = await client.trickle(b"a")
        assert client.taken == pytest.approx(300, abs=2)
    assert received.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408" not in received


async def test_a_websocket_that_does_not_read_is_cut_off_though_it_pings() -> None:
    ends = list[int]()

    @on_websocket("$default", route_response=True)
    async def flood() -> dict[str, str]:
        return {"body": "x" * 100_000}

    @on_websocket("$disconnect")
    async def disconnect(event: WebSocketEvent) -> None:
        ends.append(event.request_context.disconnect_status_code or 0)

    message, ping = (bytes([0x80 | opcode, 0x80, 0, 0, 0, 0]) for opcode in (1, 9))
    async with connected(flood, disconnect) as client:
        client.send(UPGRADE)
        assert await client.upgraded()
        client.send(message * 40)
        await client.stop_reading_until_reset(ping * 1_000)
        assert client.taken == pytest.approx(60, abs=4)
        await anyio.sleep(1)
        assert ends == [1006]


class TestOnRealTime:
    """That every phase works on either event loop, with next to no patience."""

    @pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
        return "asyncio", {"use_uvloop": request.param}

    @pytest.mark.parametrize(
        ("phase", "sent", "answer"),
        [
            ("idle_seconds", b"", b""),
            ("head_seconds", GET[:9], b"HTTP/1.1 408 Request Timeout"),
            ("body_seconds", POST, b"HTTP/1.1 408 Request Timeout"),
        ],
    )
    async def test_a_client_is_given_up(self, phase: str, sent: bytes, answer: bytes) -> None:
        async with connected(patience=PATIENCE._replace(**{phase: 0.0})) as client:
            client.send(sent)
            assert (await client.rest()).split(b"\r\n")[0] == answer

    async def test_a_client_that_does_not_read_is_cut_off(self) -> None:
        async with connected(patience=Patience(unread_seconds=0)) as client:
            client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            await client.stop_reading_until_reset()

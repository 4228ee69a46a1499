"""WebSocket APIs on a real socket: what only shows there, with clients that nobody here wrote."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import boto3
import pytest
import websockets.asyncio.client
from botocore.config import Config
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from eventflow import WebSocketEvent, function, on_http, on_websocket
from eventflow.model import limits
from eventflow.runtime.http.server import listen, serve_http
from eventflow.runtime.stopping import StopSignal
from tests.runtime.http.harness import running

T = TypeVar("T")
OK = {"statusCode": 200}
PATIENCE_SECONDS = 180
connect = partial(websockets.asyncio.client.connect, open_timeout=PATIENCE_SECONDS)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


class Api:
    """Functions of a WebSocket API, and what they saw."""

    def __init__(self) -> None:
        self.connected = list[WebSocketEvent]()
        self.ends = list[tuple[int, str]]()
        self.ended = asyncio.Event()
        self.began = asyncio.Event()
        self.goes_on = asyncio.Event()

        @on_websocket("$connect")
        async def opens(event: WebSocketEvent) -> dict[str, Any]:
            if "refuse" in event.query:
                return {"statusCode": 418, "headers": {"x-why": "tea"}, "body": "a teapot"}
            self.connected.append(event)
            return (
                {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "v2"}}
                if event.header("sec-websocket-protocol")
                else OK
            )

        @on_websocket("$disconnect")
        async def closes(event: WebSocketEvent) -> None:
            context = event.request_context
            assert context.disconnect_status_code is not None
            assert context.disconnect_reason is not None
            self.ends.append((context.disconnect_status_code, context.disconnect_reason))
            self.ended.set()

        @on_websocket("$default", route_response=True)
        async def echo(event: WebSocketEvent) -> dict[str, Any]:
            return {"body": event.body}

        @on_websocket("wait", route_response=True)
        @function(timeout_seconds=60)
        async def wait(event: WebSocketEvent) -> dict[str, Any]:
            self.began.set()
            await self.goes_on.wait()
            return {"body": "waited"}

        @on_http("GET /hello")
        async def hello() -> str:
            return "hello"

        self.handlers: list[Callable[..., Any]] = [opens, closes, echo, wait, hello]


class Served:
    def __init__(self, api: Api, address: str, stop: StopSignal) -> None:
        self.api = api
        self.address = address
        self.url = f"ws{address.removeprefix('http')}/local"
        self.stop = stop
        self.stopped = asyncio.Event()

    async def aws(self, call: Callable[[Any], T]) -> T:
        """Use an ordinary SDK client of the management API, in a thread of its own."""
        client: Any = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=self.api.connected[0].management_endpoint,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )
        try:
            return await asyncio.to_thread(call, client)
        finally:
            client.close()

    async def refused(self, call: Callable[[Any], object], error: str, status: int) -> None:
        def attempt(client: Any) -> None:
            with pytest.raises(getattr(client.exceptions, error)) as raised:
                call(client)
            assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status

        await self.aws(attempt)


@asynccontextmanager
async def served(*, drain_seconds: float = PATIENCE_SECONDS, **options: Any) -> AsyncIterator[Served]:
    api, stop = Api(), StopSignal()
    with running(*api.handlers, **options) as app, anyio.fail_after(PATIENCE_SECONDS):
        async with anyio.create_task_group() as tasks:

            async def serve(*, task_status: anyio.abc.TaskStatus[str]) -> None:
                with await listen("127.0.0.1", 0) as sock:
                    await serve_http(app.app, sock, stop=stop, drain_seconds=drain_seconds, task_status=task_status)
                server.stopped.set()

            server = Served(api, "", stop)
            address: str = await tasks.start(serve)
            server.address, server.url = address, f"ws{address.removeprefix('http')}/local"
            yield server
            stop.request()


async def closed(client: ClientConnection) -> tuple[int, str]:
    """How the server closes a connection; waits until it does."""
    with pytest.raises(ConnectionClosed) as raised:
        await client.recv()
    assert raised.value.rcvd is not None
    return raised.value.rcvd.code, raised.value.rcvd.reason


async def test_an_sdk_sends_looks_and_ends() -> None:
    async with served() as server, connect(server.url, user_agent_header="tester") as client:
        [event] = server.api.connected
        id = event.connection_id
        await server.aws(lambda aws: aws.post_to_connection(ConnectionId=id, Data=b"hello"))
        assert await client.recv() == "hello"
        await server.aws(lambda aws: aws.post_to_connection(ConnectionId=id, Data=b"\xff"))
        assert await client.recv() == b"\xff"
        found = await server.aws(lambda aws: aws.get_connection(ConnectionId=id))
        assert found["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "tester"}
        assert found["ConnectedAt"] <= found["LastActiveAt"]
        large = b"x" * (limits.WEBSOCKET_MESSAGE_BYTES + 1)
        call = lambda aws: aws.post_to_connection(ConnectionId=id, Data=large)  # noqa: E731 (as the others)
        await server.refused(call, "PayloadTooLargeException", 413)
        ended = await server.aws(lambda aws: aws.delete_connection(ConnectionId=id))
        assert ended["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert await closed(client) == (1000, "Connection Closed Normally")
        await server.api.ended.wait()
        for call in (
            lambda aws: aws.post_to_connection(ConnectionId=id, Data=b"late"),
            lambda aws: aws.get_connection(ConnectionId=id),
            lambda aws: aws.delete_connection(ConnectionId="unknown="),
        ):
            await server.refused(call, "GoneException", 410)


async def test_an_sdk_is_refused_where_others_reach_the_port() -> None:
    async with served(invoke_api=False) as server, connect(server.url):
        id = server.api.connected[0].connection_id
        await server.refused(lambda aws: aws.get_connection(ConnectionId=id), "ForbiddenException", 403)


async def test_messages_and_frames_are_limited() -> None:
    piece = "x" * limits.WEBSOCKET_FRAME_BYTES
    async with served() as server:
        async with connect(server.url, compression=None) as client:
            await client.send([piece] * 4)
            assert await client.recv() == piece * 4
            await client.send([piece] * 4 + ["x"])
            assert (await closed(client))[0] == 1009
        async with connect(server.url) as client:
            assert client.protocol.extensions == []
            await client.send(piece)
            assert await client.recv() == piece
            await client.send(piece + "x")
            assert (await closed(client))[0] == 1009
        while len(server.api.ends) < 2:
            await server.api.ended.wait()
            server.api.ended.clear()
        assert [code for code, _ in server.api.ends] == [1009, 1009]


async def test_a_handshake_is_refused_with_the_function_s_own_answer() -> None:
    async with served() as server:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{server.url}?refuse=1"):
                pass
        response = refused.value.response
        assert (response.status_code, response.headers["x-why"], response.body) == (418, "tea", b"a teapot")
        assert response.headers["x-amzn-requestid"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/local?" + "q" * limits.WEBSOCKET_URL_CHARACTERS, {}, 414),
        ("/local", {f"x-{index}": "1" for index in range(200)}, 431),
        ("/local", {"x-large": "x" * 9_000}, 431),
        ("/local", {f"x-{index}": "x" * 1_000 for index in range(11)}, 431),
        ("/other", {}, 403),
    ],
    ids=["url", "headers", "header", "head", "path"],
)
async def test_a_handshake_that_is_none_of_ours_is_refused(path: str, headers: dict[str, str], status: int) -> None:
    async with served() as server:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(server.url.removesuffix("/local") + path, additional_headers=headers):
                pass
        assert refused.value.response.status_code == status
        assert server.api.connected == []


async def test_a_subprotocol_is_agreed_upon() -> None:
    async with served() as server:
        async with connect(server.url, subprotocols=["v1", "v2"]) as client:  # type: ignore[list-item]
            assert client.subprotocol == "v2"
        async with connect(server.url) as client:
            assert client.subprotocol is None


async def test_the_end_of_a_connection_is_told() -> None:
    async with served() as server:
        for code, reason in ((1000, ""), (4001, "enough")):
            server.api.ended.clear()
            async with connect(server.url) as client:
                await client.close(code, reason)
            await server.api.ended.wait()
            assert server.api.ends.pop() == (code, reason)
        server.api.ended.clear()
        async with connect(server.url) as client:
            client.transport.abort()
            await server.api.ended.wait()
            assert server.api.ends == [(1006, "Connection lost")]


async def test_stopping_lets_messages_in_hand_end_and_tells_every_end() -> None:
    async with served() as server, connect(server.url) as client, connect(server.url) as idle:
        await client.send('{"action":"wait"}')
        await server.api.began.wait()
        server.stop.request()
        assert await closed(idle) == (1001, "Going away")
        await client.send("late")
        assert '"message":"Service Unavailable"' in str(await client.recv())
        with pytest.raises(InvalidStatus, match="503"):
            async with connect(server.url):
                pass
        id = server.api.connected[0].connection_id
        await server.aws(lambda aws: aws.post_to_connection(ConnectionId=id, Data=b"still there"))
        assert await client.recv() == "still there"
        server.api.goes_on.set()
        assert await client.recv() == "waited"
        assert await closed(client) == (1001, "Going away")
        await server.stopped.wait()
        assert server.api.ends == [(1001, "Going away")] * 2


async def test_stopping_does_not_wait_for_ever() -> None:
    async with served(drain_seconds=0.4) as server, connect(server.url) as client:
        await client.send('{"action":"wait"}')
        await server.api.began.wait()
        server.stop.request()
        assert await closed(client) == (1001, "Going away")
        await server.stopped.wait()
        assert server.api.ends == [(1001, "Going away")]


async def test_requests_of_http_are_served_beside_connections() -> None:
    async with served() as server, connect(server.url):
        parts = urlsplit(server.address)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"\r\n\r\nhello")
        writer.close()

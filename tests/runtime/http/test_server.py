"""The real server on a real socket: what only shows there."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from eventflow.errors import ConfigurationError, PortInUseError, RequestTooLargeError
from eventflow.events import HttpEvent
from eventflow.model import limits
from eventflow.model.http_prelude import HttpPrelude
from eventflow.runtime.http.server import listen, serve_http
from eventflow.runtime.stopping import StopSignal
from eventflow.triggers.function import function
from eventflow.triggers.function_url import on_function_url
from eventflow.triggers.http import on_http
from tests.runtime.http.harness import Running, running

T = TypeVar("T")
_log = logging.getLogger(__name__)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@function()
async def echo(event: Any) -> Any:
    _log.warning("echoing")
    return event


@function()
async def fails() -> None:
    raise ValueError("no luck")


@function(reserved_concurrency=0)
async def never() -> None: ...


@on_http("ANY /hello")
async def hello() -> dict[str, str]:
    return {"message": "hello"}


@on_http("POST /size")
async def size(event: dict[str, Any]) -> int:
    return len(event.get("body", ""))


class Served:
    """A running server and what a test does to it."""

    def __init__(self, address: str, app: Running, stop: StopSignal) -> None:
        self.address = address
        self.app = app
        self.stop = stop
        parts = urlsplit(address)
        assert parts.hostname
        assert parts.port
        self.host, self.port = parts.hostname, parts.port

    async def aws(self, call: Callable[[Any], T]) -> T:
        """Use an ordinary SDK client, in a thread of its own."""
        client: Any = boto3.client(
            "lambda",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )
        try:
            return await asyncio.to_thread(call, client)
        finally:
            client.close()

    async def refused(self, call: Callable[[Any], object]) -> dict[str, Any]:
        """The error that an SDK makes of a refusal."""
        with pytest.raises(ClientError) as raised:
            await self.aws(call)
        return dict(raised.value.response)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            yield Connection(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


class Connection:
    """Bytes out, responses in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def response(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        body = await self._reader.readexactly(int(headers.get("content-length", 0))) if has_body else b""
        return int(head[0].split()[1]), headers, body

    async def rest(self) -> bytes:
        """All that comes until the connection ends."""
        try:
            return await self._reader.read()
        except ConnectionResetError:
            return b""

    async def closed(self) -> bool:
        """Whether the server ends the connection; waits until it does."""
        return await self._reader.read() == b""


@asynccontextmanager
async def served(
    *handlers: Callable[..., Any], drain_seconds: float = 60, access_log: bool = False
) -> AsyncIterator[Served]:
    stop = StopSignal()
    with running(*(handlers or (echo, fails, never, hello, size))) as app:
        async with anyio.create_task_group() as tasks:

            async def serve(*, task_status: anyio.abc.TaskStatus[str]) -> None:
                with await listen("127.0.0.1", 0) as sock:
                    await serve_http(
                        app.app,
                        sock,
                        stop=stop,
                        drain_seconds=drain_seconds,
                        access_log=access_log,
                        task_status=task_status,
                    )

            address: str = await tasks.start(serve)
            yield Served(address, app, stop)
            stop.request()


async def test_an_sdk_invokes_and_reads_the_result() -> None:
    async with served() as server:
        response = await server.aws(lambda aws: aws.invoke(FunctionName="echo", Payload=b'{"a":1}', LogType="Tail"))
        payload = json.loads(await asyncio.to_thread(response["Payload"].read))
    assert (response["StatusCode"], response["ExecutedVersion"], payload) == (200, "$LATEST", {"a": 1})
    assert "FunctionError" not in response
    log = base64.b64decode(response["LogResult"]).decode()
    assert f"START RequestId: {response['ResponseMetadata']['RequestId']}" in log
    assert "\techoing\n" in log


async def test_an_sdk_invokes_by_arn_and_qualifier() -> None:
    arn = "arn:aws:lambda:us-east-1:000000000000:function:echo"
    async with served() as server:
        response = await server.aws(lambda aws: aws.invoke(FunctionName=arn, Qualifier="$LATEST"))
    assert response["StatusCode"] == 200


async def test_an_sdk_sees_a_function_error() -> None:
    async with served() as server:
        response = await server.aws(lambda aws: aws.invoke(FunctionName="fails"))
        payload = json.loads(await asyncio.to_thread(response["Payload"].read))
    assert (response["StatusCode"], response["FunctionError"]) == (200, "Unhandled")
    assert payload["errorType"] == "ValueError"


async def test_an_sdk_sends_an_event() -> None:
    async with served() as server:
        response = await server.aws(
            lambda aws: aws.invoke(FunctionName="echo", InvocationType="Event", Payload=b'{"a":1}')
        )
        assert server.app.queue.accepted == [("echo", b'{"a":1}')]
    assert response["StatusCode"] == 202
    assert response["ResponseMetadata"]["RequestId"] == "event-1"


async def test_an_sdk_makes_a_dry_run() -> None:
    async with served() as server:
        response = await server.aws(lambda aws: aws.invoke(FunctionName="fails", InvocationType="DryRun"))
    assert response["StatusCode"] == 204


async def test_an_sdk_uses_the_older_api() -> None:
    async with served() as server:
        response = await server.aws(lambda aws: aws.invoke_async(FunctionName="echo", InvokeArgs=b"{}"))
    assert response["Status"] == 202


async def test_an_sdk_knows_an_unknown_function_by_its_error() -> None:
    async with served() as server:
        error = await server.refused(lambda aws: aws.invoke(FunctionName="other"))
    assert error["Error"]["Code"] == "ResourceNotFoundException"
    assert error["Error"]["Message"].endswith(":function:other:$LATEST")


async def test_an_sdk_knows_a_throttle_by_its_error() -> None:
    async with served() as server:
        error = await server.refused(lambda aws: aws.invoke(FunctionName="never"))
    assert error["Error"] == {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}
    assert error["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert error["retryAfterSeconds"] == "1"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 429


async def test_an_sdk_knows_a_payload_that_is_too_large_by_its_error() -> None:
    payload = b'"' + b"x" * limits.SYNCHRONOUS_REQUEST_BYTES + b'"'
    async with served() as server:
        error = await server.refused(lambda aws: aws.invoke(FunctionName="echo", Payload=payload))
        assert error["Error"]["Code"] == "RequestTooLargeException"
        server.app.queue.error = RequestTooLargeError("too large for the Event invocation type")
        error = await server.refused(lambda aws: aws.invoke(FunctionName="echo", InvocationType="Event"))
    assert error["Error"]["Message"] == "too large for the Event invocation type"


async def test_a_connection_serves_request_after_request() -> None:
    request = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"
    async with served() as server, server.connected() as connection:
        await connection.send(request)
        first = await connection.response()
        await connection.send(request * 2)  # pipelined
        assert [first[2], (await connection.response())[2], (await connection.response())[2]] == [
            b'{"message":"hello"}'
        ] * 3
    status, headers, _ = first
    assert status == 200
    assert set(headers) == {"date", "content-type", "content-length", "apigw-requestid"}


async def test_a_head_request_does_not_hold_the_connection_up() -> None:
    async with served() as server, server.connected() as connection:
        await connection.send(b"HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, _ = await connection.response(has_body=False)
        assert (status, headers["content-length"]) == (200, "19")
        assert (await connection.response())[2] == b'{"message":"hello"}'


@pytest.mark.parametrize("request_line", [b"GET /hello HTTP/1.1\r\nConnection: close", b"GET /hello HTTP/1.0"])
async def test_a_connection_that_is_not_to_be_kept_is_closed(request_line: bytes) -> None:
    async with served() as server, server.connected() as connection:
        await connection.send(request_line + b"\r\nHost: x\r\n\r\n")
        status, headers, body = await connection.response()
        assert (status, headers["connection"], body) == (200, "close", b'{"message":"hello"}')
        assert await connection.closed()


async def test_requests_are_logged_when_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "uvicorn.access")
    for access_log in (True, False):
        async with served(access_log=access_log) as server, server.connected() as connection:
            await connection.send(b"GET /hello?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await connection.response())[2] == b'{"message":"hello"}'
    # pytest listens twice to a logger that does not propagate
    [line] = {record.getMessage() for record in caplog.records if record.name == "uvicorn.access"}
    assert '"GET /hello?a=b HTTP/1.1" 200' in line


@on_http("GET /large")
async def large() -> str:
    return "x" * 5_000_000


async def test_a_client_that_reads_slowly_gets_every_answer_whole() -> None:
    async with served(large) as server, server.connected() as connection:
        await connection.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        for _ in range(3):
            assert len((await connection.response())[2]) == 5_000_000


async def test_a_client_that_does_not_read_is_not_answered_into_memory() -> None:
    calls = 0

    @on_http("GET /large")
    async def large() -> str:
        nonlocal calls
        calls += 1
        return "x" * 5_000_000

    async with served(large) as server, server.connected() as connection:
        await connection.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        await connection.response()
        assert calls < 10  # the sockets' own buffers hold a few
        for _ in range(19):
            await connection.response()
    assert calls == 20


async def test_an_answer_on_its_way_arrives_although_the_server_stops() -> None:
    gate = Gate()
    gate.let_go.set()

    @on_http("GET /large")
    async def large() -> str:
        return await gate.wait() * 1_250_000

    async with served(large) as server, server.connected() as connection:
        await connection.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await gate.entered.wait()
        server.stop.request()
        assert len((await connection.response())[2]) == 5_000_000


async def test_an_upload_that_asks_first_is_told_to_go_on() -> None:
    async with served() as server, server.connected() as connection:
        await connection.send(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert (await connection.response())[0] == 100
        await connection.send(b"abc")
        assert (await connection.response())[2] == b"3"


async def test_a_chunked_upload_is_read_whole() -> None:
    async with served() as server, server.connected() as connection:
        await connection.send(b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        await connection.send(b"1\r\nc\r\n0\r\n\r\n")
        assert (await connection.response())[2] == b"3"


async def test_a_body_that_is_too_large_is_refused_and_the_connection_stays_usable() -> None:
    body = b"x" * (limits.HTTP_BODY_BYTES + 1)
    async with served() as server, server.connected() as connection:
        await connection.send(b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        status, _, answer = await connection.response()
        assert (status, answer) == (413, b'{"message":"Request Entity Too Large"}')
        await connection.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await connection.response())[0] == 200


async def test_headers_that_are_too_large_are_refused() -> None:
    async with served() as server, server.connected() as connection:
        await connection.send(b"GET /hello HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 10_240 + b"\r\n\r\n")
        assert (await connection.response())[0] == 431


@pytest.mark.parametrize("start", [b"GET /hello HTTP/1.1\r\nCookie: ", b"GET /"])
async def test_a_head_that_never_ends_is_cut_off(start: bytes) -> None:
    async with served() as server, server.connected() as connection:
        await connection.send(start)
        await connection.send(b"a" * 70_000)
        status, _, answer = await connection.response()
        assert (status, answer) == (431, b'{"message":"Request Header Fields Too Large"}')
        assert await connection.closed()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"NONSENSE / HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /size HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /size HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_malformed_http_is_a_bad_request_and_harms_nobody_else(request_bytes: bytes) -> None:
    async with served() as server:
        async with server.connected() as broken:
            await broken.send(request_bytes)
            assert (await broken.response())[0] == 400
            assert await broken.closed()
        async with server.connected() as connection:
            await connection.send(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await connection.response())[0] == 200


class Gate:
    """A handler that waits until a test lets it go on."""

    def __init__(self) -> None:
        self.entered = anyio.Event()
        self.let_go = anyio.Event()
        self.finished = False

    async def wait(self) -> str:
        self.entered.set()
        await self.let_go.wait()
        self.finished = True
        return "done"


async def test_a_client_that_leaves_does_not_stop_the_function() -> None:
    gate = Gate()

    @on_http("GET /wait")
    @function(timeout_seconds=30)
    async def wait() -> str:
        return await gate.wait()

    async with served(wait) as server:
        async with server.connected() as connection:
            await connection.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            await gate.entered.wait()
        gate.let_go.set()
    assert gate.finished


async def test_a_request_in_flight_is_answered_before_the_server_stops() -> None:
    gate = Gate()

    @on_http("GET /wait")
    @function(timeout_seconds=30)
    async def wait() -> str:
        return await gate.wait()

    async with served(wait) as server, server.connected() as connection, server.connected() as idle:
        await connection.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await gate.entered.wait()
        server.stop.request()
        assert await idle.closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(server.host, server.port)
        gate.let_go.set()
        status, headers, body = await connection.response()
        assert (status, headers["connection"], body) == (200, "close", b"done")


async def test_the_second_request_to_stop_does_not_wait() -> None:
    gate = Gate()

    @on_http("GET /wait")
    @function(timeout_seconds=900)
    async def wait() -> str:
        return await gate.wait()

    async with served(wait, drain_seconds=3600) as server, server.connected() as connection:
        await connection.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await gate.entered.wait()
        server.stop.request()
        server.stop.request()
    assert not gate.finished


async def test_what_is_not_done_in_time_is_cancelled_and_its_client_told(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()

    @on_http("GET /wait")
    @function(timeout_seconds=30)
    async def wait() -> str:
        return await gate.wait()

    async with served(wait, drain_seconds=0) as server, server.connected() as connection:
        await connection.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await gate.entered.wait()
        server.stop.request()
        status, _, body = await connection.response()
    assert (status, body) == (503, b'{"message":"Service Unavailable"}')
    assert not gate.finished
    assert not caplog.records


async def test_a_port_in_use_is_an_error_that_names_it() -> None:
    async with served() as server:
        in_use = pytest.raises(PortInUseError, match=rf"127\.0\.0\.1:{server.port} is in use")
        with in_use as raised:
            await listen("127.0.0.1", server.port)
    assert (raised.value.host, raised.value.port) == ("127.0.0.1", server.port)


async def test_an_address_of_another_machine_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"203\.0\.113\.1:0: cannot be listened on"):
        await listen("203.0.113.1", 0)


async def test_a_cancelled_server_lets_go_of_its_port_and_connections() -> None:
    with running(hello) as app:
        async with anyio.create_task_group() as tasks:
            address: str = await tasks.start(_serve_forever, app)
            port = urlsplit(address).port
            assert port
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            tasks.cancel_scope.cancel()
        assert await reader.read() == b""
        writer.close()
    with socket.create_server(("127.0.0.1", port)):
        pass


async def _serve_forever(app: Running, *, task_status: anyio.abc.TaskStatus[str]) -> None:
    with await listen("127.0.0.1", 0) as sock:
        await serve_http(app.app, sock, stop=StopSignal(), drain_seconds=1, task_status=task_status)


async def test_signal_handlers_are_left_alone() -> None:
    import signal

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with served():
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@on_function_url(invoke_mode="RESPONSE_STREAM")
async def words(event: HttpEvent) -> AsyncIterator[HttpPrelude | str]:
    _log.warning("streaming")
    yield HttpPrelude(201, {"content-type": "text/plain"})
    yield "one "
    if event.raw_path == "/breaks":
        raise ValueError("no luck")
    yield "two"


URL_EVENT = {
    "version": "2.0", "routeKey": "$default", "rawPath": "/", "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/"}, "stage": "$default"},
}  # fmt: skip
PRELUDE = b'{"statusCode":201,"headers":{"content-type":"text/plain"},"cookies":[]}' + bytes(8)


async def streamed_by_an_sdk(server: Served, **arguments: Any) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    """The chunks, what completes them, and the response around them."""

    def call(aws: Any) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
        response = aws.invoke_with_response_stream(**arguments)
        *chunks, last = list(response["EventStream"])
        return b"".join(chunk["PayloadChunk"]["Payload"] for chunk in chunks), last["InvokeComplete"], response

    return await server.aws(call)


async def test_an_sdk_reads_a_streamed_response() -> None:
    async with served(words) as server:
        body, complete, response = await streamed_by_an_sdk(
            server, FunctionName="words", Payload=json.dumps(URL_EVENT), LogType="Tail"
        )
    assert body == PRELUDE + b"one two"
    assert "ErrorCode" not in complete
    assert "\tstreaming\n" in base64.b64decode(complete["LogResult"]).decode()
    assert (response["StatusCode"], response["ExecutedVersion"]) == (200, "$LATEST")


async def test_an_sdk_is_told_at_the_end_of_an_error_midway() -> None:
    async with served(words) as server:
        event = json.dumps({**URL_EVENT, "rawPath": "/breaks"})
        body, complete, _ = await streamed_by_an_sdk(server, FunctionName="words", Payload=event)
    assert body == PRELUDE + b"one "
    assert complete["ErrorCode"] == "ValueError"
    assert json.loads(complete["ErrorDetails"])["errorMessage"] == "no luck"


async def test_an_sdk_streams_what_does_not_stream_and_large_results_in_pieces() -> None:
    async with served() as server:
        text = "x" * 3_000_000
        body, complete, _ = await streamed_by_an_sdk(server, FunctionName="echo", Payload=json.dumps(text))
        assert (json.loads(body), complete) == (text, {})
        body, complete, _ = await streamed_by_an_sdk(server, FunctionName="fails")
        assert (body, complete["ErrorCode"]) == (b"", "ValueError")
        throttled = await server.refused(lambda aws: aws.invoke_with_response_stream(FunctionName="never"))
        assert throttled["Error"]["Code"] == "TooManyRequestsException"
        arguments = {"FunctionName": "echo", "InvocationType": "DryRun"}
        dry = await server.aws(lambda aws: aws.invoke_with_response_stream(**arguments))
        dry["EventStream"].close()
        assert dry["StatusCode"] == 204


async def test_a_stream_goes_out_in_chunks_and_breaks_off_visibly() -> None:
    async with served(words) as server:
        async with server.connected() as whole:
            await whole.send(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            received = await whole.rest()
        async with server.connected() as broken:
            await broken.send(b"GET /breaks HTTP/1.1\r\nhost: h\r\n\r\n")
            cut_off = await broken.rest()
    assert received.startswith(b"HTTP/1.1 201 Created\r\n")
    assert received.endswith(b"\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n")
    assert cut_off.endswith(b"\r\n\r\n4\r\none \r\n")


async def test_a_client_that_hangs_up_ends_a_stream() -> None:
    begun, closed = anyio.Event(), anyio.Event()

    @on_function_url(invoke_mode="RESPONSE_STREAM")
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                begun.set()
                yield "."
                await anyio.lowlevel.checkpoint()
        finally:
            closed.set()

    async with served(endless) as server:
        async with server.connected() as connection:
            await connection.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            await begun.wait()
        await closed.wait()


async def test_a_stream_is_cut_off_when_the_server_stops_at_once() -> None:
    begun = anyio.Event()

    @on_function_url(invoke_mode="RESPONSE_STREAM")
    @function(timeout_seconds=900)
    async def endless() -> AsyncIterator[str]:
        yield "."
        begun.set()
        await anyio.sleep_forever()

    async with served(endless, drain_seconds=0) as server, server.connected() as connection:
        await connection.send(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        await begun.wait()
        server.stop.request()
        assert not (await connection.rest()).endswith(b"0\r\n\r\n")

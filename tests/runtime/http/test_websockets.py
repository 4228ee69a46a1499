"""WebSocket APIs on virtual time: handshakes, routes, answers, limits and ends."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from eventflow import (
    App,
    ConfigurationError,
    WebSocketApi,
    WebSocketAuthorizerEvent,
    WebSocketEvent,
    WebSocketResponse,
    function,
    on_http,
    on_websocket,
    websocket_authorizer,
)
from eventflow.events import recognise
from eventflow.model import limits
from eventflow.runtime.http.websocket_session import (
    AT_ONCE,
    BUFFERED_BYTES,
    MESSAGE_OVERHEAD_BYTES,
    BufferFullError,
)
from eventflow.testing import ConnectionEndedError, ConnectionRefusedByAppError, TestApp, WebSocketClient

OK = {"statusCode": 200}


class Said(BaseModel):
    action: str
    text: str


@on_websocket("$connect")
async def connect(event: dict[str, Any]) -> dict[str, Any]:
    return OK


@on_websocket("$disconnect")
async def disconnect(event: dict[str, Any]) -> None:
    """What it returns is nobody's business."""


@on_websocket("say", route_response=True)
async def say(said: Said, event: WebSocketEvent) -> dict[str, Any]:
    return {"statusCode": 200, "body": f"{said.text} to {event.connection_id}"}


@on_websocket("whisper")
async def whisper(event: WebSocketEvent) -> dict[str, Any]:
    return {"statusCode": 200, "body": "nobody hears it"}


def refusing(value: Any) -> Any:
    @on_websocket("$connect")
    async def refuse() -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return refuse


def events(app: TestApp, name: str) -> list[Any]:
    return [run.event for run in app.invocations(name)]


def told(app: TestApp) -> list[tuple[int, str]]:
    """How connections ended, as ``$disconnect`` was told."""
    contexts = [event["requestContext"] for event in events(app, "disconnect")]
    return [(context["disconnectStatusCode"], context["disconnectReason"]) for context in contexts]


async def error_of(socket: WebSocketClient, message: Any) -> str:
    """What a message's error frame says."""
    await socket.send(message)
    frame = await socket.receive_json()
    assert frame["connectionId"]
    assert frame["requestId"]
    return str(frame["message"])


async def test_a_connection_is_told_from_its_beginning_to_its_end() -> None:
    async with TestApp([connect, disconnect, say]) as app:
        async with app.websocket("/local?room=1&room=2", headers={"user-agent": "tester"}) as socket:
            await socket.send({"action": "say", "text": "hi"})
            answer = await socket.receive()
            await socket.close(4000, "enough")
        beginning, [end] = events(app, "connect")[0], events(app, "disconnect")
        middle = app.invocations("say")[0].event
    assert [recognise(event) for event in (beginning, middle, end)] == [WebSocketEvent] * 3
    context = beginning["requestContext"]
    assert answer == f"hi to {context['connectionId']}"
    assert beginning["headers"]["Sec-WebSocket-Version"] == "13"
    assert beginning["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert beginning["queryStringParameters"] == {"room": "2"}
    assert beginning["multiValueQueryStringParameters"] == {"room": ["1", "2"]}
    assert "body" not in beginning
    common = {
        "messageDirection": "IN", "stage": "local", "connectedAt": 1_767_225_600_000, "apiId": "local",
        "requestTimeEpoch": 1_767_225_600_000, "requestTime": "01/Jan/2026:00:00:00 +0000", "domainName": "testserver",
        "identity": {"sourceIp": "127.0.0.1", "userAgent": "tester"}, "connectionId": context["connectionId"],
    }  # fmt: skip
    for event, key, kind in (
        (beginning, "$connect", "CONNECT"),
        (middle, "say", "MESSAGE"),
        (end, "$disconnect", "DISCONNECT"),
    ):
        found = event["requestContext"]
        assert found | common == found
        assert (found["routeKey"], found["eventType"]) == (key, kind)
        assert found["requestId"] == found["extendedRequestId"]
    assert middle.keys() == {"requestContext", "body", "isBase64Encoded"}
    assert middle["body"] == '{"action":"say","text":"hi"}'
    assert middle["requestContext"]["messageId"]
    assert (end["requestContext"]["disconnectStatusCode"], end["requestContext"]["disconnectReason"]) == (
        4000,
        "enough",
    )
    assert end["headers"] == {"Host": "testserver", "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}


async def test_an_app_needs_no_function_for_connections() -> None:
    async with TestApp(say) as app, app.websocket() as socket:
        await socket.send({"action": "say", "text": "hi"})
        assert str(await socket.receive()).startswith("hi to ")


async def test_what_a_function_returns_is_sent_only_where_routes_respond() -> None:
    @on_websocket("silent", route_response=True)
    async def silent() -> dict[str, Any]:
        return OK

    @on_websocket("binary", route_response=True)
    async def binary() -> dict[str, Any]:
        return {"statusCode": 200, "body": "/w==", "isBase64Encoded": True}

    @on_websocket("typed", route_response=True)
    async def typed() -> WebSocketResponse:
        return WebSocketResponse(body="as a model")

    async with TestApp([say, whisper, silent, binary, typed]) as app, app.websocket() as socket:
        await socket.send({"action": "whisper"})
        await app.settle()
        assert [run.outcome.ok for run in app.invocations("whisper")] == [True]
        await socket.send({"action": "silent"})
        assert await socket.receive() == ""
        await socket.send({"action": "binary"})
        assert await socket.receive() == b"\xff"
        await socket.send({"action": "typed"})
        assert await socket.receive() == "as a model"


async def test_a_message_takes_the_route_that_it_names_and_the_rest_is_the_default_s() -> None:
    @on_websocket("$default", route_response=True)
    async def rest(event: WebSocketEvent) -> dict[str, Any]:
        assert event.route_key == "$default"
        return {"body": f"default: {event.body}"}

    async with TestApp([connect, rest, say]) as app, app.websocket() as socket:
        for message in ("no JSON", "[1]", '{"action":"other"}', '{"action":"$connect"}', '{"action":{"a":1}}'):
            await socket.send(message)
            assert await socket.receive() == f"default: {message}"
        assert len(app.invocations("connect")) == 1


async def test_a_message_without_a_route_is_forbidden() -> None:
    async with TestApp(say) as app, app.websocket() as socket:
        assert await error_of(socket, {"action": "other"}) == "Forbidden"
        assert await error_of(socket, "text") == "Forbidden"


async def test_an_app_chooses_where_its_messages_name_their_routes() -> None:
    api = WebSocketApi(route_selection_expression="${request.body.kind}/${request.body.action}", stage="chat")

    @on_websocket("room/join", route_response=True)
    async def join(event: WebSocketEvent) -> dict[str, Any]:
        return {"body": event.request_context.stage}

    async with TestApp(App([join], websocket_api=api)) as app:
        async with app.websocket("/chat") as socket:
            await socket.send({"kind": "room", "action": "join"})
            assert await socket.receive() == "chat"
        with pytest.raises(ConnectionRefusedByAppError, match=r"403.*Forbidden"):
            async with app.websocket("/local"):
                pass


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"statusCode": 403, "body": "no"}, 403),
        ({"statusCode": 302}, 302),
        ({"statusCode": "401"}, 401),
        ({"statusCode": 500}, 500),
        (ValueError("broken"), 502),
        (None, 502),
        ("text", 502),
        ({"statusCode": 200, "extra": 1}, 502),
        ({"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "other"}}, 502),
    ],
)
async def test_a_connection_is_refused(value: Any, status: int) -> None:
    async with TestApp([refusing(value), disconnect]) as app:
        with pytest.raises(ConnectionRefusedByAppError) as raised:
            async with app.websocket(subprotocols=["chat"]):
                pass
        assert raised.value.status == status
        if status == 403:
            assert raised.value.body == b"no"
        assert app.invocations("disconnect") == ()


async def test_a_throttled_connection_is_refused_with_429() -> None:
    @on_websocket("$connect")
    @function(reserved_concurrency=0)
    async def never() -> dict[str, Any]:
        return OK

    async with TestApp(never) as app:
        with pytest.raises(ConnectionRefusedByAppError, match="429"):
            async with app.websocket():
                pass


async def test_a_function_chooses_one_of_the_subprotocols() -> None:
    chooses = refusing({"statusCode": 200, "headers": {"sec-websocket-protocol": "chat.v2"}})
    async with TestApp(chooses) as app, app.websocket(subprotocols=["chat.v1", "chat.v2"]) as socket:
        assert socket.subprotocol == "chat.v2"


async def test_errors_of_functions_reach_the_client_as_frames() -> None:
    @on_websocket("fail")
    async def fail() -> None:
        raise ValueError("secret")

    @on_websocket("none")
    async def none() -> None: ...

    @on_websocket("extra")
    async def extra() -> dict[str, Any]:
        return {"statusCode": 200, "result": 1}

    @on_websocket("large", route_response=True)
    async def large() -> dict[str, Any]:
        return {"body": "x" * (limits.WEBSOCKET_MESSAGE_BYTES + 1)}

    @on_websocket("late")
    @function(timeout_seconds=2)
    async def late() -> None:
        await anyio.sleep(3)

    @on_websocket("never")
    @function(reserved_concurrency=0)
    async def never() -> None: ...

    async with TestApp([fail, none, extra, large, late, never, say]) as app, app.websocket() as socket:
        for action in ("fail", "none", "extra", "large", "late"):
            assert await error_of(socket, {"action": action}) == "Internal server error"
        assert await error_of(socket, {"action": "never"}) == "Too Many Requests"
        await socket.send({"action": "say"})
        frame = await socket.receive_json()
        assert frame["message"] == "Invalid message body"
        assert [error["location"] for error in frame["errors"]] == ["text"]


async def test_a_function_that_takes_too_long_goes_on_without_its_client() -> None:
    @on_websocket("slow")
    @function(timeout_seconds=60)
    async def slow() -> dict[str, Any]:
        await anyio.sleep(40)
        return OK

    @on_websocket("$connect")
    @function(timeout_seconds=60)
    async def connects(event: WebSocketEvent) -> dict[str, Any]:
        await anyio.sleep(40 if event.query else 0)
        return OK

    async with TestApp([slow, connects]) as app:
        async with app.websocket() as socket:
            started = app.time()
            assert await error_of(socket, {"action": "slow"}) == "Endpoint request timed out"
            assert app.time() - started == 29
            await app.advance(30)
            assert [run.outcome.ok for run in app.invocations("slow")] == [True]
        with pytest.raises(ConnectionRefusedByAppError, match="504"):
            async with app.websocket("/?slow=1"):
                pass


async def test_binary_messages_end_the_connection_as_on_aws() -> None:
    async with TestApp([say, disconnect]) as app, app.websocket() as socket:
        await socket.send(b"\x00\x01")
        with pytest.raises(ConnectionEndedError, match="1003"):
            await socket.receive()
        await app.settle()
        assert [code for code, _ in told(app)] == [1003]


async def test_binary_messages_reach_the_default_route_where_they_are_wanted() -> None:
    @on_websocket("$default", route_response=True)
    async def rest(event: WebSocketEvent) -> dict[str, Any]:
        assert event.is_base64_encoded
        return {"body": event.body_bytes.hex()}

    async with TestApp(App([rest], websocket_api=WebSocketApi(binary_frames=True))) as app, app.websocket() as socket:
        await socket.send(b"\x00\xff")
        assert await socket.receive() == "00ff"


async def test_messages_of_one_connection_run_side_by_side_up_to_a_number() -> None:
    running = peak = 0

    @on_websocket("work")
    @function(timeout_seconds=10)
    async def work() -> dict[str, Any]:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await anyio.sleep(1)
        running -= 1
        return OK

    async with TestApp(work) as app, app.websocket() as socket:
        for _ in range(2 * AT_ONCE + 1):
            await socket.send({"action": "work"})
        await app.settle()
        assert len(app.invocations("work")) == 2 * AT_ONCE + 1
        assert peak == AT_ONCE
        assert app.time() - 1_767_225_600 == 3


async def test_an_idle_connection_ends_after_ten_minutes_and_a_busy_one_after_two_hours() -> None:
    async with TestApp([say, disconnect]) as app:
        async with app.websocket() as socket:
            with pytest.raises(ConnectionEndedError, match="1001 Going away"):
                await socket.receive()
            assert app.time() - 1_767_225_600 == limits.WEBSOCKET_IDLE_SECONDS
        async with app.websocket() as socket:
            started = app.time()
            with pytest.raises(ConnectionEndedError, match="1001 Going away"):  # noqa: PT012 (one of many may end it)
                while True:
                    await socket.send({"action": "say", "text": "hi"})
                    await socket.receive()
                    await app.advance(599)
                    assert app.time() - started <= limits.WEBSOCKET_CONNECTION_SECONDS + 599
        assert told(app) == [(1001, "Going away")] * 2


async def test_an_authorizer_is_asked_about_connections_and_its_context_is_in_every_event() -> None:
    asked = list[WebSocketAuthorizerEvent]()

    @websocket_authorizer(identity_sources=["route.request.querystring.token"])
    async def check(event: WebSocketAuthorizerEvent) -> dict[str, Any]:
        asked.append(event)
        token = event.query_string_parameters["token"]
        if token == "none":
            raise ValueError("Unauthorized")
        effect = "Allow" if token == "good" else "Deny"
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event.method_arn}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        return {"principalId": "me", "policyDocument": document, "context": {"team": "blue", "level": 3}}

    @on_websocket("$connect", authorizer=check)
    async def connects(event: dict[str, Any]) -> dict[str, Any]:
        return OK

    async with TestApp(App([connects, say, disconnect])) as app:
        for path, status in (("/", 401), ("/?token=none", 401), ("/?token=bad", 403)):
            with pytest.raises(ConnectionRefusedByAppError) as raised:
                async with app.websocket(path):
                    pass
            assert raised.value.status == status
        assert app.invocations("connects") == ()
        async with app.websocket("/?token=good") as socket:
            await socket.send({"action": "say", "text": "hi"})
            await socket.receive()
        found = [events(app, "connects")[0], app.invocations("say")[0].event, events(app, "disconnect")[0]]
    for event in found:
        authorizer = event["requestContext"]["authorizer"]
        assert authorizer == {"principalId": "me", "team": "blue", "level": "3", "integrationLatency": 0}
    assert asked[0].method_arn == "arn:aws:execute-api:us-east-1:000000000000:local/local/$connect"
    assert len(asked) == 3
    wire = asked[0].to_wire()
    assert recognise(wire) is WebSocketAuthorizerEvent
    assert "isBase64Encoded" not in wire


async def test_the_management_api_sends_looks_and_ends() -> None:
    seen = list[str]()

    @on_websocket("$connect")
    async def connects(event: WebSocketEvent) -> dict[str, Any]:
        seen.append(event.connection_id)
        return OK

    async with TestApp([connects, disconnect]) as app:
        async with app.websocket(headers={"user-agent": "tester"}) as socket:
            path = f"/local/@connections/{seen[0].replace('=', '%3D')}"
            await app.advance(5)
            assert (await app.http.post(path, "hi")).status == 200
            assert await socket.receive() == "hi"
            assert (await app.http.post(f"/@connections/{seen[0]}", b"\xff")).status == 200
            assert await socket.receive() == b"\xff"
            found = await app.http.get(path)
            assert found.json() == {
                "connectedAt": "2026-01-01T00:00:00.000Z",
                "identity": {"sourceIp": "127.0.0.1", "userAgent": "tester"},
                "lastActiveAt": "2026-01-01T00:00:05.000Z",
            }
            large = await app.http.post(path, b"x" * (limits.WEBSOCKET_MESSAGE_BYTES + 1))
            assert (large.status, large.header("x-amzn-errortype")) == (413, "PayloadTooLargeException")
            page = await app.http.post(path, "hi", headers={"origin": "https://example.com"})
            assert (page.status, page.header("x-amzn-errortype")) == (403, "ForbiddenException")
            assert (await app.http.request("PUT", path)).status == 405
            assert (await app.http.request("DELETE", path)).status == 204
            for method in ("POST", "GET", "DELETE"):
                gone = await app.http.request(method, path)
                assert (gone.status, gone.header("x-amzn-errortype")) == (410, "GoneException")
            with pytest.raises(ConnectionEndedError, match="1000"):
                await socket.receive()
        assert told(app) == [(1000, "Connection Closed Normally")]


async def test_nothing_is_sent_before_a_connection_is_there() -> None:
    statuses = list[int]()

    @on_websocket("$connect")
    async def connects(event: WebSocketEvent) -> dict[str, Any]:
        statuses.append((await app.http.post(f"/@connections/{event.connection_id}", "hi")).status)
        return OK

    async with TestApp(connects) as app, app.websocket():
        assert statuses == [410]


async def test_a_client_that_does_not_read_fills_its_buffer_and_no_more() -> None:
    """Sending is held up where a real server's transport would be full."""
    seen = list[str]()
    reading = asyncio.Event()

    @on_websocket("$connect")
    async def connects(event: WebSocketEvent) -> dict[str, Any]:
        seen.append(event.connection_id)
        return OK

    class Slow(WebSocketClient):
        async def _take(self, message: Any) -> None:
            if message["type"] == "websocket.send":
                await reading.wait()
            await super()._take(message)

    async with TestApp([connects, say]) as app, Slow(app.served, "/", headers={}, subprotocols=()) as socket:
        piece = b"x" * limits.WEBSOCKET_MESSAGE_BYTES
        statuses = [(await app.http.post(f"/@connections/{seen[0]}", piece)).status for _ in range(20)]
        held = BUFFERED_BYTES // (limits.WEBSOCKET_MESSAGE_BYTES + MESSAGE_OVERHEAD_BYTES)
        assert statuses == [200] * held + [429] * (20 - held)
        await socket.send({"action": "say", "text": "hi"})  # an answer waits for its turn instead
        reading.set()
        assert [await socket.receive() for _ in range(held)] == [piece.decode()] * held
        assert str(await socket.receive()).startswith("hi to ")


async def test_functions_in_threads_use_a_client_like_boto3_s() -> None:
    def management(event: WebSocketEvent) -> Any:
        return app.connections

    @on_websocket("echo")
    def echo(event: WebSocketEvent) -> dict[str, Any]:
        client = management(event)
        client.post_to_connection(ConnectionId=event.connection_id, Data=event.body)
        found = client.get_connection(ConnectionId=event.connection_id)
        assert found["ConnectedAt"].year == 2026
        assert found["Identity"]["SourceIp"] == "127.0.0.1"
        client.delete_connection(ConnectionId=event.connection_id)
        with pytest.raises(client.exceptions.GoneException):
            client.post_to_connection(ConnectionId=event.connection_id, Data=b"late")
        return OK

    async with TestApp(echo) as app, app.websocket() as socket:
        await socket.send('{"action":"echo"}')
        assert await socket.receive() == '{"action":"echo"}'
        with pytest.raises(ConnectionEndedError):
            await socket.receive()
        with pytest.raises(RuntimeError, match="in a def function"):
            app.connections.post_to_connection(ConnectionId="1", Data="hi")
        await app.settle()
        assert [run.outcome.ok for run in app.invocations("echo")] == [True]


@pytest.mark.parametrize(
    ("handlers", "api", "messages"),
    [
        ([on_websocket("$other")], None, ["'$other' is not allowed", "$connect, $disconnect, $default"]),
        ([on_websocket("")], None, ["'' is not allowed"]),
        ([on_websocket("say", authorizer=say)], None, ["connections are authorized once, on $connect"]),
        ([on_websocket("$connect", authorizer=say)], None, ["'say' is no authorizer", "@websocket_authorizer()"]),
        ([on_websocket("$connect", route_response=True)], None, ["only messages are answered"]),
        ([on_websocket("say", route_response="yes")], None, ["'yes' is not allowed"]),  # type: ignore[arg-type]
        ([on_websocket("say"), on_websocket("say")], None, ["answers the same route as"]),
        ([], WebSocketApi(stage="a/b"), ["websocket_api", "stage", "'a/b' is not allowed"]),
        ([], WebSocketApi(route_selection_expression="action"), ["'action' is no route selection expression"]),
        ([], WebSocketApi(binary_frames=1), ["binary_frames", "1 is not allowed"]),  # type: ignore[arg-type]
    ],
)
def test_mistakes_are_told_when_the_app_is_frozen(
    handlers: list[Any], api: WebSocketApi | None, messages: list[str]
) -> None:
    found = [whisper]
    for index, mark in enumerate(handlers):

        async def handler() -> None: ...

        handler.__name__ = f"handler_{index}"
        found.append(mark(handler))
    with pytest.raises(ConfigurationError) as raised:
        App(found, websocket_api=api).freeze("local")
    for message in messages:
        assert message in str(raised.value)


def test_a_lifecycle_route_has_no_body() -> None:
    @on_websocket("$connect")
    async def connects(said: Said) -> None: ...

    with pytest.raises(ConfigurationError, match="Said cannot be made from this source's events"):
        App([connects]).freeze("local")


async def test_management_paths_belong_to_connections_only_where_there_are_some() -> None:
    @on_http("POST /@connections/{id}")
    async def own(id: str) -> str:
        return id

    async with TestApp(own) as app:
        assert (await app.http.post("/@connections/1")).text == "1"


async def test_a_connection_that_was_decided_about_while_the_app_leaves_ends_at_once() -> None:
    @on_websocket("$connect")
    async def connects() -> dict[str, Any]:
        await anyio.sleep(1)
        return OK

    async with TestApp([connects, disconnect]) as app:
        assert app.served.websockets is not None
        async with anyio.create_task_group() as tasks:
            client = app.websocket()
            tasks.start_soon(client.__aenter__)
            await anyio.sleep(0.5)
            await app.served.websockets.leave(within_seconds=5)
        with pytest.raises(ConnectionEndedError, match="1001"):
            await client.receive()
        await client.close()
        assert told(app) == [(1001, "Going away")]
        with pytest.raises(ConnectionRefusedByAppError, match="503"):
            async with app.websocket():
                pass


async def test_messages_and_the_end_begin_in_the_order_in_which_they_came() -> None:
    order = list[str]()

    @on_websocket("$default")
    async def rest(event: WebSocketEvent) -> dict[str, Any]:
        order.append(event.body or "")
        return OK

    @on_websocket("$disconnect")
    async def leave() -> None:
        order.append("end")

    async with TestApp([rest, leave]) as app, app.websocket() as socket:
        for text in ("a", "b", "c"):
            await socket.send(text)
    assert order == ["a", "b", "c", "end"]


async def test_no_number_of_empty_messages_fills_the_memory() -> None:
    async with TestApp([connect]) as app, app.websocket():
        assert app.served.websockets is not None
        [session] = app.served.websockets.sessions.values()
        for _ in range(BUFFERED_BYTES // MESSAGE_OVERHEAD_BYTES):
            session.post("")
        with pytest.raises(BufferFullError):
            session.post("")

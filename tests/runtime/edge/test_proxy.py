"""The proxy as a server's application: viewers that leave, bodies without end, and stopping."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from eventflow import App, CloudFrontEvent, EdgeRequest, Environment, on_cloudfront
from eventflow.errors import ConfigurationError
from eventflow.model.edge import OriginUrl
from eventflow.run.edges import open_edges, served_distributions
from eventflow.runtime.callers import Callers
from eventflow.runtime.edge.origins import OriginError, OriginRequest, OriginResponse
from eventflow.runtime.edge.proxy import EdgeProxy
from eventflow.runtime.http.asgi import Message
from eventflow.runtime.http.bodies import ClientGoneError
from eventflow.testing import TestApp
from eventflow.testing.edge import example_distribution

SITE = example_distribution("site")


@on_cloudfront("site", "viewer-request", include_body=True)
async def look(event: CloudFrontEvent) -> EdgeRequest:
    return event.request


class Origins:
    """Origins whose answer has this body; ``asked`` is how often, ``received`` is what they got of the last request."""

    def __init__(self, body: Callable[[], AsyncIterator[bytes]], *, found: bool = True) -> None:
        self.asked = 0
        self.received = b""
        self.finished = False
        self._body = body
        self._found = found

    async def find(self, host: str) -> None:
        if not self._found:
            raise OriginError(502, f"{host} is not found")

    @asynccontextmanager
    async def send(self, request: OriginRequest) -> AsyncIterator[OriginResponse]:
        self.asked += 1
        async for piece in request.body or nothing():
            self.received += piece
        try:
            yield OriginResponse(200, "OK", [("content-length", "9")], self._body())
        finally:
            self.finished = True


async def nothing() -> AsyncIterator[bytes]:
    pieces: list[bytes] = []
    for piece in pieces:
        yield piece


async def endless() -> AsyncIterator[bytes]:
    while True:
        await asyncio.sleep(1)
        yield b"x"


async def cut() -> AsyncIterator[bytes]:
    yield b"cut"
    raise OriginError(504, "it did not answer in time")


class Viewer:
    """A viewer that sends these pieces, and leaves after ``seconds``."""

    def __init__(self, *pieces: bytes, leaves_after: float = 3600.0, whole: bool = True) -> None:
        self._pieces = list(pieces)
        self._whole = whole
        self._leaves_after = leaves_after
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self._pieces:
            await asyncio.sleep(self._leaves_after)
            return {"type": "http.disconnect"}
        piece = self._pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self._pieces) or not self._whole}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def request(self, proxy: EdgeProxy) -> None:
        chunked = [(b"transfer-encoding", b"chunked")] if self._pieces else []
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": chunked,
            "client": ("192.0.2.1", 50_000),
        }
        await proxy(scope, self.receive, self.send)


@asynccontextmanager
async def proxy_of(*functions: Callable[..., Any], origins: Origins) -> AsyncIterator[EdgeProxy]:
    async with TestApp(functions) as app:
        functions_of_run = app.supervisor.functions
        callers = Callers(functions_of_run)
        yield EdgeProxy(SITE, functions_of_run, callers=callers, origins=origins, clock=app.supervisor.clock)
        callers.abandon()


async def test_nothing_is_read_for_a_viewer_that_has_left() -> None:
    origins, viewer = Origins(endless), Viewer(b"body", leaves_after=9.5)
    async with proxy_of(look, origins=origins) as proxy:
        await viewer.request(proxy)
    assert origins.finished
    assert len(viewer.sent) == 1 + 9, "the head, and what came before the viewer left"


async def test_an_answer_that_the_origin_cuts_short_is_left_without_an_end(caplog: pytest.LogCaptureFixture) -> None:
    viewer = Viewer(b"body")
    async with proxy_of(look, origins=Origins(cut)) as proxy:
        await viewer.request(proxy)
    assert [message.get("body") for message in viewer.sent] == [None, b"cut"]
    assert viewer.sent[-1]["more_body"]
    assert "the origin of site did not finish its answer" in caplog.text


async def test_a_viewer_that_leaves_amid_its_request_gets_no_answer() -> None:
    origins, viewer = Origins(nothing), Viewer(b"half", whole=False, leaves_after=1)
    async with proxy_of(look, origins=origins) as proxy:
        await viewer.request(proxy)
    assert (viewer.sent, origins.asked) == ([], 0)


async def test_the_origin_is_not_blamed_for_a_viewer_that_left(caplog: pytest.LogCaptureFixture) -> None:
    class Translating(Origins):
        """As the real client does."""

        @asynccontextmanager
        async def send(self, request: OriginRequest) -> AsyncIterator[OriginResponse]:
            try:
                async with super().send(request) as response:
                    yield response
            except ClientGoneError as exc:
                raise OriginError(502, "cannot be reached") from exc

    viewer = Viewer(b"x" * 50_000, whole=False, leaves_after=1)
    async with proxy_of(look, origins=Translating(nothing)) as proxy:
        await viewer.request(proxy)
    assert (viewer.sent, caplog.text) == ([], "")


async def test_what_a_function_looked_at_is_followed_by_the_rest() -> None:
    origins, viewer = Origins(nothing), Viewer(b"a" * 30_000, b"b" * 30_000, b"c" * 30_000)
    async with proxy_of(look, origins=origins) as proxy:
        await viewer.request(proxy)
    assert origins.received == b"a" * 30_000 + b"b" * 30_000 + b"c" * 30_000


async def test_no_function_of_the_origin_runs_if_its_name_is_not_found() -> None:
    seen: list[str] = []

    @on_cloudfront("site", "origin-request")
    async def origin_request(event: CloudFrontEvent) -> EdgeRequest:
        seen.append("origin-request")
        return event.request

    origins, viewer = Origins(nothing, found=False), Viewer()
    async with proxy_of(origin_request, origins=origins) as proxy:
        await viewer.request(proxy)
    assert (viewer.sent[0]["status"], seen, origins.asked) == (502, [], 0)


async def test_a_request_that_is_cancelled_when_the_server_stops_is_503() -> None:
    running = asyncio.Event()

    @on_cloudfront("site", "viewer-request")
    async def slow(event: CloudFrontEvent) -> EdgeRequest:
        running.set()
        await asyncio.sleep(60)
        return event.request

    viewer = Viewer()
    async with proxy_of(slow, origins=Origins(nothing)) as proxy:
        request = asyncio.create_task(viewer.request(proxy))
        await running.wait()
        assert len(proxy.outliving) == 1
        proxy.abandon()
        request.cancel()
        await request
    assert viewer.sent[0]["status"] == 503


async def test_a_request_that_is_cancelled_otherwise_is_cancelled() -> None:
    viewer = Viewer()
    async with proxy_of(look, origins=Origins(endless)) as proxy:
        request = asyncio.create_task(viewer.request(proxy))
        await asyncio.sleep(5)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request


# Which distributions are served


def test_distributions_are_served_that_functions_name_and_the_environment_knows() -> None:
    @on_cloudfront("shop", "viewer-request")
    async def elsewhere(event: CloudFrontEvent) -> EdgeRequest:
        return event.request

    known = {"site": SITE, "unused": SITE}
    environment = Environment(distributions=known)
    assert served_distributions(App([look, elsewhere]).freeze(environment)) == (SITE,)
    assert served_distributions(App([elsewhere]).freeze(environment)) == ()
    assert served_distributions(App([look]).freeze(Environment())) == ()


async def test_a_proxy_without_its_client_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eventflow.runtime.edge.client", None)
    plan = App([look]).freeze(Environment(distributions={"site": SITE}))
    with pytest.raises(ConfigurationError, match=r"pip install 'eventflow\[edge\]'"):
        async with open_edges(plan, "127.0.0.1"):
            pass


def test_an_origin_is_named_as_a_host_header_names_it() -> None:
    for text, netloc in (
        ("http://a:80", "a"),
        ("https://a:443/b", "a"),
        ("http://a:81", "a:81"),
        ("http://[::1]", "[::1]"),
    ):
        assert OriginUrl.parse(text).netloc == netloc

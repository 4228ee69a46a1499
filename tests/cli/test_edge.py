"""The edge proxy as users run it: ``eventflow serve`` between a real client and a real origin."""

from __future__ import annotations

import http.client
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.cli.test_processes import Running, started
from tests.servers.process import free_port

if TYPE_CHECKING:
    from tests.cli.conftest import RunCli, Write

SITE = """
    from eventflow import CloudFrontEvent, EdgeResponse, on_cloudfront
    from eventflow.events.cloudfront import EdgeBody

    @on_cloudfront("site", "viewer-request", include_body=True)
    async def viewer_request(event: CloudFrontEvent):
        request = event.request
        match request.uri:
            case "/redirected":
                return EdgeResponse.generate(302, headers={"Location": "/new"})
            case "/forbidden":
                return request.with_header("X-Cache", "Hit from me")
            case "/host":
                return request.with_header("Host", "other.example")
            case "/failing":
                raise ValueError("secret")
            case "/replaced":
                body = EdgeBody(action="replace", encoding="text", data="replaced")
                return request.model_copy(update={"body": body})
        return request.with_header("X-Order", "viewer-request")

    @on_cloudfront("site", "origin-request")
    async def origin_request(event: CloudFrontEvent):
        order = ", ".join(filter(None, [event.request.header("X-Order"), "origin-request"]))
        request = event.request.with_header("X-Order", order)
        if request.uri == "/generated":
            return EdgeResponse.generate(200, body="from the edge")
        if request.uri == "/moved":
            custom = {**request.origin["custom"], "domainName": "api.example.com", "port": 443, "protocol": "https"}
            return request.model_copy(update={"origin": {"custom": custom}})
        if request.uri == "/away":
            custom = {**request.origin["custom"], "domainName": "away.example.com"}
            return request.model_copy(update={"origin": {"custom": custom}})
        return request.model_copy(update={"uri": request.uri.replace("/old/", "/new/")})

    @on_cloudfront("site", "origin-response")
    async def origin_response(event: CloudFrontEvent):
        order = event.request.header("X-Order") + ", origin-response"
        return event.response.with_header("X-Order", order)

    @on_cloudfront("site", "viewer-response")
    async def viewer_response(event: CloudFrontEvent):
        order = ", ".join(filter(None, [event.response.header("X-Order"), "viewer-response"]))
        return event.response.with_header("X-Order", order)
"""
BIG = 8 * 1024 * 1024


class Origin(BaseHTTPRequestHandler):
    """Answers with what it was asked; ``/big`` with much, ``/cut`` with less than it says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        match urlsplit(self.path).path:
            case "/big":
                self._answer(200, b"x" * BIG)
            case "/missing":
                self._answer(404, b"missing")
            case "/cut":
                self._answer(200, b"cut", length=9)
                self.close_connection = True
            case _:
                self._answer(200, f"{self.command} {self.path} {self.headers['X-Order']}".encode())

    def do_HEAD(self) -> None:
        self._answer(200, b"", length=4)

    def do_POST(self) -> None:
        body = self._body()
        self._answer(200, body if len(body) < 100 else str(len(body)).encode())

    def _body(self) -> bytes:
        if self.headers["Content-Length"]:
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, body: bytes, *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def origin() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Viewer:
    """A client of one proxy."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)

    def request(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, path, body=body, headers=headers)
        response = self._connection.getresponse()
        return response, response.read()

    def get(self, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        return self.request("GET", path)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def served(write: Write, url: str) -> Iterator[tuple[Running, Viewer]]:
    write("pages.py", SITE)
    away = f"http://127.0.0.1:{free_port()}"
    origins = f'"api.example.com" = "{url}/api", "away.example.com" = "{away}"'
    options = f'origin = "{url}"\norigins = {{ {origins} }}\n'
    write("eventflow.toml", f"[environments.local.cloudfront.site]\n{options}")
    with (
        started("serve", "pages.py", "--port", "0", "--log-format", "json") as running,
        closing(Viewer(running.ready()["distributions"]["site"])) as viewer,
    ):
        yield running, viewer


def test_the_edge_proxy_in_front_of_an_origin(write: Write) -> None:
    with origin() as url, served(write, url) as (running, viewer):
        response, body = viewer.get("/old/page?a=1")
        assert (response.status, body) == (200, b"GET /new/page?a=1 viewer-request, origin-request")
        assert response.headers["X-Order"] == "viewer-request, origin-request, origin-response, viewer-response"
        assert response.headers["X-Cache"] == "Miss from cloudfront"
        assert response.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert len(response.headers.get_all("Date") or ()) == 1

        response, _ = viewer.get("/redirected")
        assert (response.status, response.headers["Location"]) == (302, "/new")
        assert response.headers["X-Cache"] == "LambdaGeneratedResponse from cloudfront"
        response, body = viewer.get("/generated")
        assert (body, response.headers["X-Order"]) == (b"from the edge", "viewer-response")

        for path, header in (("/forbidden", "x-cache is disallowed"), ("/host", "host is read-only")):
            response, body = viewer.get(path)
            assert (response.status, response.headers["X-Cache"]) == (502, "LambdaValidationError from cloudfront")
            assert header in body.decode()
        response, body = viewer.get("/failing")
        assert (response.status, response.headers["X-Cache"]) == (503, "LambdaExecutionError from cloudfront")
        assert b"secret" not in body

        response, body = viewer.get("/moved")
        assert (response.status, body) == (200, b"GET /api/moved viewer-request, origin-request")
        response, body = viewer.get("/missing")
        assert (response.status, body) == (404, b"missing")
        assert response.headers["X-Order"] == "viewer-request, origin-request, origin-response"

        response, body = viewer.request("HEAD", "/page")
        assert (response.status, body, response.headers["Content-Length"]) == (200, b"", "4")
        assert viewer.request("POST", "/", b"body")[1] == b"body"
        assert viewer.request("POST", "/replaced", b"body")[1] == b"replaced"
        assert viewer.request("POST", "/", b"x" * BIG)[1] == str(BIG).encode()
        assert viewer.request("POST", "/", iter([b"x" * 65_536] * 8))[1] == b"524288"
        assert len(viewer.get("/big")[1]) == BIG
        response, _ = viewer.request("GET", "/", Upgrade="websocket", Connection="Upgrade")
        assert response.status == 501
        with pytest.raises(http.client.IncompleteRead):
            viewer.get("/cut")
        assert "did not finish its answer" in running.line_with("the origin of site")
        viewer.close()
        response, _ = viewer.get("/away")
        assert (response.status, response.headers["X-Cache"]) == (502, "Error from cloudfront")
        assert "cannot be reached" in running.line_with("the origin of site gave no answer")
        assert running.stop(signal.SIGTERM) == 0


def test_a_port_that_is_taken(write: Write, run_cli: RunCli) -> None:
    write("pages.py", SITE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        table = f'[environments.local.cloudfront.site]\norigin = "http://127.0.0.1:1"\nport = {port}\n'
        write("eventflow.toml", table)
        done = run_cli("serve", "pages.py", "--port", "0")
    assert done.exit_code != 0
    assert f"127.0.0.1:{port}" in done.output


def test_plan_shows_the_distribution(write: Write, run_cli: RunCli) -> None:
    write("pages.py", SITE)
    table = """
        [environments.local.cloudfront.site]
        origin = "http://127.0.0.1:9000/v1"
        origin_headers = { X-Key = "secret" }
        origins = { "api.example.com" = "http://127.0.0.1:9001" }
        """
    write("eventflow.toml", table)
    lines = run_cli("plan", "pages.py").output
    assert "secret" not in lines
    for expected in ("http://127.0.0.1:9000/v1", "a free one", "X-Key", "api.example.com is http://127.0.0.1:9001"):
        assert expected in lines
    write("eventflow.toml", "")
    assert "none in this environment: it is not served" in run_cli("plan", "pages.py").output


def test_a_mistake_in_the_table_is_named(write: Write, run_cli: RunCli) -> None:
    write("pages.py", SITE)
    write("eventflow.toml", '[environments.local.cloudfront.site]\norigin = "localhost"\nport = "80"\n')
    done = run_cli("plan", "pages.py")
    assert done.exit_code != 0
    for expected in (
        "cloudfront.site.origin  'localhost' is no URL of HTTP",
        "cloudfront.site.port    '80' is not allowed",
    ):
        assert expected in done.output

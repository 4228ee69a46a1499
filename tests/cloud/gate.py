"""A server before another one that answers some requests itself, with AWS's errors."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Refusal(NamedTuple):
    """What a service answers: its code and message, with status 403."""

    code: str
    message: str

    def as_json(self) -> bytes:
        return json.dumps({"__type": f"com.amazonaws#{self.code}", "message": self.message}).encode()

    def as_xml(self) -> bytes:
        error = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        return f"<ErrorResponse>{error}</ErrorResponse>".encode()


class Gate:
    """Refuses what ``refusals`` name, and hands everything else on."""

    def __init__(self, target_port: int) -> None:
        self.url = ""
        self.refusals: dict[tuple[str, ...], Refusal] = {}
        """By what has to occur in a request's head or body, all of it."""
        self.target_port = target_port

    def refusal_of(self, request: str) -> Refusal | None:
        return next((it for parts, it in self.refusals.items() if all(part in request for part in parts)), None)


@contextmanager
def gate_before(target_port: int) -> Iterator[Gate]:
    """A gate before a server on loopback."""
    gate = Gate(target_port)
    with serving_http(type("_Handler", (_GateHandler,), {"gate": gate})) as gate.url:
        yield gate


@contextmanager
def serving_http(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on loopback; its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _GateHandler(BaseHTTPRequestHandler):
    """One connection to a gate."""

    protocol_version = "HTTP/1.1"
    gate: Gate

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        refusal = self.gate.refusal_of(f"{self.path}\n{self.headers}\n{body.decode(errors='replace')}")
        if refusal is None:
            self._hand_on(body)
        elif "json" in self.headers.get("Content-Type", ""):
            self._answer(403, "application/x-amz-json-1.0", refusal.as_json())
        else:
            self._answer(403, "text/xml", refusal.as_xml())

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""

    def _hand_on(self, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.target_port, timeout=60)
        try:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            self._answer(answer.status, answer.headers.get("Content-Type", "text/plain"), answer.read())
        except OSError:  # one of the two has gone
            self.close_connection = True
        finally:
            connection.close()

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

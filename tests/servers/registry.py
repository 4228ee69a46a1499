"""A schema registry of the tests' own: as much of Confluent's API as readers of records use, over real HTTP."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote


@dataclass(slots=True)
class Registry:
    """What it answers. ``status`` other than 200 is the answer to everything; ``asked`` are the paths, in order."""

    uri: str = ""
    schemas: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    subjects: dict[str, int] = field(default_factory=dict)
    """The schemas that others may refer to: in version 1 of their subject."""
    status: int = 200
    location: str | None = None
    credentials: str | None = None
    asked: list[str] = field(default_factory=list)

    def add(self, schema: object, kind: str = "AVRO", **more: Any) -> int:
        """A schema, and its id from now on."""
        number = len(self.schemas) + 1
        self.schemas[number] = {
            "schema": json.dumps(schema),
            **({} if kind == "AVRO" else {"schemaType": kind}),
            **more,
        }
        return number


def framed(schema_id: int, data: bytes) -> bytes:
    """As a registry's serialisers write it."""
    return struct.pack(">bI", 0, schema_id) + data


@contextmanager
def schema_registry() -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append(self.path)
            status, body = self._answer()
            self.send_response(status)
            if registry.location is not None:
                self.send_header("Location", registry.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _answer(self) -> tuple[int, bytes]:
            if registry.status != 200:
                return registry.status, b"{}"
            if registry.credentials is not None:
                wanted = f"Basic {base64.b64encode(registry.credentials.encode()).decode()}"
                if self.headers["Authorization"] != wanted:
                    return 401, b'{"error_code": 40101}'
            parts = [unquote(part) for part in self.path.split("/")[1:]]
            number = int(parts[2]) if parts[0] == "schemas" else registry.subjects.get(parts[1], 0)
            schema = registry.schemas.get(number)
            if schema is None:
                return 404, b'{"error_code": 40403, "message": "Schema not found"}'
            return 200, json.dumps(schema).encode()

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    registry.uri = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

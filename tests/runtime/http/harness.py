"""An app served in process: requests go straight into the ASGI callable."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from eventflow.app import App
from eventflow.errors import EventflowError
from eventflow.plan.environment import Environment
from eventflow.runtime.admission import Admission
from eventflow.runtime.functions import Functions
from eventflow.runtime.http.app import HttpApp
from eventflow.runtime.http.asgi import Message
from eventflow.runtime.metrics import Metrics
from eventflow.testing.virtual_time import VirtualClock

Headers = Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    complete: bool = True

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, f"{name} was sent {len(found)} times"
        return found[0] if found else None

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class EventQueue:
    """Takes asynchronous invocations and remembers them; refuses with ``error`` if one is set."""

    accepted: list[tuple[str, bytes]] = field(default_factory=list)
    error: EventflowError | None = None

    async def accept(self, function_name: str, payload: bytes) -> str:
        if self.error is not None:
            raise self.error
        self.accepted.append((function_name, payload))
        return f"event-{len(self.accepted)}"


class Client:
    """Sends requests as an ASGI server would."""

    def __init__(self, app: HttpApp) -> None:
        self._app = app

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] | None = None,
        *,
        query: str = "",
        headers: Headers | Sequence[tuple[str, str]] = (),
        disconnect_early: bool = False,
        gone: asyncio.Event | None = None,
    ) -> Reply:
        """One request. A sequence is sent in chunks, without a length. ``disconnect_early`` sends the last chunk
        never, and the client is gone instead; ``gone`` is when it leaves later."""
        chunks = [body] if isinstance(body, bytes) else list(body or ())
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if isinstance(body, bytes):
            pairs.append(("content-length", str(len(body))))
        elif body is not None:
            pairs.append(("transfer-encoding", "chunked"))
        messages: list[Message] = [
            {"type": "http.request", "body": chunk, "more_body": disconnect_early or index < len(chunks) - 1}
            for index, chunk in enumerate(chunks)
        ]
        if disconnect_early:
            messages.append({"type": "http.disconnect"})
        sent: list[Message] = []

        async def receive() -> Message:
            if not messages:
                await (gone or asyncio.Event()).wait()
                return {"type": "http.disconnect"}
            return messages.pop(0)

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(_scope(method, path, query, pairs), receive, send)
        return _reply(sent)

    async def get(self, path: str, **options: Any) -> Reply:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: bytes | Sequence[bytes] | None = None, **options: Any) -> Reply:
        return await self.request("POST", path, body, **options)

    async def invoke(self, name: str, payload: bytes = b"{}", *, query: str = "", **headers: str) -> Reply:
        """The Invoke API; ``log_type="Tail"`` is the header ``x-amz-log-type``."""
        pairs = {f"x-amz-{key.replace('_', '-')}": value for key, value in headers.items()}
        return await self.post(f"/2015-03-31/functions/{name}/invocations", payload, query=query, headers=pairs)


def _scope(method: str, path: str, query: str, headers: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("192.0.2.1", 50_000),
        "server": ("127.0.0.1", 8_000),
    }


def _reply(sent: list[Message]) -> Reply:
    if not sent:
        return Reply(0, [], b"")
    start, *bodies = sent
    assert (start["type"], *{body["type"] for body in bodies}) == ("http.response.start", "http.response.body")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
    complete = not bodies[-1].get("more_body")
    return Reply(start["status"], headers, b"".join(body["body"] for body in bodies), complete)


@dataclass
class Running:
    """An app and everything around it."""

    app: HttpApp
    client: Client
    functions: Functions
    metrics: Metrics
    queue: EventQueue


@contextmanager
def running(
    *handlers: Callable[..., Any],
    problems: Mapping[str, str] | None = None,
    environment: Environment | None = None,
    **options: Any,
) -> Iterator[Running]:
    """Serve an app of these functions; ``problems`` is what ``/readyz`` finds."""
    plan = App(handlers).freeze(environment or Environment())
    clock, metrics, queue = VirtualClock(), Metrics(), EventQueue()
    admission = Admission(
        [function.definition for function in plan.functions.values()], concurrency=plan.environment.concurrency
    )
    with ThreadPoolExecutor(2) as threads:
        functions = Functions(
            plan,
            clock=clock,
            monotonic=asyncio.get_running_loop().time,
            admission=admission,
            metrics=metrics,
            threads=threads,
        )
        app = HttpApp(
            plan,
            functions,
            accept=queue.accept,
            metrics=metrics,
            readiness=lambda: problems or {},
            clock=clock,
            **options,
        )
        try:
            yield Running(app, Client(app), functions, metrics, queue)
        finally:
            functions.close()

"""A server that speaks SubscribeToShard over HTTP/1.1, as far as a test tells it to."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from zlib import crc32

from aiohttp import web

Event: TypeAlias = tuple[str, dict[str, Any]]
"""Name and payload of one event of a stream."""


def records(*numbers: int, behind_milliseconds: int = 0, children: Sequence[str] = ()) -> Event:
    payload: dict[str, Any] = {
        "Records": [
            {
                "SequenceNumber": str(number),
                "ApproximateArrivalTimestamp": 1_795_000_000.5,
                "Data": base64.b64encode(b"%d" % number).decode(),
                "PartitionKey": "key",
            }
            for number in numbers
        ],
        "ContinuationSequenceNumber": None if children else "999",
        "MillisBehindLatest": behind_milliseconds,
    }
    if children:
        payload["ChildShards"] = [{"ShardId": child, "ParentShards": []} for child in children]
    return "SubscribeToShardEvent", payload


@dataclass
class Subscription:
    """How one call is answered: with events, then by closing or, if it ``lasts``, by silence; or with an error."""

    events: Sequence[Event] = ()
    lasts: bool = False
    error: str | None = None


@dataclass
class FanOutServer:
    """Answers calls in order; more calls than ``subscriptions`` get silence. ``requests`` are their bodies."""

    subscriptions: list[Subscription]
    requests: list[dict[str, Any]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.headers["x-amz-target"] == "Kinesis_20131202.SubscribeToShard"
        self.requests.append(json.loads(await request.read()))
        subscription = self.subscriptions.pop(0) if self.subscriptions else Subscription(lasts=True)
        if subscription.error:
            return web.json_response({"__type": subscription.error, "message": "no"}, status=400)
        response = web.StreamResponse(headers={"content-type": "application/vnd.amazon.eventstream"})
        await response.prepare(request)
        try:
            await response.write(_message("initial-response", {}))
            for name, payload in subscription.events:
                await response.write(_message(name, payload))
            if subscription.lasts:
                await asyncio.Event().wait()
        finally:
            self.gone.set()
        return response


@asynccontextmanager
async def serving(server: FanOutServer) -> AsyncIterator[str]:
    """The URL it is at."""
    app = web.Application()
    app.router.add_post("/", server.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def _message(name: str, payload: dict[str, Any]) -> bytes:
    """One event, as ``application/vnd.amazon.eventstream`` frames it."""
    kind = "exception" if name.endswith("Exception") else "event"
    headers = {
        ":message-type": kind,
        f":{kind}-type": name,
        ":content-type": "application/json",
    }
    block = b"".join(
        bytes([len(key)]) + key.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for key, value in headers.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(block) + len(body), len(block))
    prelude += struct.pack(">I", crc32(prelude))
    message = prelude + block + body
    return message + struct.pack(">I", crc32(message))

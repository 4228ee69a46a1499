"""A server that speaks MongoDB's wire protocol and answers with what a test gives it.

No server that can be installed here tells of updates, drops, invalidations and elections as MongoDB and DocumentDB do.
Their answers are written down in the tests; the driver that gets them is the real one.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import bson
from bson import Int64, Timestamp

from tests.servers.process import free_port
from tests.unit.mongodb.scram import ScramServer

OP_MSG: Final = 2013
OP_QUERY: Final = 2004
OP_REPLY: Final = 1
HEADER: Final = struct.Struct("<iiii")
CURSOR: Final = Int64(7_000_000_001)
NOW: Final = Timestamp(1_795_900_000, 3)

Document = dict[str, Any]


class HangUp(Exception):
    """Instead of an answer: the connection breaks."""


class ScriptedMongoDb:
    """Answers each command with the next of the answers that were given for its name, else with a usual one: there
    are no changes. What it was asked, but for the driver's own questions about the server, is in ``asked``."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, passwords: Mapping[str, str] | None = None) -> None:
        self._tls = tls
        self._passwords = passwords or {}
        self.asked: list[Document] = []
        self.token = "quiet-0"
        """The resume token of usual answers: how far nothing happened."""
        self.always: dict[str, Document] = {}
        """Answers to commands for which no other is left."""
        self.asks = asyncio.Event()
        self._answers: defaultdict[str, deque[Document | HangUp]] = defaultdict(deque)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = free_port()  # kept while it is stopped

    @property
    def uri(self) -> str:
        """As patient as a test."""
        return self.uri_for(60.0)

    def uri_for(self, patience_seconds: float) -> str:
        """How long the driver looks for a server before it calls it absent: on a busy machine, any may look so."""
        waits = f"serverSelectionTimeoutMS={round(patience_seconds * 1000)}&connectTimeoutMS=60000"
        return f"mongodb://127.0.0.1:{self.port}/?{waits}&heartbeatFrequencyMS=500"

    def answer(self, command: str, *answers: Document | HangUp) -> None:
        """What to say to the next commands of this name."""
        self._answers[command].extend(answers)

    def streams(self) -> list[Document]:
        """The options of every change stream that was opened, in order."""
        pipelines = [command["pipeline"] for command in self.asked if "aggregate" in command]
        return [pipeline[0]["$changeStream"] for pipeline in pipelines]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)

    async def stop(self) -> None:
        """Connections break, and new ones are refused until it is started again."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._converse(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        login = ScramServer(self._passwords)
        try:
            while True:
                size, request, _, kind = HEADER.unpack(await reader.readexactly(HEADER.size))
                body = await reader.readexactly(size - HEADER.size)
                command = _first_document(body[body.index(0, 4) + 9 :] if kind == OP_QUERY else body[5:])
                answer = bson.encode(login.reply(command) or await self._reply(command))
                payload = (bytes(16) + struct.pack("<i", 1) if kind == OP_QUERY else bytes(5)) + answer
                code = OP_REPLY if kind == OP_QUERY else OP_MSG
                writer.write(HEADER.pack(HEADER.size + len(payload), 0, request, code) + payload)
                await writer.drain()
        except (HangUp, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _reply(self, command: Document) -> Document:
        name = next(iter(command))
        if name.lower() in ("hello", "ismaster"):
            return self._hello()
        self.asked.append(command)
        self.asks.set()
        if self._answers[name]:
            answer = self._answers[name].popleft()
            if isinstance(answer, HangUp):
                raise answer
            return answer
        if name in self.always:
            return self.always[name]
        match name:
            case "aggregate":
                return opened(token=self.token)
            case "getMore":
                await asyncio.sleep(0.01)
                return more(token=self.token)
            case "find":
                return {"cursor": {"firstBatch": [], "id": 0, "ns": "eventflow.leases"}, "ok": 1.0}
            case "update":
                return {"n": 0, "nModified": 0, "ok": 1.0}
        return {"ok": 1.0, "operationTime": NOW}

    def _hello(self) -> Document:
        address = f"127.0.0.1:{self.port}"
        return {
            "helloOk": True,
            "ismaster": True,
            "isWritablePrimary": True,
            "setName": "rs0",
            "setVersion": 1,
            "hosts": [address],
            "primary": address,
            "me": address,
            "maxBsonObjectSize": 16 * 1024 * 1024,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "logicalSessionTimeoutMinutes": 30,
            "minWireVersion": 0,
            "maxWireVersion": 17,
            "saslSupportedMechs": ["SCRAM-SHA-256"],
            "ok": 1.0,
        }


def _first_document(data: bytes) -> Document:
    """The command itself; the documents of a write follow it on their own."""
    size = int.from_bytes(data[:4], "little")
    return bson.decode(data[:size])


def opened(*changes: Document, token: str = "opened", cursor: int = CURSOR) -> Document:
    """The answer to ``aggregate``."""
    batch = {"firstBatch": list(changes), "id": Int64(cursor), "ns": "shop.orders"}
    return {"cursor": {**batch, "postBatchResumeToken": {"_data": token}}, "ok": 1.0, "operationTime": NOW}


def more(*changes: Document, token: str | None = None, cursor: int = CURSOR) -> Document:
    """The answer to ``getMore``. ``cursor=0`` is its end."""
    token = changes[-1]["_id"]["_data"] if token is None else token
    batch = {"nextBatch": list(changes), "id": Int64(cursor), "ns": "shop.orders"}
    return {"cursor": {**batch, "postBatchResumeToken": {"_data": token}}, "ok": 1.0, "operationTime": NOW}


def failed(code: int, name: str, message: str, *labels: str) -> Document:
    """An answer that says that something failed."""
    found: Mapping[str, Any] = {"errorLabels": list(labels)} if labels else {}
    return {"ok": 0.0, "errmsg": message, "code": code, "codeName": name, **found}


@asynccontextmanager
async def scripted_mongodb() -> AsyncIterator[ScriptedMongoDb]:
    server = ScriptedMongoDb()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()

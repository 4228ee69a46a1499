"""Collections on a server that speaks MongoDB's protocol, as contract cases use them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import anyio
import pytest
from pymongo import AsyncMongoClient

from eventflow.model.destinations import OutboundMessage, Service
from eventflow.model.records import StreamRecord
from eventflow.ports import AdapterSettings
from eventflow.testing.harness import Capability, StreamHarness
from eventflow_mongodb import MongodbAdapter, lease_table
from tests.contract.embedded import WallClock
from tests.servers.server import Server

LEASE_SECONDS: Final = 48
"""Requests get a quarter of it, which a busy machine may need."""
PATIENCE_SECONDS: Final = 60
CAPABILITIES: Final = frozenset({Capability.STARTING_TIMESTAMP, Capability.LONG_WAITS})


def mongodb_adapter(uri: str, **options: Any) -> MongodbAdapter:
    """An adapter with a short lease."""
    given = {"uri": uri, "lease_seconds": LEASE_SECONDS, **options}
    return MongodbAdapter(AdapterSettings(environment="test", options=given, resources={}, clock=WallClock()))


def new_collection() -> str:
    """The name of one that nobody else uses."""
    return f"contract.c{uuid4().hex}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Two adapters on one server, and what anybody writes with."""

    adapter: MongodbAdapter
    other_adapter: MongodbAdapter
    client: AsyncMongoClient[dict[str, Any]]

    async def insert(self, name: str, message: OutboundMessage) -> None:
        database, _, collection = name.partition(".")
        await self.client[database][collection].insert_one({"body": message.body})


@asynccontextmanager
async def processes(server: Server) -> AsyncIterator[Processes]:
    leases = f"leases{uuid4().hex}"
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(lease_table, "MAXIMUM_REQUEST_SECONDS", LEASE_SECONDS / 4)
        yield Processes(
            adapter=await stack.enter_async_context(mongodb_adapter(server.endpoint_url, lease_collection=leases)),
            other_adapter=await stack.enter_async_context(
                mongodb_adapter(server.endpoint_url, lease_collection=leases)
            ),
            client=await stack.enter_async_context(AsyncMongoClient(server.endpoint_url, retryWrites=False)),
        )


def body(record: StreamRecord) -> bytes | None:
    document = json.loads(record.data or b"{}").get("fullDocument")
    return None if document is None else base64.b64decode(document["body"]["$binary"]["base64"])


def stream_harness(opened: Processes, *, settles: bool = False) -> StreamHarness:
    """``settles`` waits after each write until its second is over: asked for the time, the server tells seconds."""

    async def create(partitions: int) -> str:
        assert partitions == 1
        return new_collection()

    async def write(name: str, message: OutboundMessage) -> None:
        await opened.insert(name, message)
        if settles:
            await anyio.sleep(1 - time.time() % 1)

    return StreamHarness(
        adapter=opened.adapter,
        other_adapter=opened.other_adapter,
        clock=WallClock(),
        capabilities=CAPABILITIES,
        patience_seconds=PATIENCE_SECONDS,
        grace_seconds=1,
        service=Service.DOCUMENTDB,
        create=create,
        write=write,
        value=body,
    )

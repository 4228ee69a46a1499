"""Kinesis streams and DynamoDB tables on test servers, as contract cases use them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import anyio
import pytest

from eventflow.events.attribute_values import deserialise_item
from eventflow.model.destinations import Destination, OutboundMessage, Service
from eventflow.model.mapping import StreamViewType
from eventflow.model.records import StreamRecord
from eventflow.ports import AdapterSettings, DestinationSink
from eventflow.testing.harness import Capability, StreamHarness
from eventflow_aws import AwsAdapter
from eventflow_aws.clients import Clients
from eventflow_aws.streams import lease_table
from tests.contract.aws_servers import REGION, be_patient, clients_of
from tests.contract.embedded import WallClock
from tests.servers.server import Server

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import StreamSpecificationTypeDef

LEASE_SECONDS: Final = 48
"""Requests get a quarter of it, which a busy machine may need."""
PATIENCE_SECONDS: Final = 120
CAPABILITIES: Final = {
    Service.KINESIS: frozenset({Capability.PARTITIONS, Capability.RESHARD, Capability.STARTING_TIMESTAMP}),
    Service.DYNAMODB: frozenset[str](),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Two adapters on the same servers, with a lease table of their own."""

    adapter: AwsAdapter
    other_adapter: AwsAdapter
    _streams: list[str] = field(default_factory=list)
    _sinks: dict[str, DestinationSink] = field(default_factory=dict)

    @property
    def clients(self) -> Clients:
        return clients_of(self.adapter)

    def for_one_case(self) -> Processes:
        """The same adapters, and nothing to tidy yet."""
        return Processes(adapter=self.adapter, other_adapter=self.other_adapter)

    async def send(self, destination: Destination, message: OutboundMessage) -> None:
        """Through one sink for all messages."""
        sink = self._sinks.get(destination.resource)
        if sink is None:
            sink = self._sinks[destination.resource] = await self.adapter.sink(destination)
        await sink.send(message)

    async def create_stream(self, shards: int) -> str:
        name = f"stream-{uuid4().hex}"
        kinesis = await self.clients.kinesis()
        with anyio.fail_after(PATIENCE_SECONDS):
            while True:
                try:
                    await kinesis.create_stream(StreamName=name, ShardCount=shards)
                    break
                except kinesis.exceptions.LimitExceededException:  # it makes five at a time, for everybody
                    await anyio.sleep(0.2)
        self._streams.append(name)
        await until_active(self.clients, name)
        return name

    async def tidy(self) -> None:
        """Close the sinks and delete the streams: the server has at most 50 shards."""
        while self._sinks:
            await self._sinks.popitem()[1].aclose()
        while self._streams:
            await (await self.clients.kinesis()).delete_stream(StreamName=self._streams.pop())


@asynccontextmanager
async def processes(endpoints: Mapping[str, Server]) -> AsyncIterator[Processes]:
    """Open them. ``endpoints`` are the servers by AWS's names of services, as in ``AWS_ENDPOINT_URL_KINESIS``."""
    variables = {f"AWS_ENDPOINT_URL_{name}": server.endpoint_url for name, server in endpoints.items()}
    settings = AdapterSettings(
        environment="test",
        options={"lease_table": f"leases-{uuid4().hex}", "lease_seconds": LEASE_SECONDS},
        resources={},
        clock=WallClock(),
        region=REGION,
        region_is_default=False,
    )
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(variable, raising=False)
        for variable, value in {**variables, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}.items():
            patch.setenv(variable, value)
        be_patient(patch)
        patch.setattr(lease_table, "MAXIMUM_REQUEST_SECONDS", LEASE_SECONDS / 4)
        async with AsyncExitStack() as stack:
            adapter = await stack.enter_async_context(AwsAdapter(settings))
            other_adapter = await stack.enter_async_context(AwsAdapter(settings))
            yield Processes(adapter=adapter, other_adapter=other_adapter)


async def split_first_shard(clients: Clients, name: str) -> None:
    """Split the first open shard in the middle."""
    kinesis = await clients.kinesis()
    shards = (await kinesis.list_shards(StreamName=name))["Shards"]
    shard = next(shard for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"])
    low, high = (int(shard["HashKeyRange"][end]) for end in ("StartingHashKey", "EndingHashKey"))
    middle = str((low + high) // 2)
    await kinesis.split_shard(StreamName=name, ShardToSplit=shard["ShardId"], NewStartingHashKey=middle)
    await until_active(clients, name)


async def until_active(clients: Clients, name: str) -> None:
    kinesis = await clients.kinesis()
    await kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 0, "MaxAttempts": 1_000})


async def create_table(clients: Clients, view_type: StreamViewType | None = StreamViewType.NEW_AND_OLD_IMAGES) -> str:
    """A table with a stream of this view type, or with none."""
    name = f"table-{uuid4().hex}"
    stream: StreamSpecificationTypeDef = {"StreamEnabled": view_type is not None}
    if view_type is not None:
        stream["StreamViewType"] = view_type.value
    await (await clients.dynamodb()).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification=stream,
    )
    return name


def item(message: OutboundMessage) -> OutboundMessage:
    """What to put into a table: each message is an item of its own."""
    document = {"id": str(uuid4()), "key": message.key, "body": base64.b64encode(message.body).decode()}
    return OutboundMessage(body=json.dumps(document).encode())


def item_value(record: StreamRecord) -> bytes:
    return base64.b64decode(deserialise_item(record.attributes["dynamodb"]["NewImage"])["body"])


def stream_value(record: StreamRecord) -> bytes | None:
    return record.data


def stream_harness(opened: Processes, service: Service, *, settles: bool = False) -> StreamHarness:
    """``settles`` waits after each write until its second is over, for services that tell times in seconds."""

    async def create(partitions: int) -> str:
        if service is Service.DYNAMODB:
            return await create_table(opened.clients)
        return await opened.create_stream(partitions)

    async def write(name: str, message: OutboundMessage) -> None:
        message = item(message) if service is Service.DYNAMODB else message
        await opened.send(Destination(service, name), message)
        if settles:
            await anyio.sleep(1 - time.time() % 1)

    async def reshard(name: str) -> None:
        await split_first_shard(opened.clients, name)

    return StreamHarness(
        adapter=opened.adapter,
        other_adapter=opened.other_adapter,
        clock=WallClock(),
        capabilities=CAPABILITIES[service],
        patience_seconds=PATIENCE_SECONDS,
        grace_seconds=1,
        service=service,
        create=create,
        write=write,
        value=item_value if service is Service.DYNAMODB else stream_value,
        view_type=StreamViewType.NEW_AND_OLD_IMAGES if service is Service.DYNAMODB else None,
        reshard=reshard,
    )

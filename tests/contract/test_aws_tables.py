"""Tables that cannot be read as a function asks for, on moto."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from eventflow.errors import AdapterError, ResourceNotFoundError
from eventflow.model.destinations import Service
from eventflow.model.mapping import BatchSettings, StartingPosition, StreamMapping, StreamViewType
from eventflow.model.subscriptions import StreamSubscription
from eventflow.ports import StreamSource
from tests.contract.aws_streams import Processes, create_table, processes
from tests.servers.server import Server

pytestmark = pytest.mark.parametrize("anyio_backend", ["asyncio"], scope="module")


@pytest.fixture(scope="module")
async def tables(anyio_backend: str, moto_server: Server) -> AsyncIterator[Processes]:
    async with processes({"DYNAMODB": moto_server, "DYNAMODB_STREAMS": moto_server}) as opened:
        yield opened


async def open_table(opened: Processes, name: str, view_type: StreamViewType | None = None) -> StreamSource:
    mapping = StreamMapping(batch=BatchSettings(batch_size=10), starting_position=StartingPosition.TRIM_HORIZON)
    return await opened.adapter.stream_source(
        StreamSubscription(
            service=Service.DYNAMODB, name=name, subscriber="contract", mapping=mapping, view_type=view_type
        )
    )


async def test_view_type_is_the_streams_unless_the_function_names_one(tables: Processes) -> None:
    name = await create_table(tables.clients, StreamViewType.KEYS_ONLY)
    for view_type in (None, StreamViewType.KEYS_ONLY):
        source = await open_table(tables, name, view_type)
        assert source.identity.extras == {"streamViewType": "KEYS_ONLY"}
        assert source.identity.arn.startswith("arn:aws:dynamodb:us-east-1:123456789012:table/")
        assert "/stream/" in source.identity.arn


async def test_stream_of_another_view_type_is_refused_with_the_mend(tables: Processes) -> None:
    name = await create_table(tables.clients, StreamViewType.KEYS_ONLY)
    with pytest.raises(AdapterError, match="has KEYS_ONLY, and the function asks for NEW_IMAGE; declare view_type"):
        await open_table(tables, name, StreamViewType.NEW_IMAGE)


async def test_table_without_a_stream_is_refused_with_the_mend(tables: Processes) -> None:
    name = await create_table(tables.clients, None)
    command = f"aws dynamodb update-table --table-name {name} --stream-specification StreamEnabled=true"
    with pytest.raises(ResourceNotFoundError, match=f"has no stream; run `eventflow provision`, or `{command}"):
        await open_table(tables, name)


async def test_missing_table_is_reported(tables: Processes) -> None:
    with pytest.raises(ResourceNotFoundError, match="dynamodb:no-such-table: does not exist"):
        await open_table(tables, "no-such-table")

"""A DynamoDB client for tests that need nothing else of the adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Final, cast

from aiobotocore.session import AioSession

from eventflow_aws.clients import Clients
from tests.servers.server import Server

SESSION: Final = AioSession()
"""Shared, because every session reads the service's description anew, which takes most of a second."""


@asynccontextmanager
async def dynamodb_clients(server: Server) -> AsyncIterator[Clients]:
    """Clients that know DynamoDB only."""
    async with SESSION.create_client("dynamodb", **server.client_options) as client:

        async def dynamodb() -> object:
            return client

        yield cast("Clients", SimpleNamespace(dynamodb=dynamodb))

"""The AWS adapter on servers that speak AWS's API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from eventflow.ports import AdapterSettings
from eventflow_aws import AwsAdapter
from eventflow_aws.clients import Clients
from tests.contract.embedded import WallClock

REGION: Final = "us-east-1"


@asynccontextmanager
async def aws_adapter(
    endpoint_url: str, *, resources: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[AwsAdapter]:
    """An adapter, entered, that talks to one server and to nothing else. ``options`` are those of its table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(variable, raising=False)
        settings = AdapterSettings(
            environment="test",
            options={"endpoint_url": endpoint_url, **options},
            resources=resources or {},
            clock=WallClock(),
            region=REGION,
            region_is_default=False,
        )
        async with AwsAdapter(settings) as adapter:
            yield adapter


def clients_of(adapter: AwsAdapter) -> Clients:
    """The adapter's own clients, to make resources with."""
    return adapter._opened.clients

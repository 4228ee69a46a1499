"""The AWS adapter on servers that speak AWS's API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import pytest

from eventflow.ports import AdapterSettings
from eventflow_aws import AwsAdapter
from eventflow_aws import clients as clients_module
from eventflow_aws.clients import Clients
from eventflow_aws.notifications import hub
from tests.contract.embedded import WallClock

REGION: Final = "us-east-1"
ANSWER_SECONDS: Final = 60
"""A busy server is not asked twice: what was sent again would count again."""


def be_patient(patch: pytest.MonkeyPatch) -> None:
    """Let adapters wait for answers."""
    patch.setattr(clients_module, "READ_SECONDS", ANSWER_SECONDS)
    patch.setattr(hub, "SETTLE_SECONDS", ANSWER_SECONDS)


@asynccontextmanager
async def aws_adapter(
    endpoint_url: str, *, resources: Mapping[str, str] | None = None, region: str = REGION, **options: Any
) -> AsyncIterator[AwsAdapter]:
    """An adapter, entered, that talks to one server and to nothing else. ``options`` are those of its table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        for variable in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            patch.delenv(variable, raising=False)
        be_patient(patch)
        settings = AdapterSettings(
            environment="test",
            options={"endpoint_url": endpoint_url, **options},
            resources=resources or {},
            clock=WallClock(),
            region=region,
            region_is_default=False,
        )
        async with AwsAdapter(settings) as adapter:
            yield adapter


def clients_of(adapter: AwsAdapter) -> Clients:
    """The adapter's own clients, to make resources with."""
    return adapter._opened.clients


async def create_bus(clients: Clients, name: str, queue_arn: str, *, pattern: str) -> None:
    """A bus with a rule that sends to a queue what fits the pattern."""
    events = await clients.events()
    await events.create_event_bus(Name=name)
    await events.put_rule(Name="all", EventBusName=name, EventPattern=pattern)
    await events.put_targets(Rule="all", EventBusName=name, Targets=[{"Id": "queue", "Arn": queue_arn}])

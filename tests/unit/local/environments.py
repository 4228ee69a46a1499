"""Opening the embedded environment, as its tests do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from eventflow.ports import AdapterSettings
from eventflow.testing.virtual_time import VirtualClock
from eventflow_local import LocalAdapter


def settings(directory: Path | None = None, **options: Any) -> AdapterSettings:
    """Inside a virtual loop: its clock is the environment's."""
    return AdapterSettings(
        environment="local",
        options={"data": str(directory or "memory"), **options},
        resources={},
        clock=VirtualClock(),
    )


@asynccontextmanager
async def environment(directory: Path | None = None, **options: Any) -> AsyncIterator[LocalAdapter]:
    async with LocalAdapter(settings(directory, **options)) as adapter:
        yield adapter

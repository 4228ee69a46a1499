"""Every ``async def`` test runs on virtual time unless it asks for the real clock with ``anyio_backend``."""

from __future__ import annotations

from typing import Any

import pytest

from eventflow.testing.virtual_time import VirtualTimeLoop


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}

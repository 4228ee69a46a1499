"""Every ``async def`` test runs on virtual time unless it asks for the real clock with ``anyio_backend``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from eventflow.testing.virtual_time import VirtualTimeLoop

settings.register_profile("eventflow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("eventflow")  # how long an example takes says how busy the machine is

pytest_plugins = ["tests.servers.fixtures"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one module that share a server stay in one process, so that few processes start it."""
    for item in items:
        fixtures: tuple[str, ...] = getattr(item, "fixturenames", ())
        if any(name.endswith("_server") for name in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}

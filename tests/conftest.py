"""Every ``async def`` test runs on virtual time unless it asks for the real clock with ``anyio_backend``. Warnings are
errors; those of sockets that a driver forgets are kept from other tests."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Generator
from functools import cache
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

from eventflow.testing.virtual_time import VirtualTimeLoop

BY_CHANCE = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
"""How long examples take says how busy the machine is; how many are thrown away, which ones came."""
settings.register_profile(
    "eventflow",
    deadline=None,
    suppress_health_check=BY_CHANCE,
    derandomize="CI" in os.environ,  # what fails there is of the change; other examples are looked for elsewhere
)
settings.load_profile("eventflow")

botocore.session.create_loader = cache(botocore.session.create_loader)  # hundreds of sessions read the same models

pytest_plugins = ["tests.servers.fixtures"]


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.get_closest_marker("forgotten_sockets"):
        item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Sockets that a driver forgets are collected once a module is over and pytest has let go of its fixtures;
    otherwise a later test would be blamed."""
    try:
        return (yield)
    finally:
        if item.get_closest_marker("forgotten_sockets") and (nextitem is None or nextitem.path != item.path):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()


@pytest.hookimpl(tryfirst=True)  # before xdist looks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what a module opens once stay in one process: each process would open it again, and do the work
    of all of them."""
    for item in items:
        if isinstance(item, pytest.Function) and (shared := _of_module(item)):
            params: dict[str, object] = item.callspec.params if hasattr(item, "callspec") else {}
            which = [str(params[name]) for name in shared if name in params]
            item.add_marker(pytest.mark.xdist_group("-".join([item.path.stem, *which])))


def _of_module(item: pytest.Function) -> list[str]:
    """The names of a test's fixtures that live as long as its module."""
    definitions = item._fixtureinfo.name2fixturedefs
    return [name for name, found in definitions.items() if found and found[-1].scope == "module"]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}

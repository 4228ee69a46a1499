"""Testing apps and adapters: virtual time, a whole app in memory, faults on purpose, contract cases.

    async with TestApp(shop) as app:
        await app.sqs("orders").send({"id": "1", "total": 9.5})
        await app.settle()
        assert app.invocations("fulfil")[0].outcome.ok

With pytest and anyio's plugin, put this into ``conftest.py`` (and ``anyio_mode = "auto"`` into the settings)::

    @pytest.fixture
    def anyio_backend():
        return eventflow.testing.VIRTUAL_TIME

``docs/testing.md`` says the same for pytest-asyncio and unittest.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio

from eventflow.testing.virtual_time import START, DeadlockError, VirtualClock, VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from eventflow.testing.app import NotSettledError, TestApp
    from eventflow.testing.callers import CallerFailedError
    from eventflow.testing.contexts import handler_context
    from eventflow.testing.edge import OriginCall
    from eventflow.testing.history import InvocationHistory
    from eventflow.testing.http_client import HttpResponse
    from eventflow.testing.websocket_client import (
        ConnectionEndedError,
        ConnectionRefusedByAppError,
        WebSocketClient,
    )

T = TypeVar("T")

VIRTUAL_TIME: Final[tuple[str, dict[str, Any]]] = ("asyncio", {"loop_factory": VirtualTimeLoop})
"""A backend for anyio's pytest plugin: asyncio on virtual time."""

# Whoever tests an adapter needs no app: these are imported when they are first used.
_HOMES: Final = {
    "CallerFailedError": "eventflow.testing.callers",
    "ConnectionEndedError": "eventflow.testing.websocket_client",
    "ConnectionRefusedByAppError": "eventflow.testing.websocket_client",
    "HttpResponse": "eventflow.testing.http_client",
    "InvocationHistory": "eventflow.testing.history",
    "NotSettledError": "eventflow.testing.app",
    "OriginCall": "eventflow.testing.edge",
    "TestApp": "eventflow.testing.app",
    "WebSocketClient": "eventflow.testing.websocket_client",
    "handler_context": "eventflow.testing.contexts",
}

__all__ = [
    "START",
    "VIRTUAL_TIME",
    "CallerFailedError",
    "ConnectionEndedError",
    "ConnectionRefusedByAppError",
    "DeadlockError",
    "HttpResponse",
    "InvocationHistory",
    "NotSettledError",
    "OriginCall",
    "TestApp",
    "VirtualClock",
    "VirtualTimeLoop",
    "WebSocketClient",
    "handler_context",
    "run",
]


def run(main: Callable[[], Awaitable[T]]) -> T:
    """Run an async function on virtual time, without any test framework."""
    backend, options = VIRTUAL_TIME
    return anyio.run(main, backend=backend, backend_options=options)


if not TYPE_CHECKING:  # a checker that saw this would accept any name

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

"""The event loop that commands run in: uvloop's where there is one, asyncio's elsewhere."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


def run_async(function: Callable[[*Arguments], Awaitable[T]], *arguments: *Arguments) -> T:
    """Run ``function(*arguments)`` in a new event loop; returns what it returns."""
    if not gc.isenabled():  # main() paused it; what was loaded meanwhile stays, and need not be walked again
        gc.freeze()
        gc.enable()
    return anyio.run(function, *arguments, backend_options=_loop_options())


def _loop_options() -> dict[str, Any]:
    try:
        import uvloop
    except ImportError:
        return {}
    return {"loop_factory": uvloop.new_event_loop}

"""The event loop of every contender: uvloop's, as ``eventflow serve`` uses it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function in a new loop; returns what it returns."""
    return uvloop.run(main())

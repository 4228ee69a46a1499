"""Checks of what an app wraps around its functions: the lifespan and the middleware.

Both are called when a run starts, where a wrong shape would end it in the middle of our own code.
"""

from __future__ import annotations

import inspect
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

from eventflow.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LIFESPAN: Final = "App(lifespan=...)"
_MIDDLEWARE: Final = "App(middleware=...)"
_LIFESPAN_HINT: Final = "an async generator without parameters, decorated with contextlib.asynccontextmanager"
_MIDDLEWARE_HINT: Final = "a function that takes the next handler and returns async def handler(invocation)"


def lifespan_problems(lifespan: object) -> Iterator[Problem]:
    """A lifespan is called without arguments and returns an async context manager."""
    if lifespan is None:
        return
    if isinstance(lifespan, AbstractAsyncContextManager):
        message = "was called already; give the function itself"
    elif not callable(lifespan):
        message = f"{lifespan!r} is not a function"
    elif inspect.isasyncgenfunction(lifespan) or inspect.iscoroutinefunction(lifespan):
        message = f"{_name(lifespan)} returns no async context manager"
    elif inspect.isgeneratorfunction(inspect.unwrap(lifespan)):
        message = f"{_name(lifespan)} is not asynchronous"
    elif not _takes(lifespan):
        message = f"{_name(lifespan)} has parameters, and nothing fills them"
    else:
        return
    yield Problem(where=_LIFESPAN, message=message, hint=_LIFESPAN_HINT)


def middleware_problems(middleware: Sequence[object]) -> Iterator[Problem]:
    """Middleware is called with the next handler, and returns one of its own."""
    for layer in middleware:
        if not callable(layer):
            message = f"{layer!r} is not a function"
        elif inspect.iscoroutinefunction(layer):
            message = f"{_name(layer)} is async itself, and returns no handler"
        elif not _takes(layer, "the next handler"):
            message = f"{_name(layer)} does not take one argument"
        else:
            continue
        yield Problem(where=_MIDDLEWARE, message=message, hint=_MIDDLEWARE_HINT)


def _name(function: object) -> str:
    return getattr(function, "__qualname__", None) or repr(function)


def _takes(function: object, *arguments: object) -> bool:
    """Whether a call with these arguments fits; what has no signature in Python is believed to."""
    try:
        signature = inspect.signature(function)  # type: ignore[arg-type]  # callers know that it is callable
    except ValueError:
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True

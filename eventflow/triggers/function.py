"""``@function``: a function's own settings, and its name when it is invoked directly."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, overload

from eventflow.model import limits
from eventflow.model.function import FunctionSettings, Isolation
from eventflow.triggers._marks import F, mark_with_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventflow.model.destinations import Destination


@overload
def function(handler: F, /) -> F: ...


@overload
def function(
    *,
    name: str | None = None,
    timeout_seconds: float = limits.DEFAULT_TIMEOUT_SECONDS,
    memory_limit_mb: int = limits.DEFAULT_MEMORY_MB,
    reserved_concurrency: int | None = None,
    maximum_retry_attempts: int = limits.DEFAULT_RETRY_ATTEMPTS,
    maximum_event_age_seconds: float = limits.DEFAULT_EVENT_AGE_SECONDS,
    on_success: Destination | None = None,
    on_failure: Destination | None = None,
    dead_letter_queue: Destination | None = None,
    isolation: Isolation = "none",
) -> Callable[[F], F]: ...


def function(handler: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Mark a function and give it settings, named as Lambda names them.

    Alone, the function has no source of events: it is invoked through the Invoke API, ``to_function`` or
    ``eventflow invoke``. Every setting is checked when the app is frozen.

    ``timeout_seconds`` 1 to 900, default 3. ``reserved_concurrency`` guarantees and limits concurrent
    invocations; 0 means the function never runs. ``maximum_retry_attempts`` 0 to 2 and
    ``maximum_event_age_seconds`` 60 to 21,600 govern asynchronous invocation; ``on_success``, ``on_failure``
    and ``dead_letter_queue`` take what a ``to_...`` function returns. ``memory_limit_mb`` is only shown to the
    handler. ``isolation="process"`` runs a handler in worker processes, which are killed at the timeout; the app's
    lifespan is not theirs, so their ``context.state`` is ``None``.
    Raises TypeError for a setting that there is not.
    Source: Lambda API: CreateFunction, PutFunctionConcurrency, PutFunctionEventInvokeConfig.
    """
    known = [setting.name for setting in fields(FunctionSettings)]
    for name in settings:
        if name not in known:
            raise TypeError(f"@function: there is no setting {name!r}; there are {', '.join(known)}")
    mark = mark_with_settings(FunctionSettings(**settings))
    return mark if handler is None else mark(handler)

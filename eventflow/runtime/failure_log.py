"""How failed invocations are logged: once, with what happens next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventflow.model.outcome import FunctionFailed, TimedOut

if TYPE_CHECKING:
    import logging


def log_failure(
    log: logging.Logger, function_name: str, failure: FunctionFailed | TimedOut, then: str, **extra: object
) -> None:
    """One ERROR line for a function error. ``then`` says what becomes of its event or records."""
    body = failure.body()
    exception = failure.exception if isinstance(failure, FunctionFailed) else None
    log.error(
        "%s failed, %s: %s: %s",
        function_name,
        then,
        body["errorType"],
        body["errorMessage"],
        exc_info=exception,
        extra={"function_name": function_name, **extra},
    )

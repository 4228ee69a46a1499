"""Exceptions of handlers as Lambda reports them. Source: Lambda guide: python-exceptions."""

from __future__ import annotations

import asyncio
import os
import signal
import traceback
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Final

from eventflow.model.outcome import FunctionFailed

if TYPE_CHECKING:
    from types import TracebackType

_MACHINERY: Final = tuple(
    str(directory) + os.sep
    for directory in (
        Path(__file__).resolve().parent.parent,
        Path(asyncio.__file__).resolve().parent,
        Path(futures.__file__).resolve().parent,
    )
)
"""Where code lives that only leads to a handler."""


class RemoteFailureError(Exception):
    """A handler failed in another process; ``failed`` says how."""

    def __init__(self, failed: FunctionFailed) -> None:
        super().__init__(failed.error_message)
        self.failed = failed


def function_failed(exc: BaseException, request_id: str) -> FunctionFailed:
    """The outcome of a handler that raised. What is no ``Exception`` ends a Lambda process."""
    if isinstance(exc, RemoteFailureError):
        return exc.failed
    exc.__traceback__ = _users_part(exc.__traceback__)
    if not isinstance(exc, Exception):
        return process_exited(_exit_status(exc), request_id, exc)
    return FunctionFailed(
        error_type=type(exc).__name__,
        error_message=_text(exc),
        stack_trace=traceback.format_list(traceback.extract_tb(exc.__traceback__)),
        request_id=request_id,
        exception=exc,
    )


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """The trace from the user's code on: what led there is ours, and nobody's concern."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_MACHINERY):
        trace = trace.tb_next
    return trace


def _text(exc: Exception) -> str:
    try:
        return str(exc)
    except Exception:  # noqa: BLE001 (the user's own __str__; as the traceback module writes it)
        return "<exception str() failed>"


def _exit_status(exc: BaseException) -> int:
    """The status with which a Lambda process would leave: 0 where there is none to be had."""
    code = exc.code if isinstance(exc, SystemExit) else None
    if code is None:
        return 0
    return code & 0xFF if isinstance(code, int) else 1


def process_exited(code: int, request_id: str, exc: BaseException | None = None) -> FunctionFailed:
    """The outcome of a handler that left: ``sys.exit``, or a worker process that died.

    ``code`` is its exit status, or the negative number of the signal that killed it.
    """
    if code > 0:
        reason = f"Runtime exited with error: exit status {code}"
    elif code < 0:
        reason = f"Runtime exited with error: signal: {(signal.strsignal(-code) or str(-code)).lower()}"
    else:
        reason = "Runtime exited without providing a reason"
    message = f"RequestId: {request_id} Error: {reason}"
    return FunctionFailed("Runtime.ExitError", message, platform=True, exception=exc)


def marshal_failed(exc: Exception, request_id: str) -> FunctionFailed:
    """The outcome of a handler whose result cannot be sent."""
    return FunctionFailed(
        error_type="Runtime.MarshalError",
        error_message=f"Unable to marshal response: {exc}",
        request_id=request_id,
        exception=exc,
    )

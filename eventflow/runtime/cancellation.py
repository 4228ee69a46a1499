"""Telling whose cancellation it is, where both ours and a handler's own arrive as the same exception."""

from __future__ import annotations

import asyncio
import math

import anyio


def is_stopping() -> bool:
    """Whether the runtime is cancelling the current task: it does so through cancel scopes and no other way."""
    return anyio.current_effective_deadline() == -math.inf


def forget_cancellation() -> None:
    """Take back every cancellation that is still pending for the current task. Only for tasks that are ours, and
    only when ``is_stopping`` said no: then it was a handler that cancelled the task it ran on."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()

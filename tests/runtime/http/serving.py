"""An app that is served on a real socket, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio

from eventflow import App, Environment
from eventflow.model.permissions import AuthType
from eventflow.run.runner import RunOptions, Started, run_plan
from eventflow.runtime.stopping import StopSignal


@asynccontextmanager
async def served(environment: Environment, *handlers: Callable[..., Any]) -> AsyncIterator[str]:
    """The address of an app whose Invoke API asks who calls."""
    plan = App(handlers).freeze(environment)
    options = RunOptions(port=0, invoke_auth_type=AuthType.AWS_IAM, drain_seconds=0)
    stop = StopSignal()
    starts: asyncio.Queue[Started] = asyncio.Queue()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(run_plan, plan, options, stop=stop, on_started=starts.put_nowait))
        yield str((await starts.get()).address)
        stop.request()

"""Running a plan: adapters around the supervisor, the HTTP server beside it."""

from __future__ import annotations

import random
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import anyio

from eventflow.errors import ConfigurationError, Problem
from eventflow.model.http import FunctionUrl
from eventflow.model.permissions import AuthType
from eventflow.run.adapters import Adapters, WrapAdapter
from eventflow.run.edges import open_edges
from eventflow.run.opening import open_plan
from eventflow.run.skills import skill_endpoints
from eventflow.runtime.callers import Callers
from eventflow.runtime.supervisor import Supervisor

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Mapping

    from anyio.abc import TaskStatus

    from eventflow.plan.plan import Plan
    from eventflow.ports import Clock
    from eventflow.runtime.http.gate import Gate
    from eventflow.runtime.invoker import Observer
    from eventflow.runtime.stopping import StopSignal
    from eventflow.runtime.supervisor import OpenedSources


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run a plan. ``port`` 0 takes a free one; ``host`` ``None`` serves no HTTP at all. ``invoke_api`` serves
    Lambda's Invoke API: to callers that sign and may invoke the function, or to whoever reaches the port if
    ``invoke_auth_type`` is ``NONE``. ``docs`` shows whoever reaches it what the app answers.

    ``drain_seconds`` is how long in-flight work may finish after the first request to stop.
    """

    host: str | None = "127.0.0.1"
    port: int = 8000
    invoke_api: bool = True
    invoke_auth_type: AuthType = AuthType.NONE
    docs: bool = False
    drain_seconds: float = 25.0
    access_log: bool = False


class Started(NamedTuple):
    """What is known once everything runs. ``address`` is ``http://127.0.0.1:8000``, or ``None``; ``edges`` are those of
    the distributions that are served."""

    address: str | None
    invoke_api: bool = True
    invoke_auth_type: AuthType = AuthType.NONE
    docs: bool = False
    edges: Mapping[str, str] = MappingProxyType({})


class SystemClock:
    """The wall clock of the machine."""

    def time(self) -> float:
        return time.time()


@asynccontextmanager
async def running(
    plan: Plan,
    *,
    stop: StopSignal,
    clock: Clock | None = None,
    draw: Callable[[], float] = random.random,
    drain_seconds: float = 25.0,
    wrap_adapter: WrapAdapter | None = None,
    observer: Observer | None = None,
    serves_http: bool = False,
) -> AsyncIterator[Supervisor]:
    """Run a plan inside the block, without a server: open its adapters, poll its sources, run its events.

    ``draw`` returns the jitter of every backoff, from 0 to 1. ``wrap_adapter`` may put an adapter of its own around
    each; ``observer`` is told of every invocation. ``serves_http`` says that the caller serves the supervisor's
    ``http_endpoints``.
    Raises ConfigurationError if an adapter or a resource named by the plan is not there, or if a source needs the
    server that there is not; UnavailableError if a service cannot be reached.
    """
    clock = clock or SystemClock()
    async with (
        Adapters(plan.environment, clock=clock, wrap=wrap_adapter) as adapters,
        open_plan(plan, adapters) as opened,
    ):
        if not serves_http:
            _refuse_endpoints(opened)
        supervisor = Supervisor(plan, opened, clock=clock, random=draw, drain_seconds=drain_seconds, observer=observer)
        async with supervisor.started(stop):
            yield supervisor


def _refuse_endpoints(opened: OpenedSources) -> None:
    """Raises ConfigurationError if events would arrive over HTTP, which nobody serves."""
    problems = [
        Problem(where=path, message="events arrive over HTTP, which is not served", hint="serve it: give a host")
        for path in opened.http_endpoints()
    ]
    if problems:
        raise ConfigurationError(problems)


async def run_plan(plan: Plan, options: RunOptions, *, stop: StopSignal, on_started: Callable[[Started], None]) -> None:
    """Run a plan until ``stop`` is requested: open its adapters, serve its routes, poll its sources.

    Raises what :func:`running` raises, and PortInUseError if the port is taken; then nothing has run.
    """
    if options.host is None:
        async with running(plan, stop=stop, drain_seconds=options.drain_seconds):
            on_started(Started(address=None))
            await stop.graceful()
        return
    from eventflow.runtime.http.server import listen

    gate = _gate(plan, options)
    with await listen(options.host, options.port) as sock:
        async with (
            open_edges(plan, options.host, access_log=options.access_log) as edges,
            anyio.create_task_group() as servers,
            running(plan, stop=stop, drain_seconds=options.drain_seconds, serves_http=True) as supervisor,
        ):
            served = anyio.Event()
            address = await servers.start(_serve, supervisor, options, gate, sock, stop, served)
            supervisor.drain_also(served.wait)
            proxies = {
                edge.name: await servers.start(partial(edge.serve, supervisor, stop, options.drain_seconds))
                for edge in edges
            }
            on_started(Started(address, options.invoke_api, options.invoke_auth_type, docs=options.docs, edges=proxies))
            await stop.graceful()


def _gate(plan: Plan, options: RunOptions) -> Gate | None:
    """Raises ConfigurationError if requests have to be signed, and nobody could."""
    if options.invoke_auth_type is AuthType.NONE or not (options.invoke_api or _has_signed_urls(plan)):
        return None
    from eventflow.run.protection import open_gate

    return open_gate(plan, SystemClock())


def _has_signed_urls(plan: Plan) -> bool:
    return any(isinstance(route.source, FunctionUrl) and route.source.is_signed for route in plan.routes)


async def _serve(
    supervisor: Supervisor,
    options: RunOptions,
    gate: Gate | None,
    sock: socket.socket,
    stop: StopSignal,
    served: anyio.Event,
    *,
    task_status: TaskStatus[str],
) -> None:
    """Serve the plan's routes; ``served`` is set when the last request is answered."""
    from eventflow.runtime.http.app import HttpApp
    from eventflow.runtime.http.server import serve_http

    callers = Callers(supervisor.functions)
    skills = skill_endpoints(supervisor.plan, callers, supervisor.clock)
    app = HttpApp(
        supervisor.plan,
        supervisor.functions,
        accept=supervisor.event_path.accept,
        metrics=supervisor.metrics,
        readiness=lambda: supervisor.readiness.problems,
        clock=supervisor.clock,
        endpoints={**supervisor.http_endpoints, **skills},
        callers=callers,
        invoke_api=options.invoke_api,
        docs=options.docs,
        gate=gate,
    )
    try:
        await serve_http(
            app,
            sock,
            stop=stop,
            drain_seconds=options.drain_seconds,
            access_log=options.access_log,
            task_status=task_status,
        )
    finally:
        served.set()

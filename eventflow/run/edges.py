"""Serving an app's distributions: the edge proxy, on a port for each."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import anyio
from anyio import TASK_STATUS_IGNORED

from eventflow.errors import ConfigurationError, Problem
from eventflow.runtime.callers import Callers

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Sequence

    from anyio.abc import TaskStatus

    from eventflow.model.edge import Distribution
    from eventflow.plan.plan import Plan
    from eventflow.runtime.edge.origins import Origins
    from eventflow.runtime.stopping import StopSignal
    from eventflow.runtime.supervisor import Supervisor


class Edge:
    """One distribution, and the socket that viewers connect to."""

    def __init__(self, distribution: Distribution, sock: socket.socket, origins: Origins, *, access_log: bool) -> None:
        self.name = distribution.name
        self._distribution = distribution
        self._sock = sock
        self._origins = origins
        self._access_log = access_log

    async def serve(
        self,
        supervisor: Supervisor,
        stop: StopSignal,
        drain_seconds: float,
        *,
        task_status: TaskStatus[str] = TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until ``stop`` is requested; the run waits for the last request. Reports the address."""
        from eventflow.runtime.edge.proxy import EdgeProxy
        from eventflow.runtime.http.server import serve_http

        served = anyio.Event()
        supervisor.drain_also(served.wait)
        proxy = EdgeProxy(
            self._distribution,
            supervisor.functions,
            callers=Callers(supervisor.functions),
            origins=self._origins,
            clock=supervisor.clock,
        )
        try:
            await serve_http(
                proxy,
                self._sock,
                stop=stop,
                drain_seconds=drain_seconds,
                access_log=self._access_log,
                date_header=False,
                task_status=task_status,
            )
        finally:
            served.set()


def served_distributions(plan: Plan) -> tuple[Distribution, ...]:
    """The distributions that functions of a plan take part in, and that have an origin in its environment."""
    known = plan.environment.distributions
    if not known:
        return ()
    from eventflow.triggers.cloudfront import CloudFrontTrigger  # most apps have none

    named = {
        trigger.distribution: None
        for function in plan.functions.values()
        for trigger in function.definition.triggers
        if isinstance(trigger, CloudFrontTrigger)
    }
    return tuple(known[name] for name in named if name in known)


@asynccontextmanager
async def open_edges(plan: Plan, host: str, *, access_log: bool = False) -> AsyncIterator[Sequence[Edge]]:
    """A plan's distributions, each with a socket that listens on ``host``.

    Raises PortInUseError, or ConfigurationError for an address that cannot be listened on, or if what proxies need is
    not installed.
    """
    distributions = served_distributions(plan)
    if not distributions:
        yield ()
        return
    from eventflow.runtime.http.server import listen

    async with AsyncExitStack() as stack:
        edges = []
        for distribution in distributions:
            origins = await stack.enter_async_context(_origins(distribution))
            sock = stack.enter_context(await listen(host, distribution.port))
            edges.append(Edge(distribution, sock, origins, access_log=access_log))
        yield edges


@asynccontextmanager
async def _origins(distribution: Distribution) -> AsyncIterator[Origins]:
    try:
        from eventflow.runtime.edge.client import AiohttpOrigins
    except ImportError as exc:
        hint = "pip install 'eventflow[edge]'"
        problem = Problem(where=f"distribution {distribution.name}", message=f"cannot be served: {exc}", hint=hint)
        raise ConfigurationError([problem]) from exc
    own = (distribution.origin, *distribution.origins.values())
    async with AiohttpOrigins.opened({url.host for url in own}) as origins:
        yield origins

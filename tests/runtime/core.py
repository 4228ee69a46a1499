"""One function and what calls it, without sources around: what the tests of the core runtime share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from eventflow.model.context import FunctionEnvironment
from eventflow.model.function import FunctionDefinition, FunctionSettings
from eventflow.model.outcome import ThrottleReason
from eventflow.plan.endpoints import direct_endpoint
from eventflow.plan.plan import Middleware
from eventflow.runtime.admission import Slice
from eventflow.runtime.invoker import Entry, Invoker, Observer
from eventflow.runtime.metrics import InvocationFigures, Metrics

REQUEST_ID = "5e9c3a1d-0000-4000-a000-000000000001"


def settings_of(**settings: Any) -> FunctionSettings:
    return FunctionSettings(**{"timeout_seconds": 3.0, **settings})


def definition_of(handler: Callable[..., Any], **settings: Any) -> FunctionDefinition:
    """A function named after its handler, without triggers."""
    return FunctionDefinition(name=handler.__name__, handler=handler, settings=settings_of(**settings))


def environment_of(name: str, *, state: Any = None) -> FunctionEnvironment:
    return FunctionEnvironment(
        function_name=name,
        function_arn=f"arn:aws:lambda:us-east-1:000000000000:function:{name}",
        memory_limit_in_mb="128",
        log_group_name=f"/aws/lambda/{name}",
        log_stream_name="2026/01/01/[$LATEST]0",
        clock=asyncio.get_running_loop().time,
        next_request_id=lambda: REQUEST_ID,
        state=state,
    )


class Called:
    """A function without sources, ready to be invoked. ``permits`` limits it to ``limit`` at once."""

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        limit: int = 1_000,
        middleware: Sequence[Middleware] = (),
        observer: Observer | None = None,
        threads: Executor | None = None,
        **settings: Any,
    ) -> None:
        definition = definition_of(handler, **settings)
        endpoint, problems = direct_endpoint(definition)
        assert endpoint is not None, problems
        self.permits = Slice(limit, ThrottleReason.FUNCTION)
        self.metrics = Metrics()
        self.invoker = Invoker(
            definition,
            environment_of(definition.name),
            permits=self.permits,
            metrics=self.metrics,
            threads=threads or ThreadPoolExecutor(4),
            middleware=middleware,
            observer=observer,
        )
        self.entry: Entry = self.invoker.entry(endpoint)

    @property
    def figures(self) -> InvocationFigures:
        return self.entry.figures

    async def __call__(self, event: Any = None) -> Any:
        """One invocation, under a known request id."""
        return await self.entry.invoke(event, REQUEST_ID)

"""Calling a function for a service that waits, and that knows which function only by what it sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from eventflow.runtime.outliving import Outliving
from eventflow.runtime.request_path import report_failure
from eventflow.runtime.responses import Response, response_of

if TYPE_CHECKING:
    import asyncio

    from eventflow.model.destinations import Service
    from eventflow.model.json import JsonObject
    from eventflow.runtime.functions import Functions, RunningFunction


class Answered(NamedTuple):
    """A function's response, and the request id of the invocation."""

    request_id: str
    response: Response


class Callers:
    """Calls the functions of a run, and waits no longer than the service would."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._outliving: Outliving[Answered] = Outliving()

    @property
    def outliving(self) -> frozenset[asyncio.Task[Answered]]:
        """Invocations that run now; their callers may have given up."""
        return self._outliving.tasks

    def find(self, service: Service, name: str, event: JsonObject) -> RunningFunction | None:
        """The function whose trigger fits an event best."""
        found = [
            (trigger.match(event), function)
            for function in self._functions.values()
            for trigger in function.plan.definition.triggers
            if trigger.service is service and trigger.name == name
        ]
        fits, function = max(found, key=lambda pair: pair[0], default=(0, None))
        return function if fits else None

    async def call(
        self, function: RunningFunction, service: Service, event: JsonObject, *, seconds: float
    ) -> Answered | None:
        """What the function answers; ``None`` if it goes on after ``seconds``."""
        return await self._outliving.wait(_invoke(function, service, event), seconds=seconds)

    def abandon(self) -> None:
        """Cancel what still runs."""
        self._outliving.abandon()


async def _invoke(function: RunningFunction, service: Service, event: JsonObject) -> Answered:
    request_id = function.invoker.environment.next_request_id()
    outcome = await function.entry_of(service, event).invoke(event, request_id)
    response = response_of(outcome, request_id)
    report_failure(function.name, response.outcome, request_id)
    return Answered(request_id, response)

"""Sending to destinations: sinks by logical name, and functions of this app."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from eventflow.errors import (
    AdapterError,
    FunctionNotFoundError,
    InvalidMessageError,
    InvocationError,
    ResourceNotFoundError,
    UnavailableError,
)
from eventflow.model.destinations import Destination, OutboundMessage, Service

if TYPE_CHECKING:
    from eventflow.model.invocation import PendingDelivery
    from eventflow.ports import DestinationSink
    from eventflow.runtime.metrics import Metrics

SEND_SECONDS: Final = 30.0
"""How long a destination may take with one message before it counts as away."""

InvokeFunction: TypeAlias = Callable[[str, bytes], Awaitable[str]]
"""Accepts an event for a function of this app; returns its request id."""


class Destinations:
    """The destinations of a run. ``sinks`` are open; ``invoke`` accepts events for the app's own functions."""

    def __init__(
        self,
        sinks: Mapping[Destination, DestinationSink],
        *,
        function_arns: Mapping[str, str],
        metrics: Metrics,
    ) -> None:
        self._sinks = dict(sinks)
        self._function_arns = function_arns
        self._metrics = metrics
        self._invoke: InvokeFunction | None = None

    def serve_functions(self, invoke: InvokeFunction) -> None:
        """Deliver to functions through ``invoke``; called once, by the event path that owns it."""
        self._invoke = invoke

    def arn(self, destination: Destination) -> str:
        """The destination's ARN; empty if this run does not have it."""
        sink = self._sinks.get(destination)
        if sink is not None:
            return sink.arn
        return self._function_arns.get(destination.name, "") if destination.service is Service.FUNCTION else ""

    async def send(self, function_name: str, delivery: PendingDelivery) -> None:
        """Hand over one message of a function; it is stored durably when this returns.

        Raises InvalidMessageError (never try again), or another AdapterError (try again later).
        """
        destination = delivery.destination
        key = (function_name, destination.resource)
        try:
            with anyio.fail_after(SEND_SECONDS):
                await self._send(destination, delivery.message)
        except TimeoutError as exc:
            self._metrics.destination_failures[key] += 1
            raise UnavailableError(destination.resource, f"took longer than {SEND_SECONDS:g} seconds") from exc
        except Exception as exc:
            self._metrics.destination_failures[key] += 1
            if isinstance(exc, AdapterError):
                raise
            # A sink that raises what it should not: the record is kept, as if it were away.
            raise UnavailableError(destination.resource, f"failed unexpectedly: {exc!r}") from exc
        self._metrics.destination_deliveries[key] += 1

    async def _send(self, destination: Destination, message: OutboundMessage) -> None:
        sink = self._sinks.get(destination)
        if sink is not None:
            await sink.send(message)
        elif destination.service is Service.FUNCTION and self._invoke is not None:
            await _invoke_function(self._invoke, destination, message)
        else:  # written by a version of the app that had it
            raise ResourceNotFoundError(destination.resource, "is no destination of this app")


async def _invoke_function(invoke: InvokeFunction, destination: Destination, message: OutboundMessage) -> None:
    try:
        await invoke(destination.name, message.body)
    except FunctionNotFoundError as exc:  # another version of the app may have it
        raise ResourceNotFoundError(destination.resource, str(exc)) from exc
    except InvocationError as exc:
        raise InvalidMessageError(destination.resource, str(exc)) from exc

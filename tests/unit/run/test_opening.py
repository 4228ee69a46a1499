"""Everything a plan names is opened side by side, within its time, and what cannot be is told at once."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from eventflow import App, function, on_sqs, to_sqs
from eventflow.errors import AccessDeniedError, ConfigurationError, EnvironmentUnavailableError, UnavailableError
from eventflow.model.destinations import Destination
from eventflow.model.subscriptions import QueueSubscription
from eventflow.plan.environment import Environment
from eventflow.ports import Adapter, DestinationSink, QueueSource
from eventflow.run.runner import running
from eventflow.runtime.stopping import StopSignal
from eventflow.testing.virtual_time import VirtualClock


@on_sqs("orders")
@function(on_failure=to_sqs("lost"))
def fulfil(order: dict[str, Any]) -> None: ...


@on_sqs("returns")
@function(dead_letter_queue=to_sqs("lost"))
def restock(order: dict[str, Any]) -> None: ...


class Troubled:
    """An adapter some of whose queues answer with an error, or never."""

    def __init__(self, adapter: Adapter, errors: dict[str, Exception | None]) -> None:
        self._adapter = adapter
        self._errors = errors

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    async def __aenter__(self) -> Troubled:
        await self._adapter.__aenter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        await self._adapter.__aexit__(*exc_info)

    async def queue_source(self, subscription: QueueSubscription) -> QueueSource:
        await self._trouble(subscription.name)
        return await self._adapter.queue_source(subscription)

    async def sink(self, destination: Destination) -> DestinationSink:
        await self._trouble(destination.name)
        return await self._adapter.sink(destination)

    async def _trouble(self, name: str) -> None:
        if name in self._errors:
            error = self._errors[name]
            if error is None:
                await anyio.sleep_forever()
            else:
                raise error


async def start(errors: dict[str, Exception | None]) -> None:
    plan = App([fulfil, restock]).freeze(Environment(options={"data": "memory"}))
    clock = VirtualClock()
    async with running(
        plan,
        stop=StopSignal(),
        clock=clock,
        wrap_adapter=lambda adapter: Troubled(adapter, errors),
    ):
        pass


async def test_services_that_do_not_answer_are_told_of_together_after_one_wait() -> None:
    started = anyio.current_time()
    with pytest.raises(EnvironmentUnavailableError) as caught:
        await start({"orders": None, "returns": UnavailableError("sqs:returns", "cannot connect")})
    assert anyio.current_time() - started < 61
    first, second = caught.value.problems
    assert first.where == f'{__name__}.fulfil @on_sqs("orders")'
    assert first.message == "was not opened within 60 s"
    assert second.message == "sqs:returns: cannot connect"


async def test_a_mistake_beside_a_service_that_is_away_is_a_mistake() -> None:
    errors: dict[str, Exception | None] = {
        "orders": AccessDeniedError("sqs:orders", "is denied", mend="allow it"),
        "returns": UnavailableError("sqs:returns", "cannot connect"),
    }
    with pytest.raises(ConfigurationError) as caught:
        await start(errors)
    assert caught.value.problems[0].hint == "allow it"
    assert len(caught.value.problems) == 2


async def test_what_is_wrong_everywhere_alike_is_told_once() -> None:
    error = AccessDeniedError("credentials", "have expired")
    with pytest.raises(ConfigurationError) as caught:
        await start({"orders": error, "returns": error, "lost": error})
    [problem] = caught.value.problems
    assert problem.where == f'{__name__}.fulfil @on_sqs("orders") and 2 more'


async def test_a_destination_is_told_with_those_who_send_there() -> None:
    with pytest.raises(EnvironmentUnavailableError) as caught:
        await start({"lost": UnavailableError("sqs:lost", "cannot connect")})
    [problem] = caught.value.problems
    assert problem.where == f"{__name__}.fulfil on_failure and 1 more"


async def test_what_an_adapter_does_wrong_is_no_mistake_of_the_user() -> None:
    with pytest.raises(ZeroDivisionError):
        await start({"orders": ZeroDivisionError(), "returns": None})

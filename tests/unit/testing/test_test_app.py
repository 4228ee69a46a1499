"""``TestApp`` with the test frameworks there are: where it is entered and left, and what it says if it cannot be."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import anyio
import pytest

from eventflow import ConfigurationError, FunctionNotFoundError, HttpEvent, function, on_http, on_sqs
from eventflow.testing import TestApp
from eventflow.testing.faults import EVERY, Call

T = TypeVar("T")


@on_sqs("orders")
async def expedite(order: str) -> None: ...


async def test_it_may_be_entered_and_left_in_different_tasks_as_by_a_fixture_of_pytest_asyncio() -> None:
    app = TestApp(expedite)
    await asyncio.create_task(app.__aenter__())

    await app.sqs("orders").send("1")
    await app.settle()
    assert app.invocations("expedite")[0].outcome.ok

    await asyncio.create_task(app.__aexit__(None, None, None))


async def test_what_is_wrong_with_the_app_is_raised_as_it_is() -> None:
    @function(timeout_seconds=-1)
    def slow() -> None: ...

    with pytest.raises(ConfigurationError, match="timeout_seconds: -1 is not allowed"):
        async with TestApp(slow):
            pytest.fail("it entered")


async def test_a_misspelt_function_is_not_one_that_never_ran() -> None:
    async with TestApp(expedite) as app:
        assert app.invocations("expedite") == ()
        with pytest.raises(FunctionNotFoundError, match="expdite"):
            app.invocations("expdite")


async def test_every_usual_method_of_http() -> None:
    @on_http("ANY /orders")
    async def echo(event: HttpEvent) -> str:
        return f"{event.request_context.http.method} {event.body}"

    async with TestApp(echo) as app:
        responses = [
            await app.http.get("/orders"),
            await app.http.post("/orders", "a"),
            await app.http.put("/orders", {"id": 1}),
            await app.http.patch("/orders", "b"),
            await app.http.delete("/orders"),
        ]
    assert [response.text for response in responses] == [
        "GET None",
        "POST a",
        'PUT {"id": 1}',
        "PATCH b",
        "DELETE None",
    ]


async def test_what_the_test_raises_is_raised_as_it_is() -> None:
    with pytest.raises(LookupError, match="of the test"):
        async with TestApp(expedite):
            raise LookupError("of the test")


async def test_a_crash_inside_ends_a_test_that_waits_for_it() -> None:
    async def crash(call: Call[T]) -> T:
        raise AssertionError("a bug in an adapter")

    async def use() -> None:
        async with TestApp(expedite, faults={"sqs:orders": {("receive", EVERY): crash}}):
            await anyio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await use()
    assert caught.group_contains(AssertionError, match="a bug in an adapter")
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_test_that_is_cancelled_ends_the_app() -> None:
    with anyio.move_on_after(5) as scope:
        async with TestApp(expedite):
            await anyio.sleep_forever()
    assert scope.cancelled_caught


def test_it_says_what_loop_it_needs() -> None:
    async def use() -> None:
        async with TestApp(expedite):
            pytest.fail("it entered")

    with pytest.raises(RuntimeError, match=r"TestApp needs a VirtualTimeLoop, this is a .*: use eventflow.testing.run"):
        asyncio.run(use())

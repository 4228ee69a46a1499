"""A lifespan or a middleware of the wrong shape is told at freeze, with the shape that is right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from eventflow import App, ConfigurationError, Invocation, Outcome, function

Next = Callable[[Invocation], Awaitable[Outcome]]


@function
def handler() -> None: ...


async def undecorated() -> AsyncIterator[None]:
    yield


async def coroutine() -> None: ...


@contextmanager
def synchronous() -> Iterator[None]:
    yield


@asynccontextmanager
async def of_another_framework(app: Any) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def right() -> AsyncIterator[None]:
    yield


class Client:
    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *failure: object) -> None: ...


async def call_next_style(invocation: Invocation, call_next: Next) -> Outcome:
    return await call_next(invocation)


async def asynchronous(call_next: Next) -> Next:
    return call_next


def of_two(invocation: Invocation, call_next: Next) -> Outcome:
    raise AssertionError


def layer(call_next: Next) -> Next:
    return call_next


class Layer:
    def __call__(self, call_next: Next) -> Next:
        return call_next


def refusal(**options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        App([handler], **options).freeze()
    return str(caught.value)


@pytest.mark.parametrize(
    ("lifespan", "message"),
    [
        (undecorated, "undecorated returns no async context manager (an async generator without parameters, decorated"),
        (coroutine, "coroutine returns no async context manager"),
        (synchronous, "synchronous is not asynchronous"),
        (of_another_framework, "of_another_framework has parameters, and nothing fills them"),
        (right(), "was called already; give the function itself"),
        ("pool", "'pool' is not a function"),
    ],
)
def test_a_lifespan_of_the_wrong_shape(lifespan: Any, message: str) -> None:
    assert f"App(lifespan=...): {message}" in refusal(lifespan=lifespan)


@pytest.mark.parametrize(
    ("middleware", "message"),
    [
        (call_next_style, "call_next_style is async itself, and returns no handler (a function that takes the next"),
        (asynchronous, "asynchronous is async itself"),
        (of_two, "of_two does not take one argument"),
        ("logging", "'logging' is not a function"),
    ],
)
def test_a_middleware_of_the_wrong_shape(middleware: Any, message: str) -> None:
    assert f"App(middleware=...): {message}" in refusal(middleware=[middleware])


@pytest.mark.parametrize("lifespan", [right, Client])
@pytest.mark.parametrize("middleware", [layer, Layer(), lambda call_next: call_next])
def test_right_ones_are_taken(lifespan: Any, middleware: Any) -> None:
    assert App([handler], lifespan=lifespan, middleware=[middleware]).freeze().middleware == (middleware,)

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

import anyio
import pytest

from eventflow.model.context import Context
from eventflow.model.invocation import Invocation
from eventflow.model.outcome import FunctionFailed, Outcome, Succeeded, Throttled, ThrottleReason, TimedOut
from eventflow.plan.plan import InvocationHandler
from eventflow.runtime.invoker import current_context
from eventflow.runtime.responses import response_of
from tests.runtime.core import REQUEST_ID, Called

REAL_TIME: tuple[str, dict[str, Any]] = ("asyncio", {})


def body_of(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, FunctionFailed | TimedOut)
    return outcome.body()


EXITED = {
    "errorType": "Runtime.ExitError",
    "errorMessage": f"RequestId: {REQUEST_ID} Error: Runtime exited without providing a reason",
}


# Outcomes of async handlers


async def test_what_the_handler_returns_is_the_outcome() -> None:
    async def handler(event: dict[str, Any], context: Context) -> Any:
        return [event, context.aws_request_id, context.function_name, context.get_remaining_time_in_millis()]

    called = Called(handler, timeout_seconds=7)
    assert await called({"a": 1}) == Succeeded([{"a": 1}, REQUEST_ID, "handler", 7_000])
    assert (called.figures.succeeded, called.figures.failed, called.permits.running) == (1, 0, 0)


async def test_an_exception_becomes_lambdas_error_object() -> None:
    async def handler(event: Any) -> None:
        raise ValueError("x")

    called = Called(handler)
    body = body_of(await called())
    [frame] = body.pop("stackTrace")
    assert list(body.items()) == [("errorMessage", "x"), ("errorType", "ValueError"), ("requestId", REQUEST_ID)]
    assert frame.startswith(f'  File "{__file__}", line ')
    assert 'in handler\n    raise ValueError("x")\n' in frame
    assert (called.figures.failed, called.permits.running) == (1, 0)


async def test_an_exception_whose_text_cannot_be_had_is_a_function_error_too() -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    async def handler() -> None:
        raise SilentError

    body = body_of(await Called(handler)())
    assert (body["errorType"], body["errorMessage"]) == ("SilentError", "<exception str() failed>")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (None, "Runtime exited without providing a reason"),
        (0, "Runtime exited without providing a reason"),
        (3, "Runtime exited with error: exit status 3"),
        (-1, "Runtime exited with error: exit status 255"),
        (True, "Runtime exited with error: exit status 1"),
        ("out of luck", "Runtime exited with error: exit status 1"),
    ],
)
async def test_a_handler_that_exits_does_not_end_the_process(code: Any, reason: str) -> None:
    async def handler() -> None:
        raise SystemExit(code)

    expected = {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {REQUEST_ID} Error: {reason}"}
    assert list(body_of(await Called(handler)()).items()) == list(expected.items())


async def test_a_base_exception_ends_a_lambda_process_and_is_reported_so() -> None:
    class Leave(BaseException):
        pass

    async def handler() -> None:
        raise Leave

    outcome = await Called(handler)()
    assert body_of(outcome) == EXITED
    assert isinstance(outcome, FunctionFailed)
    assert isinstance(outcome.exception, Leave)  # for the log


async def test_a_handler_that_raises_cancelled_error_itself_has_exited() -> None:
    async def handler() -> None:
        raise asyncio.CancelledError

    assert body_of(await Called(handler)()) == EXITED


async def test_a_handler_that_awaits_what_it_cancelled_has_exited() -> None:
    async def handler() -> None:
        task = asyncio.ensure_future(asyncio.sleep(1))
        task.cancel()
        await task

    called = Called(handler)
    assert body_of(await called()) == EXITED
    assert called.permits.running == 0


async def test_an_interrupt_from_the_keyboard_is_not_an_outcome() -> None:
    async def handler() -> None:
        raise KeyboardInterrupt

    called = Called(handler, timeout_seconds=1)
    with pytest.raises(KeyboardInterrupt):
        await called()
    assert called.permits.running == 0
    await anyio.sleep(2)  # nothing is left that would cancel this task at the invocation's deadline


async def test_a_handler_that_raises_what_closes_coroutines_has_exited_and_ends_nothing_else() -> None:
    async def handler() -> None:
        raise GeneratorExit

    seen: list[Outcome] = []

    def watching(call_next: InvocationHandler) -> InvocationHandler:
        async def watch(invocation: Invocation) -> Outcome:
            seen.append(await call_next(invocation))
            return seen[0]

        return watch

    assert body_of(await Called(handler)()) == EXITED
    assert body_of(await Called(handler, middleware=[watching])()) == EXITED
    assert body_of(seen[0]) == EXITED


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit, SystemExit])
async def test_what_ends_a_thread_ends_no_more_than_its_handler(error: type[BaseException]) -> None:
    def handler() -> None:
        raise error

    called = Called(handler)
    assert body_of(await called()) == EXITED
    assert called.permits.running == 0


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_coroutine_that_is_closed_is_no_outcome(wrapped: bool) -> None:
    def unchanged(call_next: InvocationHandler) -> InvocationHandler:
        return call_next

    async def handler() -> None:
        await anyio.sleep(60)

    called = Called(handler, middleware=[unchanged] if wrapped else [])
    context = copy_context()
    task = asyncio.create_task(called(), context=context)
    await asyncio.sleep(0)
    coroutine = task.get_coro()
    assert isinstance(coroutine, Coroutine)
    context.run(coroutine.close)  # as when a loop is given up
    task.cancel()
    with pytest.raises((asyncio.CancelledError, RuntimeError)):
        await task
    assert (called.permits.running, called.figures.failed) == (0, 0)


# Timeouts


async def test_a_handler_is_stopped_at_its_timeout() -> None:
    stopped: list[float] = []

    async def handler() -> None:
        try:
            await anyio.sleep(60)
        finally:
            stopped.append(anyio.current_time())

    called = Called(handler, timeout_seconds=1)
    outcome = await called()
    assert list(body_of(outcome).items()) == [
        ("errorType", "Sandbox.Timedout"),
        ("errorMessage", f"RequestId: {REQUEST_ID} Error: Task timed out after 1.00 seconds"),
    ]
    assert stopped == [pytest.approx(1)]
    assert (called.figures.timed_out, called.permits.running) == (1, 0)
    await anyio.sleep(1)  # the cancellation is over: waiting works


async def test_a_handler_that_swallows_its_cancellation_has_timed_out_all_the_same() -> None:
    async def handler() -> str:
        with anyio.CancelScope(shield=True):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(1)
        return "done"

    called = Called(handler, timeout_seconds=1)
    assert isinstance(await called(), TimedOut)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_handler_that_raises_when_it_is_cancelled_has_timed_out() -> None:
    async def handler() -> None:
        try:
            await anyio.sleep(60)
        finally:
            raise RuntimeError("the connection was in use")

    assert isinstance(await Called(handler, timeout_seconds=1)(), TimedOut)


async def test_a_timeout_of_the_handlers_own_is_its_own_error() -> None:
    async def handler() -> None:
        async with asyncio.timeout(1):
            await asyncio.sleep(60)

    body = body_of(await Called(handler, timeout_seconds=3)())
    assert body["errorType"] == "TimeoutError"


async def test_a_handler_that_is_done_just_before_its_deadline_succeeds() -> None:
    async def handler() -> str:
        await anyio.sleep(0.999)
        return "done"

    called = Called(handler, timeout_seconds=1)
    assert await called() == Succeeded("done")
    await anyio.sleep(5)


async def test_a_handler_that_is_done_in_the_turn_of_its_deadline_leaves_no_cancellation_behind() -> None:
    async def handler() -> str:
        await anyio.sleep(1)
        return "done"

    called = Called(handler, timeout_seconds=1)
    outcome = await called()
    assert isinstance(outcome, Succeeded | TimedOut)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await anyio.sleep(5)


async def test_each_of_many_invocations_has_its_own_deadline() -> None:
    ended: dict[int, float] = {}

    async def handler(event: int) -> None:
        await anyio.sleep(event)

    called = Called(handler, timeout_seconds=10)

    async def invoke(number: int) -> None:
        await anyio.sleep(number)
        outcome = await called(20 if number % 2 else 1)
        assert isinstance(outcome, TimedOut if number % 2 else Succeeded)
        ended[number] = anyio.current_time()

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(invoke, number)
    assert ended == {n: pytest.approx(n + (10 if n % 2 else 1)) for n in range(6)}


async def test_an_invocation_inside_another_is_stopped_by_its_own_deadline_only() -> None:
    async def inner() -> None:
        await anyio.sleep(60)

    called = Called(inner, timeout_seconds=1)

    async def outer() -> Any:
        return type(await called()).__name__

    assert await Called(outer, timeout_seconds=5)() == Succeeded("TimedOut")
    assert isinstance(await Called(outer, timeout_seconds=0.5)(), TimedOut)
    assert called.permits.running == 0


async def test_two_deadlines_in_one_turn_stop_both_invocations() -> None:
    async def inner() -> None:
        await anyio.sleep(60)

    called = Called(inner, timeout_seconds=1)

    async def outer() -> None:
        await called()
        await anyio.sleep(60)

    assert isinstance(await Called(outer, timeout_seconds=1)(), TimedOut)
    assert called.permits.running == 0


# Cancellation from outside is never an outcome


async def test_cancelling_an_invocation_cancels_the_handler_and_gives_the_permit_back() -> None:
    cancelled = anyio.Event()

    async def handler() -> None:
        try:
            await anyio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    called = Called(handler, timeout_seconds=10)
    with anyio.move_on_after(1) as scope:
        await called()
        pytest.fail("a cancelled invocation had an outcome")
    assert scope.cancelled_caught
    assert cancelled.is_set()
    assert (called.permits.running, called.figures.failed, called.figures.timed_out) == (0, 0, 0)
    await anyio.sleep(20)  # its deadline is no longer watched


async def test_cancellation_in_the_turn_of_the_deadline_is_cancellation() -> None:
    async def handler() -> None:
        await asyncio.sleep(60)

    called = Called(handler, timeout_seconds=1)
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(called())
    await asyncio.sleep(0)
    loop.call_at(1, task.cancel)
    await asyncio.wait([task])
    assert task.cancelled()
    assert called.permits.running == 0


async def test_a_handler_that_turns_cancellation_into_an_error_is_still_cancelled() -> None:
    async def handler() -> None:
        try:
            await anyio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError("lost in the middle") from None

    called = Called(handler, timeout_seconds=10)
    with anyio.move_on_after(1) as scope:
        await called()
        pytest.fail("a cancelled invocation had an outcome")
    assert scope.cancelled_caught
    assert called.figures.failed == 0


async def test_an_invocation_in_a_shielded_part_of_a_cancelled_task_can_time_out() -> None:
    async def handler() -> None:
        await asyncio.sleep(60)

    called = Called(handler, timeout_seconds=1)
    outcomes: list[Outcome] = []
    with anyio.move_on_after(1):
        try:
            await anyio.sleep(60)
        finally:
            with anyio.CancelScope(shield=True):
                outcomes.append(await called())
    assert isinstance(outcomes[0], TimedOut)


# Permits


async def test_without_a_permit_the_handler_does_not_run() -> None:
    async def handler() -> None:
        await anyio.sleep(1)

    called = Called(handler, limit=1)
    outcomes: list[Outcome] = []

    async def invoke() -> None:
        outcomes.append(await called())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(invoke)
        tasks.start_soon(invoke)
    assert outcomes == [Throttled(ThrottleReason.FUNCTION), Succeeded(None)]
    assert (called.figures.throttled, called.figures.succeeded) == (1, 1)


# Context variables


async def test_the_current_context_is_known_while_the_handler_runs() -> None:
    async def handler(context: Context) -> bool:
        await anyio.sleep(1)
        return current_context.get() is context

    assert await Called(handler)() == Succeeded(value=True)
    assert current_context.get() is None


async def test_the_current_context_is_forgotten_whatever_happens() -> None:
    async def failing() -> None:
        raise ValueError

    async def hanging() -> None:
        await anyio.sleep(60)

    await Called(failing)()
    assert current_context.get() is None
    with anyio.move_on_after(1):
        await Called(hanging)()
    assert current_context.get() is None


async def test_a_nested_invocation_gives_the_current_context_back() -> None:
    async def inner(context: Context) -> None:
        assert current_context.get() is context

    called = Called(inner)

    async def outer(context: Context) -> bool:
        await called()
        return current_context.get() is context

    assert await Called(outer)() == Succeeded(value=True)


# Handlers that are not async run in threads


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


async def test_a_plain_handler_runs_in_a_thread(threads: ThreadPoolExecutor) -> None:
    def handler(event: int, context: Context) -> Any:
        return [event, context.aws_request_id, threading.current_thread() is threading.main_thread()]

    assert await Called(handler, threads=threads)(3) == Succeeded([3, REQUEST_ID, False])


async def test_a_thread_sees_the_callers_context_variables(threads: ThreadPoolExecutor) -> None:
    tenant = ContextVar("tenant", default="nobody")

    def handler(context: Context) -> Any:
        seen = [tenant.get(), current_context.get() is context]
        tenant.set("changed")
        return seen

    tenant.set("acme")
    assert await Called(handler, threads=threads)() == Succeeded(["acme", True])
    assert tenant.get() == "acme"


async def test_the_stack_trace_of_a_plain_handler_begins_with_it(threads: ThreadPoolExecutor) -> None:
    def handler() -> None:
        raise KeyError("id")

    body = body_of(await Called(handler, threads=threads)())
    assert (body["errorType"], body["errorMessage"], body["requestId"]) == ("KeyError", "'id'", REQUEST_ID)
    [frame] = body["stackTrace"]
    assert 'in handler\n    raise KeyError("id")\n' in frame


async def test_a_plain_handler_may_exhaust_an_iterator(threads: ThreadPoolExecutor) -> None:
    def handler() -> Any:
        return next(iter(()))

    body = body_of(await Called(handler, threads=threads)())
    assert (body["errorType"], body["errorMessage"], body["requestId"]) == ("StopIteration", "", REQUEST_ID)
    [frame] = body["stackTrace"]
    assert "in handler\n" in frame


async def test_a_plain_handler_may_exit(threads: ThreadPoolExecutor) -> None:
    def handler() -> None:
        raise SystemExit(2)

    message = f"RequestId: {REQUEST_ID} Error: Runtime exited with error: exit status 2"
    assert body_of(await Called(handler, threads=threads)()) == {**EXITED, "errorMessage": message}


async def test_a_plain_handler_that_returns_a_coroutine_is_awaited(threads: ThreadPoolExecutor) -> None:
    async def really(event: Any) -> Any:
        await anyio.sleep(1)
        return event

    def handler(event: Any) -> Any:  # a decorator that knows nothing of async functions
        return really(event)

    assert await Called(handler, threads=threads)(3) == Succeeded(3)


@pytest.mark.parametrize("anyio_backend", [REAL_TIME])
async def test_a_plain_handler_times_out_though_its_thread_goes_on(
    anyio_backend: Any, threads: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    go_on, ended = threading.Event(), threading.Event()

    def handler() -> None:
        go_on.wait()
        ended.set()

    called = Called(handler, timeout_seconds=0.05, threads=threads)
    outcome = await called()
    assert body_of(outcome)["errorMessage"] == f"RequestId: {REQUEST_ID} Error: Task timed out after 0.05 seconds"
    assert called.permits.running == 0
    assert not ended.is_set()
    assert "handler was stopped, but its thread goes on" in caplog.text
    go_on.set()


# Middleware


def recording(name: str, seen: list[str]) -> Any:
    def layer(call: InvocationHandler) -> InvocationHandler:
        async def wrapped(invocation: Invocation) -> Outcome:
            seen.append(f"{name} before {invocation.event}")
            outcome = await call(invocation)
            seen.append(f"{name} after {type(outcome).__name__}")
            return outcome

        return wrapped

    return layer


async def test_the_first_middleware_is_outermost() -> None:
    async def handler(event: Any) -> Any:
        seen.append("handler")
        return event

    seen: list[str] = []
    called = Called(handler, middleware=[recording("a", seen), recording("b", seen)])
    assert await called(1) == Succeeded(1)
    assert seen == ["a before 1", "b before 1", "handler", "b after Succeeded", "a after Succeeded"]


async def fail() -> None:
    raise ValueError("x")


async def leave() -> None:
    raise SystemExit


async def hang() -> None:
    await anyio.sleep(60)


async def cancel_itself() -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("handler", "expected"),
    [(fail, "FunctionFailed"), (leave, "FunctionFailed"), (hang, "TimedOut"), (cancel_itself, "FunctionFailed")],
)
async def test_middleware_sees_every_outcome(handler: Any, expected: str) -> None:
    seen: list[str] = []
    called = Called(handler, middleware=[recording("a", seen)])
    assert type(await called()).__name__ == expected
    assert seen == ["a before None", f"a after {expected}"]
    assert called.permits.running == 0


async def test_middleware_does_not_see_cancellation_as_an_outcome() -> None:
    seen: list[str] = []
    with anyio.move_on_after(1) as scope:
        await Called(hang, middleware=[recording("a", seen)])()
    assert scope.cancelled_caught
    assert seen == ["a before None"]


async def test_middleware_may_change_the_event_and_the_outcome() -> None:
    async def handler(event: int) -> int:
        return event * 10

    def layer(call: InvocationHandler) -> InvocationHandler:
        async def wrapped(invocation: Invocation) -> Outcome:
            invocation.event += 1
            outcome = await call(invocation)
            assert isinstance(outcome, Succeeded)
            return Succeeded(outcome.value + 1)

        return wrapped

    assert await Called(handler, middleware=[layer])(1) == Succeeded(21)


async def test_middleware_that_raises_fails_the_function() -> None:
    async def handler() -> None: ...

    def layer(call: InvocationHandler) -> InvocationHandler:
        async def wrapped(invocation: Invocation) -> Outcome:
            await call(invocation)
            raise PermissionError("not today")

        return wrapped

    body = body_of(await Called(handler, middleware=[layer])())
    assert (body["errorType"], body["errorMessage"]) == ("PermissionError", "not today")


async def test_middleware_that_forgets_the_outcome_fails_the_function_and_says_so() -> None:
    async def handler() -> None: ...

    def layer(call: InvocationHandler) -> InvocationHandler:
        async def wrapped(invocation: Invocation) -> Any:
            await call(invocation)

        return wrapped

    called = Called(handler, middleware=[layer])
    body = body_of(await called())
    assert body["errorType"] == "TypeError"
    assert body["errorMessage"] == "middleware of handler returned None; it has to return an outcome"
    assert (called.figures.failed, called.figures.succeeded) == (1, 0)


async def test_middleware_may_throttle() -> None:
    async def handler() -> None: ...

    def layer(call: InvocationHandler) -> InvocationHandler:
        async def wrapped(invocation: Invocation) -> Outcome:
            return Throttled(ThrottleReason.FUNCTION)

        return wrapped

    called = Called(handler, middleware=[layer])
    assert await called() == Throttled(ThrottleReason.FUNCTION)
    assert (called.figures.throttled, called.figures.failed) == (1, 0)


async def test_middleware_cannot_turn_a_timeout_into_success() -> None:
    def layer(call: InvocationHandler) -> InvocationHandler:
        async def wrapped(invocation: Invocation) -> Outcome:
            await call(invocation)
            return Succeeded("never mind")

        return wrapped

    called = Called(hang, middleware=[layer])
    assert isinstance(await called(), TimedOut)


# Results


async def test_a_result_that_cannot_be_written_is_a_function_error() -> None:
    async def handler() -> Any:
        return {"when": {1, 2}}

    response = response_of(await Called(handler)(), REQUEST_ID)
    assert response.body == (
        b'{"errorMessage": "Unable to marshal response: Object of type set is not JSON serializable", '
        b'"errorType": "Runtime.MarshalError", "requestId": "%s", "stackTrace": []}' % REQUEST_ID.encode()
    )


async def test_a_result_that_is_too_large_is_a_function_error() -> None:
    async def handler(event: int) -> Any:
        return "x" * event

    called = Called(handler)
    fits = response_of(await called(6_291_556 - 2), REQUEST_ID)
    assert fits.outcome.ok
    too_large = response_of(await called(6_291_556 - 1), REQUEST_ID)
    assert too_large.body == (
        b'{"errorType": "Function.ResponseSizeTooLarge", '
        b'"errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes)."}'
    )


async def test_an_observer_is_told_of_every_outcome_and_when_it_started() -> None:
    told: list[tuple[Any, str, float]] = []

    def observe(invocation: Invocation, outcome: Outcome, started: float) -> None:
        told.append((invocation.event, type(outcome).__name__, started))

    async def handler(event: int) -> None:
        await anyio.sleep(event)

    called = Called(handler, observer=observe, timeout_seconds=2)
    await called(1)
    await called(5)
    assert told == [(1, "Succeeded", 0), (5, "TimedOut", 1)]
